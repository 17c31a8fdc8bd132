"""Makes text that others chose safe to show: names for pages and chat, errors for logs and terminals.

Every place that shows a name uses these rules.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST_NAME = 80
_LONGEST_READ = 1000  # characters of a name: bounds the cost of every rule here
_JOINERS = frozenset("\u200c\u200d")
_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn"))
_FILLERS = frozenset("\u2800\u3164\uffa0")  # blank, although Unicode calls them letters or symbols
_JOINED = frozenset("LMNS")  # letters, their marks, numbers and symbols: emoji are symbols
_VIRAMA = 9  # the combining class; in some scripts a joiner after it ends a word

_DOTS, _SLASHES = r".\u3002\uff0e\uff61", r"/\\\uff0f"
_DOT, _SLASH = f"[{_DOTS}]", f"[{_SLASHES}]"
_LABEL = rf"[^\s{_DOTS}{_SLASHES}?#:]++"  # between two dots; possessive: it never backtracks
_ADDRESSES = (
    re.compile(rf"(?i)(?:[a-z][a-z0-9+.-]{{0,30}}:)?{_SLASH}{{2}}\S*"),
    re.compile(rf"(?i)(?<![a-z0-9])www{_DOT}\S+"),
    # A host without a scheme, which Messenger turns into a link: labels with dots, then a path, query or
    # port.
    re.compile(rf"{_LABEL}(?:{_DOT}{_LABEL})++{_DOT}?(?:{_SLASH}|[?#:]\w)\S*"),
)


def one_line(name: str, longest: int = LONGEST_NAME) -> str:
    """The visible characters of a name, on one line of at most `longest` characters.

    Control characters, direction overrides and blank fillers are removed. U+200C and U+200D stay between
    characters that they join: Persian, Indic scripts and emoji need them.
    """
    kept = "".join(" " if mark.isspace() else mark for mark in name[:_LONGEST_READ] if _may_stay(mark))
    return _tidy(kept, longest)


def safe_name(name: str, longest: int = LONGEST_NAME) -> str:
    """The same without addresses, which Messenger would turn into links in a message of the page."""
    text = one_line(name, _LONGEST_READ)[: 4 * longest]
    for pattern in _ADDRESSES:
        text = pattern.sub(" ", text)
    return _tidy(text, longest)


def escaped(text: str) -> str:
    """Text from outside, for a log or a terminal: characters that end a line or move a cursor are escaped."""
    return "".join(mark if mark.isprintable() else _escape(mark) for mark in text)


def _escape(mark: str) -> str:
    return mark.encode("unicode_escape").decode("ascii")


def _may_stay(mark: str) -> bool:
    if mark.isspace() or mark in _JOINERS:
        return True
    return unicodedata.category(mark) not in _HIDDEN and mark not in _FILLERS


def _tidy(text: str, longest: int) -> str:
    """The text with single blanks inside, none at its ends, no loose joiner, and at most `longest` long."""
    return _without_loose_joiners(" ".join(text.split())[:longest]).strip()


def _without_loose_joiners(text: str) -> str:
    kept = ""
    for at, mark in enumerate(text):
        if mark not in _JOINERS or _joins(kept[-1:], text[at + 1 : at + 2]):
            kept += mark
    return kept


def _joins(before: str, after: str) -> bool:
    if not before or before in _JOINERS:
        return False
    if unicodedata.combining(before) == _VIRAMA:
        return True
    return _is_joined(before) and bool(after) and _is_joined(after)


def _is_joined(mark: str) -> bool:
    return unicodedata.category(mark)[0] in _JOINED
