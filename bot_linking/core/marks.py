"""Characters that are invisible or look like others: they are removed before names and codes are compared."""

from __future__ import annotations

import re
import unicodedata

from bot_linking.core.reading import has_hidden_marks

# A character class: white space, control and format characters, fillers, variation selectors, halves of
# surrogate pairs. The API's document has it, too: a name must have a character outside of it.
INVISIBLE = (
    "\\u0000-\\u0020\\u007f-\\u00a0\\u00ad\\u034f\\u061c\\u115f\\u1160\\u1680\\u17b4\\u17b5\\u180b-\\u180f"
    "\\u2000-\\u200f\\u2028-\\u202f\\u205f-\\u206f\\u2800\\u3000\\u3164\\ud800-\\udfff\\ufe00-\\ufe0f\\ufeff"
    "\\uffa0\\ufff0-\\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
BLANKS = (
    "\\u00ad\\u034f\\u115f\\u1160\\u17b4\\u17b5\\u180b\\u180c\\u180d"
    "\\u180e\\u200b\\u200c\\u200d\\u2060\\u2800\\u3164\\ufeff\\uffa0"
)
_BLANKS_AT_ENDS = re.compile(f"^[\\s{BLANKS}]+|[\\s{BLANKS}]+$")
_LONGEST_READ = 1000
_UNSEEN = re.compile(f"[{INVISIBLE}]+")
_VISIBLE = re.compile(f"[^{INVISIBLE}]")
_ALIKE = str.maketrans(
    dict.fromkeys("‐‑‒–—―−", "-") | dict.fromkeys("‘’‛ʼ´", "'") | dict.fromkeys("“”‟", '"')
)


def stripped(text: str) -> str | None:
    """The text without white space and invisible characters at its ends; None where it has no visible one.

    Characters that end a line or change its direction stay, for the caller to refuse.
    """
    if len(text) > _LONGEST_READ:
        return text  # longer than any name may be: not worth the cost
    if _is_plain(text):
        return text.strip() or None
    text = _BLANKS_AT_ENDS.sub("", text)
    return text if _VISIBLE.search(text) or has_hidden_marks(text) else None


def folded(text: str) -> str:
    """The form by which names are compared. Texts that differ only in invisible characters, white space,
    dashes, quotes, or the width or ligature of letters have the same form; capitals stay distinct."""
    if _is_plain(text):
        return " ".join(text.split())
    plain = unicodedata.normalize("NFKC", text.translate(_ALIKE)).translate(_ALIKE)
    return " ".join("".join(" " if mark.isspace() else _UNSEEN.sub("", mark) for mark in plain).split())


def _is_plain(text: str) -> bool:
    """Whether nothing but spaces is unseen in it, and nothing looks like another mark: as in most names."""
    return text.isascii() and text.isprintable()


def plain_code(typed: str) -> str:
    """A code as it was made, from however an app shows it and a keyboard types it.

    White space, dashes, dots and marks without a shape are removed; digits of any script and width become
    ASCII digits.
    """
    return "".join(_plain(mark) for mark in unicodedata.normalize("NFKC", typed) if mark.isalnum())


def _plain(mark: str) -> str:
    digit = unicodedata.decimal(mark, None)
    return mark if digit is None else str(digit)
