"""The one reader of JSON for every door: strict where `json.loads` is generous."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from bot_linking.core.errors import PayloadUnreadable

_SAFE_ID = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
# Control characters, line and paragraph separators, marks that turn the reading direction, lone surrogates.
_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    if math.isinf(number := float(digits)):
        raise ValueError("a number beyond reason")
    return number


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)


def read_json(body: bytes) -> Any:
    """The value in these bytes, which must be UTF-8 JSON.

    Raises `PayloadUnreadable` for anything else: another encoding, NaN, nesting or numbers beyond reason.
    A repeated key means its last value, for every reader alike.
    """
    try:
        return _DECODER.decode(body.decode("utf-8"))
    except (ValueError, RecursionError) as problem:
        raise PayloadUnreadable("the body is not UTF-8 JSON") from problem


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
