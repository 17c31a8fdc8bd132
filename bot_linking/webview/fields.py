"""Brings the names that people type into one spelling, for counting."""

from __future__ import annotations

import re
import unicodedata

# Marks without a shape in Unicode's categories of letters and marks: fillers, joiners of graphemes, inherent
# vowels. All other ignorable marks have a category of their own.
_SHAPELESS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_PASSED_OVER = frozenset(("Cc", "Cf", "Cn", "Co", "Cs", "Me", "Mn"))
# Struck, hooked, dotless and joined letters: many databases compare them as the base letter, and no normal
# form takes them apart.
_LATIN = re.compile(r"LATIN SMALL (?:LETTER|LIGATURE) (?:DOTLESS )?([A-Z]{1,2})(?: WITH .+)?")
_OTHER_LATIN = {"ð": "d", "þ": "th"}


def canonical_name(username: str) -> str:
    """One spelling for all names that a site may take for the same, to count tries under.

    Many databases compare without letter case, width, accents, strokes, the script of digits and marks that
    have no shape. Guesses at one account in several spellings count together.
    """
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", username).casefold())
    kept = (" " if mark.isspace() else _base_of(mark) for mark in folded if not _is_passed_over(mark))
    return " ".join("".join(kept).split())


def _base_of(mark: str) -> str:
    """The ASCII letters of a Latin letter, or the digits of a number; any other mark as it is."""
    if mark.isascii():
        return mark
    if unicodedata.category(mark).startswith("N"):
        number = unicodedata.numeric(mark, -1.0)
        return str(int(number)) if number >= 0 and number.is_integer() else mark
    found = _LATIN.fullmatch(unicodedata.name(mark, ""))
    return found[1].lower() if found else _OTHER_LATIN.get(mark, mark)


def _is_passed_over(mark: str) -> bool:
    return mark in _SHAPELESS or (not mark.isspace() and unicodedata.category(mark) in _PASSED_OVER)
