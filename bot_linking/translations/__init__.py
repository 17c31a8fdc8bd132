"""Every visible sentence, of the pages and of the chat, in the person's language.

The standard library's gettext over an own domain, so that neither the host's Flask-Babel nor its absence
matters. Messenger spells languages `zh_CN`, browsers `zh-Hans-CN`: both are understood. Begin with
`translate`. To add a language, add its folder: this room's README.md has the commands.
"""

from __future__ import annotations

import gettext
import re
import struct
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

DOMAIN = "bot_linking"

_RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ur"})
_TRADITIONAL = frozenset({"hant", "tw", "hk", "mo"})  # every other Chinese is written with simplified signs
_RENAMED = {"iw": "he", "in": "id"}
_folders: list[Path] = []


def _languages_in(folder: Traversable) -> Iterator[str]:
    for each in folder.iterdir():
        if each.joinpath("LC_MESSAGES", DOMAIN + ".mo").is_file():
            yield each.name


SHIPPED = ("en", *sorted(_languages_in(files(__package__))))


def add_folder(folder: Path) -> None:
    """Take the catalogues `<language>/LC_MESSAGES/bot_linking.mo` of a host's own folder, in this process.

    Their sentences go before ours; what they lack is ours, or English. `ValueError` where the folder holds
    none, or one that cannot be read.
    """
    if not folder.is_dir() or not (languages := list(_languages_in(folder))):
        raise ValueError(f"has no <language>/LC_MESSAGES/{DOMAIN}.mo in it")
    for language in languages:
        _read(folder, language)
    if folder not in _folders:
        _folders.append(folder)
        _catalogue.cache_clear()
        _known.cache_clear()


def translate(locale: str, message: str, **values: str) -> str:
    """The sentence in this language, with `{name}` replaced by the values.

    In one pass, so that what a value says is never taken for a placeholder.
    """
    return _filled_in(_catalogue(best_of([locale], "en")).gettext(message), values)


def translate_count(locale: str, one: str, several: str, count: int, **values: str) -> str:
    """The sentence about this number of things, by the plural rules of this language. `{count}` in it is the
    number; the sentence about one thing may leave it out."""
    text = _catalogue(best_of([locale], "en")).ngettext(one, several, count)
    return _filled_in(text, {"count": str(count), **values})


def direction_of(locale: str) -> str:
    """`rtl` for a language that is written from right to left, else `ltr`."""
    return "rtl" if locale.partition("_")[0] in _RIGHT_TO_LEFT else "ltr"


def best_of(wanted: Iterable[str], default: str) -> str:
    """The language with a catalogue that suits best: `zh-Hans-CN` is `zh_CN`, `en_GB` is `en`, `pt` is
    `pt_BR`."""
    known = _known()
    for tag in (*wanted, default):
        parts = tag.replace("-", "_").lower().split("_")
        parts[0] = _RENAMED.get(parts[0], parts[0])
        if parts[0] == "zh":
            parts = ["zh", "cn" if _TRADITIONAL.isdisjoint(parts) else "tw"]
        for name in ("_".join(parts), parts[0]):
            if (found := known.get(name)) is not None:
                return found
    return "en"


@cache
def _known() -> dict[str, str]:
    """Each language by its name in small letters, and by its first part."""
    languages = [*SHIPPED, *(language for folder in _folders for language in _languages_in(folder))]
    names = {language.lower(): language for language in languages}
    return {name.partition("_")[0]: language for name, language in reversed(names.items())} | names


@cache
def _catalogue(locale: str) -> gettext.NullTranslations:
    """English is what stands in the code, where no host says it otherwise."""
    catalogue = gettext.NullTranslations()
    for folder in (files(__package__), *_folders):
        if locale in _languages_in(folder):
            own = _read(folder, locale)
            own.add_fallback(catalogue)
            catalogue = own
    return catalogue


def _read(folder: Traversable, language: str) -> gettext.NullTranslations:
    try:
        with folder.joinpath(language, "LC_MESSAGES", DOMAIN + ".mo").open("rb") as file:
            return gettext.GNUTranslations(file)
    except (OSError, ValueError, struct.error) as problem:
        raise ValueError(f"{language}/LC_MESSAGES/{DOMAIN}.mo cannot be read: {problem}") from None


def _filled_in(text: str, values: dict[str, str]) -> str:
    """A placeholder that a host's catalogue has made up stays as it is."""
    return re.sub(r"\{(\w+)\}", lambda match: values.get(match[1], match[0]), text)
