"""Every visible sentence, of the pages and of the chat, in the person's language.

The standard library's gettext over an own domain, so that neither the host's Flask-Babel nor its absence
matters. Messenger spells languages `zh_CN`, browsers `zh-Hans-CN`: both are understood.
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

DOMAIN = "bot_linking"
SHIPPED = ("en", "zh_CN")

_RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ur"})
_SIMPLIFIED = {"zh", "zh_cn", "zh_sg", "zh_hans"}


@cache
def _catalogue(locale: str) -> gettext.NullTranslations:
    if locale == "en":
        return gettext.NullTranslations()  # the sentences in the code are English
    with files(__package__).joinpath(locale, "LC_MESSAGES", DOMAIN + ".mo").open("rb") as file:
        return gettext.GNUTranslations(file)


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


def _filled_in(text: str, values: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: values[match[1]], text)


def direction_of(locale: str) -> str:
    """`rtl` for a language that is written from right to left, else `ltr`."""
    return "rtl" if locale.partition("_")[0] in _RIGHT_TO_LEFT else "ltr"


def best_of(wanted: Iterable[str], default: str) -> str:
    """The shipped language that suits best: `zh-Hans-CN` is `zh_CN`, `en_GB` is `en`."""
    for tag in (*wanted, default):
        name = tag.replace("-", "_").lower()
        parts = name.split("_")
        if name in _SIMPLIFIED or parts[:2] == ["zh", "hans"]:
            return "zh_CN"
        for shipped in SHIPPED:
            if shipped.lower() in (name, parts[0]):
                return shipped
    return "en"
