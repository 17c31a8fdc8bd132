"""The one reader of JSON for every door: strict where `json.loads` is generous."""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal, InvalidOperation
from typing import Any

from bot_linking.core.errors import PayloadUnreadable

DEEPEST = 100  # levels of lists and objects; `json.dumps` may fail to write deeper ones

_SAFE_ID = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
# A character class: control characters, line and paragraph separators, marks that change the reading
# direction, lone surrogates. The API's document shows it, too.
HIDDEN_MARKS = (
    "\\u0000-\\u001f\\u007f-\\u009f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff"
)
_HIDDEN = re.compile(f"[{HIDDEN_MARKS}]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_ESCAPE = re.compile(rb"\\.")
_NO_BRACKET_OR_QUOTE = bytes(set(range(256)) - set(b'{}[]"'))


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


class _Rounded(float):
    """A fraction that is whole only as a float, such as 7.0000000000000000001: it must name nobody."""

    def is_integer(self) -> bool:
        return False


def _finite(digits: str) -> float:
    if math.isinf(number := float(digits)):
        raise ValueError("a number beyond reason")
    return number if not number.is_integer() or _is_exact(digits, number) else _Rounded(number)


def _is_exact(digits: str, number: float) -> bool:
    try:
        return Decimal(digits) == number
    except InvalidOperation:  # an exponent of twenty digits
        return False


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)


def read_json(body: bytes) -> Any:
    """The value of these bytes, which must be UTF-8 JSON. `json.dumps` can write every value that this reads.

    Raises `PayloadUnreadable` for another encoding, NaN, infinite numbers, more than 100 levels of nesting,
    and a key with half a surrogate pair. A value may have one, as people's messages do; where text is kept,
    the door refuses it (`is_unicode`). Of a repeated key the last value counts.
    """
    try:
        value = _DECODER.decode(body.decode("utf-8"))
    except (ValueError, RecursionError) as problem:
        raise PayloadUnreadable("the body is not UTF-8 JSON") from problem
    if body.count(b"{") + body.count(b"[") > DEEPEST and not _is_plainly_shallow(body):
        _check_depth(value)
    if b"\\" in body and _ESCAPED_SURROGATE.search(body):
        _check_keys(value)
    return value


def _is_plainly_shallow(body: bytes) -> bool:
    """Whether the brackets alone show that the nesting is allowed. For a batch of a thousand events that is
    three times as fast as a walk through the value. False where text holds brackets: then the value
    decides."""
    marks = _ESCAPE.sub(b"", body) if b"\\" in body else body
    marks = marks.translate(None, _NO_BRACKET_OR_QUOTE).replace(b'""', b"")
    for _ in range(DEEPEST // 2):
        fewer = marks.replace(b"{}", b"").replace(b"[]", b"")  # the innermost level, or two
        if len(fewer) == len(marks):
            break
        marks = fewer
    return not marks


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST):
        inside = [each.values() if isinstance(each, dict) else each for each in level]
        level = [each for children in inside for each in children if isinstance(each, (dict, list))]
        if not level:
            return
    raise PayloadUnreadable(f"the body nests deeper than {DEEPEST} levels")


def _check_keys(value: Any) -> None:
    if isinstance(value, dict):
        if not all(map(is_unicode, value)):
            raise PayloadUnreadable("a key of the body is not Unicode text")
        value = value.values()
    elif not isinstance(value, list):
        return
    for each in value:
        _check_keys(each)


def has_hidden_marks(text: str) -> bool:
    """Whether the text could end a line, move a cursor, or change the reading direction."""
    return _HIDDEN.search(text) is not None


def is_unicode(text: str) -> bool:
    """Whether the text can be encoded as UTF-8: JSON can escape half a surrogate pair, UTF-8 has none."""
    return text.isascii() or _SURROGATE.search(text) is None


def is_storable(text: str) -> bool:
    """Whether every store can keep this text: it is Unicode, without NUL."""
    return "\0" not in text and is_unicode(text)


def require_storable(**given: str | None) -> None:
    """`ValueError` for the first of these texts that has a NUL or half a surrogate pair."""
    for name, value in given.items():
        if value is not None and not is_storable(value):
            raise ValueError(f"{name} is not Unicode text")


def whole_number(value: object) -> int | None:
    """The value when it is a JSON integer; None for every other value, a boolean included."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def read_id(value: object) -> str | None:
    """A page id or PSID as text; None when the value is neither.

    An integer counts by its decimal digits: some recorded events have one.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if -(10**63) < value < 10**63 else None
    if isinstance(value, str) and _SAFE_ID.fullmatch(value):
        return value
    return None
