"""The one reader of JSON for every door: strict where `json.loads` is generous."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from bot_linking.core.errors import PayloadUnreadable

DEEPEST = 100  # lists and objects inside each other; what nests deeper could be read, and not written again

_SAFE_ID = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
# A character class: control characters, line and paragraph separators, marks that turn the reading direction,
# lone surrogates. The API's document shows it as well.
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


def _finite(digits: str) -> float:
    if math.isinf(number := float(digits)):
        raise ValueError("a number beyond reason")
    return number


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)


def read_json(body: bytes) -> Any:
    """The value in these bytes, which must be UTF-8 JSON. `json.dumps` can write all that this has read.

    Raises `PayloadUnreadable` for anything else: another encoding, NaN, numbers beyond reason, more than 100
    levels of nesting, and a key with half a surrogate pair in it. A value may hold one, as people's messages
    do; each door refuses it where text is kept (`is_unicode`). A repeated key means its last value, for every
    reader alike.
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
    """Whether the brackets alone tell that the nesting is allowed, as they do in a batch of a thousand events
    (three times as fast as looking through them). Text with brackets in it leaves a quotation mark over."""
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
    """Whether the text could end a line, move a cursor, or read otherwise than it is written."""
    return _HIDDEN.search(text) is not None


def is_unicode(text: str) -> bool:
    """Whether the text can be stored and sent: JSON may escape half a surrogate pair, UTF-8 cannot."""
    return text.isascii() or _SURROGATE.search(text) is None


def is_storable(text: str) -> bool:
    """Whether every store can keep this text: it has no NUL and no half of a surrogate pair in it."""
    return "\0" not in text and is_unicode(text)


def require_storable(**given: str | None) -> None:
    """`ValueError` for the first of these texts that has NUL or half a surrogate pair in it."""
    for name, value in given.items():
        if value is not None and not is_storable(value):
            raise ValueError(f"{name} is not Unicode text")


def whole_number(value: object) -> int | None:
    """A JSON integer: no text, no fraction, no boolean; None for anything else that stands in its place."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def read_id(value: object) -> str | None:
    """A page id or PSID as an exact string, or None when it is no such thing.

    An integer is taken by its decimal form, as some recorded events carry one.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if -(10**63) < value < 10**63 else None
    if isinstance(value, str) and _SAFE_ID.fullmatch(value):
        return value
    return None
