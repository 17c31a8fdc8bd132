"""What people type into the forms, in the one spelling that counts."""

from __future__ import annotations

import re
import unicodedata

# Marks without a shape that Unicode files under letters or marks: fillers, joiners of graphemes, inherent
# vowels. Everything else that is ignorable has a category of its own.
_SHAPELESS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_PASSED_OVER = frozenset(("Cc", "Cf", "Cn", "Co", "Cs", "Me", "Mn"))
# Struck, hooked, dotless and joined letters, which no normal form takes apart and many databases do.
_LATIN = re.compile(r"LATIN SMALL (?:LETTER|LIGATURE) (?:DOTLESS )?([A-Z]{1,2})(?: WITH .+)?")
_OTHER_LATIN = {"ð": "d", "þ": "th"}


def canonical_name(username: str) -> str:
    """One spelling for each name that a site may take for the same, to count its failures under.

    Many databases compare without letter case, width, accents, strokes, the script of digits and marks that
    have no shape; guesses at one account must not be counted apart by them.
    """
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", username).casefold())
    kept = (" " if mark.isspace() else _base_of(mark) for mark in folded if not _is_passed_over(mark))
    return " ".join("".join(kept).split())


def _base_of(mark: str) -> str:
    """The ASCII letters or digits that a Latin letter or a number is a form of; any other mark as it is."""
    if mark.isascii():
        return mark
    if unicodedata.category(mark).startswith("N"):
        number = unicodedata.numeric(mark, -1.0)
        return str(int(number)) if number >= 0 and number.is_integer() else mark
    found = _LATIN.fullmatch(unicodedata.name(mark, ""))
    return found[1].lower() if found else _OTHER_LATIN.get(mark, mark)


def _is_passed_over(mark: str) -> bool:
    return mark in _SHAPELESS or (not mark.isspace() and unicodedata.category(mark) in _PASSED_OVER)


def plain_code(typed: str) -> str:
    """A code as it was made, however an app shows it and a keyboard types it.

    Blanks, dashes, dots and marks without a shape go; digits of any script and width become ASCII digits.
    """
    return "".join(_plain(mark) for mark in unicodedata.normalize("NFKC", typed) if mark.isalnum())


def _plain(mark: str) -> str:
    digit = unicodedata.decimal(mark, None)
    return mark if digit is None else str(digit)
