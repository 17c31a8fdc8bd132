"""What in a chat may be meant for a way of linking beside the Log In button, told by its form alone.

Nothing is looked up here: whether a proof is good, and whether digits are awaited from this person, the core
says. Forms: an `m.me` address that comes as `referral.ref` or `postback.referral.ref`, the quick reply to a
question of ours, and what a person types: `LINK XXXX-XXXX` or six digits.
"""

from __future__ import annotations

import re
import unicodedata
from enum import Enum
from typing import Any, NamedTuple

PREFIX = "bl."  # of what is ours in a `ref` or a quick reply's payload
_LONGEST_TYPED = 64

# In raw bytes. The first letters are literal, so that the search is one of the quick kind.
_BLANK = (
    rb"(?: |\\[nrt]|\\u3000|\\u00[aA]0|\\u20[0-6][0-9a-fA-F]"
    rb"|\xe3\x80\x80|\xc2\xa0|\xe2[\x80\x81][\x80-\xbf])*"
)
_FULL_WIDTH = rb"\\u[fF][fF][1-5]|\xef[\xbc\xbd]"
_TYPED_BYTES = re.compile(
    rb'"text"\s*:\s*"' + _BLANK + rb"(?:[Ll][Ii][Nn][Kk]|[0-9]{3} ?[0-9]{3}|" + _FULL_WIDTH + rb")"
)
_PREFIX_BYTES = re.compile(rb'"bl\.')
_ESCAPED_ASCII = re.compile(rb"\\u00[0-7]")

_TYPED = re.compile(r"LINK[ A-Z0-9-]*|[0-9]{3} ?[0-9]{3}")
_DASHES = re.compile(r"[\u2010-\u2015\u2212]")


class Form(Enum):
    """What a person did, by its form."""

    REF = "opened an address of ours"
    ANSWER = "answered a question of ours"
    TYPED = "typed what may be a code or digits"


class Said(NamedTuple):
    """Something that may be ours, and the event that it came with."""

    form: Form
    value: str
    event: dict[str, Any]


def mentions_other_ways(body: bytes) -> bool:
    """Whether the raw bytes can hold anything of these forms, or any key of ours spelt with escapes."""
    if _TYPED_BYTES.search(body) or _PREFIX_BYTES.search(body):
        return True
    return b"\\" in body and _ESCAPED_ASCII.search(body) is not None


def said_in(event: dict[str, Any]) -> Said | None:
    """What of an event may be ours; None where nothing is. An echo is the page's own and nobody's."""
    message = event.get("message")
    if isinstance(message, dict) and not message.get("is_echo"):
        payload = _text(message, "quick_reply", "payload")
        if payload.startswith(PREFIX):
            return Said(Form.ANSWER, payload, event)
        text = _text(message, "text")
        if _TYPED.fullmatch(_folded(text)):
            return Said(Form.TYPED, text, event)
    for path in (("referral", "ref"), ("postback", "referral", "ref")):
        if (ref := _text(event, *path)).startswith(PREFIX):
            return Said(Form.REF, ref, event)
    return None


def _text(value: Any, *path: str) -> str:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def _folded(text: str) -> str:
    """What phones and keyboards make of digits, letters, blanks and dashes, in one spelling."""
    if len(text) > _LONGEST_TYPED:
        return ""
    return _DASHES.sub("-", unicodedata.normalize("NFKC", text)).strip().upper()
