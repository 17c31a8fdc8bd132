"""Buttons and templates have the shape that Messenger accepts; wrong arguments are refused here."""

from __future__ import annotations

from typing import Any

import pytest

from bot_linking.messenger.buttons import (
    length_of,
    login_button,
    logout_button,
    message_with,
    shortened,
)
from tests.bots import Bot
from tests.wire import SITE

BUTTON = {"type": "account_unlink"}


def test_a_log_in_button_has_a_type_and_a_url_and_no_title(bot: Bot) -> None:
    assert bot.linking.login_button() == {"type": "account_link", "url": f"{SITE}/linking/login"}


def test_a_log_out_button_has_a_type_and_nothing_else(bot: Bot) -> None:
    assert bot.linking.logout_button() == logout_button() == {"type": "account_unlink"}


@pytest.mark.parametrize(
    "url",
    ["http://bot.example/login", "ftp://bot.example", "javascript:alert(1)", "", "bot.example/login", "https://",
     "http://127.0.0.1.evil.example/", "//bot.example"],
)  # fmt: skip
def test_a_log_in_button_is_https(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        login_button(url)


def test_a_log_in_button_may_be_http_on_this_machine() -> None:
    assert login_button("http://127.0.0.1:5000/login")["url"] == "http://127.0.0.1:5000/login"


def test_a_text_makes_a_button_template() -> None:
    assert message_with(BUTTON, "Hello") == {
        "attachment": {
            "type": "template",
            "payload": {"template_type": "button", "text": "Hello", "buttons": [BUTTON]},
        }
    }


def test_a_picture_makes_a_generic_template_with_title_subtitle_and_picture() -> None:
    message = message_with(BUTTON, "Hello", title="T", subtitle="S", image_url="https://bot.example/a.png")
    payload = message["attachment"]["payload"]
    assert payload["template_type"] == "generic"
    assert payload["elements"] == [
        {"title": "T", "subtitle": "S", "image_url": "https://bot.example/a.png", "buttons": [BUTTON]}
    ]


@pytest.mark.parametrize(
    "more", [{"title": "T"}, {"subtitle": "S"}, {"image_url": "https://bot.example/a.png"}], ids=str
)
def test_a_generic_template_has_a_title_and_something_beside_it(more: dict[str, str]) -> None:
    """Messenger needs at least one more property than the title."""
    (element,) = message_with(BUTTON, "Hello", **more)["attachment"]["payload"]["elements"]
    assert element["title"] in ("T", "Hello")
    assert set(element) - {"title", "buttons"}


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"text": "x" * 641}, "text"), ({"text": "😀" * 321}, "text"), ({"text": "x" * 639 + "😀"}, "text"),
        ({"text": "x", "title": "😀" * 41}, "title"), ({"text": "x", "subtitle": "😀" * 41}, "subtitle"),
         ({"text": ""}, "text"), ({"text": " \n"}, "text"),
        ({"text": "x", "title": "x" * 81}, "title"), ({"text": "x", "title": " "}, "title"),
        ({"text": "x", "subtitle": "x" * 81}, "subtitle"), ({"text": "x" * 81, "subtitle": "x"}, "title"),
        ({"text": "x", "image_url": "http://bot.example/a.png"}, "image_url"),
        ({"text": "x", "image_url": "data:image/png;base64,"}, "image_url"),
    ],
)  # fmt: skip
def test_what_messenger_would_refuse_is_a_value_error_that_names_the_argument(
    bot: Bot, given: dict[str, Any], name: str
) -> None:
    arguments = dict(given)
    with pytest.raises(ValueError, match=f"^{name}"):
        bot.linking.login_message(arguments.pop("text") or " ", **arguments)


@pytest.mark.parametrize(
    "given",
    [
        {"text": "x" * 640},
        {"text": "x", "title": "x" * 80, "subtitle": "x" * 80},
        {"text": "ä" * 640},
        {"text": "😀" * 320},
        {"text": "x", "title": "😀" * 40, "subtitle": "漢" * 80},
    ],
)
def test_the_longest_texts_are_accepted(bot: Bot, given: dict[str, Any]) -> None:
    assert bot.linking.login_message(**given)
    assert bot.linking.logout_message(**given)


def test_the_messages_carry_their_button_and_a_text_of_their_own(bot: Bot) -> None:
    login = bot.linking.login_message()["attachment"]["payload"]
    logout = bot.linking.logout_message()["attachment"]["payload"]
    assert login["buttons"] == [bot.linking.login_button()]
    assert logout["buttons"] == [bot.linking.logout_button()]
    assert "Acme" in login["text"]
    assert "Acme" in logout["text"]


@pytest.mark.parametrize(
    ("text", "length"),
    [("", 0), ("ab", 2), ("ä漢", 2), ("😀", 2), ("👨‍👩‍👧", 8), ("\ud800", 1), ("e\u0301", 2)],
)
def test_lengths_are_counted_in_utf_16_units(text: str, length: int) -> None:
    assert length_of(text) == length


@pytest.mark.parametrize(
    ("text", "longest", "short"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "abc"),
        ("ab😀", 3, "ab"),
        ("ab😀", 4, "ab😀"),
        ("a\ud800b", 3, "ab"),
        ("", 3, ""),
    ],
)
def test_a_long_text_is_cut_between_two_characters(text: str, longest: int, short: str) -> None:
    assert shortened(text, longest) == short
