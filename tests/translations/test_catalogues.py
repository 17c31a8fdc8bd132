"""Every sentence is in the template, and every catalogue translates all of them."""

from __future__ import annotations

import gettext
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from flask import Flask

import bot_linking.translations as translations
from bot_linking import AccountLinking, ConfigurationError
from bot_linking.translations import DOMAIN, SHIPPED, best_of, direction_of, translate

HOUSE = Path(translations.__file__).parents[1]
ROOM = HOUSE / "translations"
LOCALES = [locale for locale in SHIPPED if locale != "en"]
METHODS = [
    ("simulator/**", "ignore"),
    ("webview/templates/**.html", "jinja2.ext:babel_extract"),
    ("**.py", "python"),
]
# Babel 2.19 takes `text[...]` for a call of `text`, too, up to the next parenthesis that closes.
KEYWORDS = {"_": None, "_n": (1, 2), "text": None, "translate": (2,), "translate_count": (2, 3)}

Id = str | tuple[str, str]
Extracted = Mapping[Id, frozenset[str]]


@pytest.fixture(scope="module")
def extracted() -> Extracted:
    """Each sentence of the code and the pages, with the files that have it. A sentence about a number of
    things is a pair: about one thing, and about several."""
    found: dict[Id, set[str]] = {}
    for file, _, message, _, _ in extract_from_dir(HOUSE, method_map=METHODS, keywords=KEYWORDS):
        found.setdefault(_id_of(message), set()).add(file.replace("\\", "/"))
    return MappingProxyType({message: frozenset(files) for message, files in found.items()})


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
    """A catalogue's translation of a message: each of its plural forms."""
    return (message.string,) if isinstance(message.string, str) else tuple(message.string or ())


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"\{\w+\}", text))


def test_the_template_has_exactly_the_sentences_of_the_code_and_the_pages(extracted: Extracted) -> None:
    template = catalogue(ROOM / f"{DOMAIN}.pot")
    listed = {_id_of(message.id): {file for file, _ in message.locations} for message in sentences(template)}
    assert listed == extracted


@pytest.mark.parametrize("locale", LOCALES)
def test_a_catalogue_translates_every_sentence_and_nothing_else(locale: str, extracted: Extracted) -> None:
    of = of_locale(locale)
    assert {_id_of(message.id) for message in sentences(of)} == set(extracted)
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
def test_the_compiled_catalogue_is_the_written_one(locale: str, extracted: Extracted) -> None:
    fresh = io.BytesIO()
    write_mo(fresh, of_locale(locale))
    fresh.seek(0)
    with (ROOM / locale / "LC_MESSAGES" / f"{DOMAIN}.mo").open("rb") as file:
        shipped = gettext.GNUTranslations(file)
    written = gettext.GNUTranslations(fresh)
    for message in extracted:
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


@pytest.mark.parametrize("tag", ["en", "en-GB", "en_US", "nl", "", "*"])
def test_whoever_reads_something_else_gets_english(tag: str) -> None:
    assert translate(tag, "Password") == "Password"


def test_the_first_language_that_is_spoken_here_wins() -> None:
    assert best_of(["nl", "zh-CN", "en"], "en") == "zh_CN"
    assert best_of(["nl"], "zh_CN") == "zh_CN"


@pytest.mark.parametrize("locale", SHIPPED)
def test_what_a_value_says_is_never_taken_for_a_placeholder(locale: str) -> None:
    text = translate(
        locale, "You are now connected to {brand} as {name}. Welcome!", brand="{name}", name="{brand}{0.x}"
    )
    assert "{name}" in text
    assert "{brand}{0.x}" in text


SPOKEN = {"ar", "de", "en", "es", "fr", "he", "id", "it", "ja", "ko", "pt_BR", "th", "vi", "zh_CN", "zh_TW"}


def test_fifteen_languages_are_spoken() -> None:
    assert set(SHIPPED) == SPOKEN


@pytest.mark.parametrize("locale", LOCALES)
def test_a_catalogue_says_whether_a_native_speaker_has_read_it(locale: str) -> None:
    first, _, _ = (ROOM / locale / "LC_MESSAGES" / f"{DOMAIN}.po").read_text("utf-8").partition("\n")
    assert first.startswith("# ")
    assert first.endswith(("No native speaker has read it yet.", "A native speaker has read it."))


@pytest.mark.parametrize(
    ("tag", "found"),
    [
        ("zh-TW", "zh_TW"), ("zh-Hant", "zh_TW"), ("zh-HK", "zh_TW"), ("zh-Hant-MO", "zh_TW"),
        ("zh", "zh_CN"), ("pt", "pt_BR"), ("pt-PT", "pt_BR"), ("iw", "he"), ("in-ID", "id"),
        ("es-419", "es"), ("AR_eg", "ar"),
    ],
)  # fmt: skip
def test_a_language_is_found_by_each_of_its_names(tag: str, found: str) -> None:
    assert best_of([tag], "en") == found


@pytest.mark.parametrize("locale", SHIPPED)
def test_arabic_and_hebrew_alone_run_from_right_to_left(locale: str) -> None:
    assert direction_of(locale) == ("rtl" if locale in {"ar", "he"} else "ltr")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A host's folder; its catalogues are dropped after the test."""
    monkeypatch.setattr(translations, "_folders", [])
    yield tmp_path
    translations._catalogue.cache_clear()
    translations._known.cache_clear()


def write(folder: Path, locale: str, **sentences: str) -> None:
    of = Catalog(locale=locale)
    for english, said_as in sentences.items():
        of.add(english, said_as)
    place = folder / locale / "LC_MESSAGES"
    place.mkdir(parents=True)
    with (place / f"{DOMAIN}.mo").open("wb") as file:
        write_mo(file, of)


def test_a_host_adds_a_language_and_says_a_sentence_in_its_own_words(folder: Path) -> None:
    write(folder, "nl", Password="Wachtwoord")
    write(folder, "de", Password="Kennwort {made_up}")
    write(folder, "en", Cancel="Not now")
    translations.add_folder(folder)
    translations.add_folder(folder)
    assert best_of(["nl-BE"], "en") == "nl"
    assert translate("nl", "Password") == "Wachtwoord"
    assert translate("nl", "Cancel") == "Cancel"
    assert translate("de-AT", "Password") == "Kennwort {made_up}"
    assert translate("de-AT", "Cancel") == "Abbrechen"
    assert translate("en", "Cancel") == "Not now"


def require_refusal(folder: Path, settings: dict[str, Any]) -> None:
    app = Flask("tests.host")
    app.config.update(settings, BOT_LINKING_TRANSLATIONS=str(folder))
    with pytest.raises(ConfigurationError, match="BOT_LINKING_TRANSLATIONS"):
        AccountLinking(app, authenticate=lambda username, password: None)


def test_a_folder_without_a_catalogue_is_refused_by_name(folder: Path, settings: dict[str, Any]) -> None:
    require_refusal(folder / "missing", settings)
    require_refusal(folder, settings)


@pytest.mark.parametrize(
    ("whole", "damaged"),
    [
        (b"", b"not a catalogue"),
        (b"charset=utf-8", b"charset=utf-x"),
        (b"; plural=", b", plural="),
        (b"; charset=", b"; charsax="),
    ],
)
def test_a_damaged_catalogue_is_refused_by_name(
    folder: Path, whole: bytes, damaged: bytes, settings: dict[str, Any]
) -> None:
    """Its file, or its header."""
    write(folder, "nl", Password="Wachtwoord")
    path = folder / "nl" / "LC_MESSAGES" / f"{DOMAIN}.mo"
    content = path.read_bytes()
    assert whole in content
    path.write_bytes(content.replace(whole, damaged, 1) if whole else damaged)
    require_refusal(folder, settings)


def test_half_a_catalogue_is_refused_by_name(folder: Path, settings: dict[str, Any]) -> None:
    write(folder, "nl", Password="Wachtwoord")
    path = folder / "nl" / "LC_MESSAGES" / f"{DOMAIN}.mo"
    path.write_bytes(path.read_bytes()[:30])
    require_refusal(folder, settings)
