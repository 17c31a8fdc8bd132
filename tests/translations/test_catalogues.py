"""Every sentence is in the catalogue, and every catalogue says it completely."""

from __future__ import annotations

import gettext
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

import bot_linking.translations as translations
from bot_linking.translations import DOMAIN, SHIPPED, best_of, translate

HOUSE = Path(translations.__file__).parents[1]
ROOM = HOUSE / "translations"
LOCALES = [locale for locale in SHIPPED if locale != "en"]
METHODS = [
    ("simulator/**", "ignore"),
    ("webview/templates/**.html", "jinja2.ext:babel_extract"),
    ("**.py", "python"),
]
KEYWORDS = {"_": None, "_n": (1, 2), "text": None, "translate": (2,), "translate_count": (2, 3)}

Id = str | tuple[str, str]


def extracted() -> dict[Id, set[str]]:
    """Each sentence of the code and the pages, and the files that say it; of a sentence about a number of
    things, the one about one thing and the one about several."""
    found: dict[Id, set[str]] = {}
    for file, _, message, _, _ in extract_from_dir(HOUSE, method_map=METHODS, keywords=KEYWORDS):
        found.setdefault(_id_of(message), set()).add(file.replace("\\", "/"))
    return found


def _id_of(message: str | list[str] | tuple[str, ...]) -> Id:
    return message if isinstance(message, str) else (message[0], message[1])


def catalogue(path: Path, locale: str | None = None) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=locale)


def of_locale(locale: str) -> Catalog:
    return catalogue(ROOM / locale / "LC_MESSAGES" / f"{DOMAIN}.po", locale)


def sentences(of: Catalog) -> Iterator[Message]:
    return (message for message in of if message.id)


def said(message: Message) -> tuple[str, ...]:
    """What a catalogue says for a message: each plural form of it."""
    return (message.string,) if isinstance(message.string, str) else tuple(message.string or ())


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"\{\w+\}", text))


def test_the_template_has_exactly_the_sentences_of_the_code_and_the_pages() -> None:
    template = catalogue(ROOM / f"{DOMAIN}.pot")
    listed = {_id_of(message.id): {file for file, _ in message.locations} for message in sentences(template)}
    assert listed == extracted()


@pytest.mark.parametrize("locale", LOCALES)
def test_a_catalogue_translates_every_sentence_and_nothing_else(locale: str) -> None:
    of = of_locale(locale)
    assert {_id_of(message.id) for message in sentences(of)} == set(extracted())
    assert [message.id for message in sentences(of) if not all(said(message)) or message.fuzzy] == []
    assert of.obsolete == {}
    assert not of.fuzzy


@pytest.mark.parametrize("locale", LOCALES)
def test_a_translation_has_the_placeholders_of_its_sentence(locale: str) -> None:
    """A plural form may leave out the number: in many languages the word says it."""
    for message in sentences(of_locale(locale)):
        wanted = placeholders(" ".join(_id_of(message.id)) if message.pluralizable else str(message.id))
        for sentence in said(message):
            missing = {"{count}"} if message.pluralizable else set()
            assert placeholders(sentence) | missing == wanted | missing, message.id


@pytest.mark.parametrize("locale", LOCALES)
def test_a_sentence_about_a_number_has_each_plural_form_of_its_language(locale: str) -> None:
    of = of_locale(locale)
    for message in sentences(of):
        assert not message.pluralizable or len(said(message)) == of.num_plurals, message.id
        assert not message.pluralizable or "{count}" in said(message)[-1], message.id


@pytest.mark.parametrize("locale", LOCALES)
def test_the_compiled_catalogue_is_the_written_one(locale: str) -> None:
    fresh = io.BytesIO()
    write_mo(fresh, of_locale(locale))
    fresh.seek(0)
    with (ROOM / locale / "LC_MESSAGES" / f"{DOMAIN}.mo").open("rb") as file:
        shipped = gettext.GNUTranslations(file)
    written = gettext.GNUTranslations(fresh)
    for message in extracted():
        if isinstance(message, str):
            assert shipped.gettext(message) == written.gettext(message) != message
        else:
            one, several = message
            for count in range(120):
                assert shipped.ngettext(one, several, count) == written.ngettext(one, several, count)
                assert shipped.ngettext(one, several, count) not in message


@pytest.mark.parametrize("tag", ["zh", "zh-CN", "zh_CN", "zh-Hans-CN", "zh-Hans", "ZH-cn", "zh-SG"])
def test_simplified_chinese_is_found_by_each_of_its_names(tag: str) -> None:
    assert translate(tag, "Password") == "密码"


@pytest.mark.parametrize("tag", ["en", "en-GB", "en_US", "fr", "", "*"])
def test_whoever_reads_something_else_gets_english(tag: str) -> None:
    assert translate(tag, "Password") == "Password"


def test_the_first_language_that_is_spoken_here_wins() -> None:
    assert best_of(["fr", "zh-CN", "en"], "en") == "zh_CN"
    assert best_of(["fr"], "zh_CN") == "zh_CN"


@pytest.mark.parametrize("locale", SHIPPED)
def test_what_a_value_says_is_never_taken_for_a_placeholder(locale: str) -> None:
    text = translate(
        locale, "You are now connected to {brand} as {name}. Welcome!", brand="{name}", name="{brand}{0.x}"
    )
    assert "{name}" in text
    assert "{brand}{0.x}" in text
