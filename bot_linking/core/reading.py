"""The one reader of JSON for every door: strict where `json.loads` is generous."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from bot_linking.core.errors import PayloadUnreadable

_SAFE_ID = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
# Control characters, line and paragraph separators, marks that turn the reading direction, lone surrogates.
_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
DEEPEST = 100  # arrays and objects inside each other; nobody's protocol here has ten


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    if math.isinf(number := float(digits)):
        raise ValueError("a number beyond reason")
    return number


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)


def read_json(body: bytes) -> Any:
    """The value in these bytes, which must be UTF-8 JSON. What was read can be written again.

    Raises `PayloadUnreadable` for anything else: another encoding, NaN, numbers beyond reason, more than
    `DEEPEST` arrays and objects inside each other, and keys that are not Unicode: JSON may escape half a
    surrogate pair. Such a half may stand in a value, as people's messages hold one now and then; who keeps
    a value asks `is_unicode`. A repeated key means its last value, for every reader alike.
    """
    try:
        value = _DECODER.decode(body.decode("utf-8"))
    except (ValueError, RecursionError) as problem:
        raise PayloadUnreadable("the body is not UTF-8 JSON") from problem
    if body.count(b"[") + body.count(b"{") > DEEPEST and _depth_of(value) > DEEPEST:
        raise PayloadUnreadable(f"the body nests deeper than {DEEPEST}")
    if _ESCAPED_HALF.search(body) and not all(map(is_unicode, _keys_in(value))):
        raise PayloadUnreadable("the body has a key that is not Unicode")
    return value


def _depth_of(value: Any) -> int:
    """How many arrays and objects stand inside each other, counted no further than the limit needs."""
    return sum(1 for _ in islice(_levels_of(value), DEEPEST + 1))


def _keys_in(value: Any) -> Iterator[str]:
    for level in _levels_of(value):
        for holder in level:
            if type(holder) is dict:
                yield from holder


def _levels_of(value: Any) -> Iterator[list[Any]]:
    """The arrays and objects, level by level: recursion is what must not happen."""
    level = [value] if type(value) in (dict, list) else []
    while level:
        yield level
        level = [
            each
            for holder in level
            for each in (holder.values() if type(holder) is dict else holder)
            if type(each) in (dict, list)
        ]


def has_hidden_marks(text: str) -> bool:
    """Whether the text could end a line, move a cursor, or read otherwise than it is written."""
    return _HIDDEN.search(text) is not None


def is_unicode(text: str) -> bool:
    """Whether the text can be stored and sent: JSON may escape half a surrogate pair, UTF-8 cannot."""
    return text.isascii() or _SURROGATE.search(text) is None


def read_id(value: object) -> str | None:
    """A page id or PSID as an exact string, or None when it is no such thing.

    An integer is taken by its decimal form, as some recorded events carry one.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if -(10**63) < value < 10**63 else None
    if isinstance(value, str) and _SAFE_ID.fullmatch(value):
        return value
    return None
