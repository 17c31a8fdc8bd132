"""Every visible sentence, of the pages and of the chat, in the person's language.

The standard library's gettext reads the catalogues, so a host may have Flask-Babel or not. Messenger spells
languages `zh_CN`, browsers `zh-Hans-CN`: both are understood. Begin with `translate`. To add a language, add
its folder: this room's README.md has the commands.
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
_TRADITIONAL = frozenset({"hant", "tw", "hk", "mo"})  # all other tags of Chinese mean simplified characters
_RENAMED = {"iw": "he", "in": "id"}
_folders: list[Path] = []


def _languages_in(folder: Traversable) -> Iterator[str]:
    for each in folder.iterdir():
        if each.joinpath("LC_MESSAGES", DOMAIN + ".mo").is_file():
            yield each.name


SHIPPED = ("en", *sorted(_languages_in(files(__package__))))


def add_folder(folder: Path) -> None:
    """Add the catalogues `<language>/LC_MESSAGES/bot_linking.mo` of a host's folder, for this process.

    Their sentences win over ours; a sentence that they lack is ours, or English. Raises `ValueError` where
    the folder has no catalogue, or one that cannot be read.
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
    """The sentence in this language, with each `{name}` replaced by its value.

    All are replaced in one pass, so a value that looks like a placeholder stays as it is.
    """
    return _filled_in(_catalogue(best_of([locale], "en")).gettext(message), values)


def translate_count(locale: str, one: str, several: str, count: int, **values: str) -> str:
    """The sentence about `count` things, by the plural rules of this language. `{count}` in it is the number,
    which the sentence about one thing may leave out."""
    text = _catalogue(best_of([locale], "en")).ngettext(one, several, count)
    return _filled_in(text, {"count": str(count), **values})


def direction_of(locale: str) -> str:
    """`rtl` for a language that is written from right to left, else `ltr`."""
    return "rtl" if locale.partition("_")[0] in _RIGHT_TO_LEFT else "ltr"


def best_of(wanted: Iterable[str], default: str) -> str:
    """The first language of `wanted` that has a catalogue, else `default`: `zh-Hans-CN` is `zh_CN`, `en_GB`
    is `en`, `pt` is `pt_BR`."""
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
    """Each language with a catalogue, by its name in small letters and by the first part of that."""
    languages = [*SHIPPED, *(language for folder in _folders for language in _languages_in(folder))]
    names = {language.lower(): language for language in languages}
    return {name.partition("_")[0]: language for name, language in reversed(names.items())} | names


@cache
def _catalogue(locale: str) -> gettext.NullTranslations:
    """The hosts' catalogues of a language over ours. English has none of ours: its sentences are the keys."""
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
    except (OSError, ValueError, LookupError, struct.error) as problem:
        raise ValueError(f"{language}/LC_MESSAGES/{DOMAIN}.mo cannot be read: {problem}") from None


def _filled_in(text: str, values: dict[str, str]) -> str:
    """Replace each placeholder; one that only a host's catalogue has stays as it is."""
    return re.sub(r"\{(\w+)\}", lambda match: values.get(match[1], match[0]), text)
