"""Marks of a text that are not seen, or are seen as others: what names are compared without."""

from __future__ import annotations

import re
import unicodedata

# A character class: white space, control and format characters, fillers, variation selectors, halves of
# surrogate pairs. It stands in the API's document too, where a name must hold something else.
INVISIBLE = (
    "\\u0000-\\u0020\\u007f-\\u00a0\\u00ad\\u034f\\u061c\\u115f\\u1160\\u1680\\u17b4\\u17b5\\u180b-\\u180f"
    "\\u2000-\\u200f\\u2028-\\u202f\\u205f-\\u206f\\u2800\\u3000\\u3164\\ud800-\\udfff\\ufe00-\\ufe0f\\ufeff"
    "\\uffa0\\ufff0-\\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_BLANKS = (
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d"
    "\u180e\u200b\u200c\u200d\u2060\u2800\u3164\ufeff\uffa0"
)
_UNSEEN = re.compile(f"[{INVISIBLE}]+")
_VISIBLE = re.compile(f"[^{INVISIBLE}]")
_ALIKE = str.maketrans(
    dict.fromkeys("‐‑‒–—―−", "-") | dict.fromkeys("‘’‛ʼ´", "'") | dict.fromkeys("“”‟", '"')
)


def stripped(text: str) -> str | None:
    """The text without white space and unseen marks at its ends; None where nothing in it is seen.

    Marks that end a line or turn it stay where they are, for the caller to refuse.
    """
    if not _VISIBLE.search(text):
        return None
    while text != (shorter := text.strip().strip(_BLANKS)):
        text = shorter
    return text


def folded(text: str) -> str:
    """What names are compared by: alike for texts that differ in unseen marks, white space, dashes, quotes,
    and the width or ligature of letters. Capital and small letters stay apart."""
    plain = unicodedata.normalize("NFKC", text.translate(_ALIKE)).translate(_ALIKE)
    return " ".join("".join(" " if mark.isspace() else _UNSEEN.sub("", mark) for mark in plain).split())
