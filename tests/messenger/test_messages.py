"""The bot's messages are friendly and short, and no name in them can advertise."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bot_linking import Link
from bot_linking.messenger.buttons import LONGEST_TEXT, Button, length_of, way_out
from bot_linking.messenger.messages import Messages
from bot_linking.translations import SHIPPED

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LINK = Link("1", "2", "3", "ada", "ada@example.com", "+44 1", "login", NOON, NOON)


def button_of(page_id: str | None) -> Button:
    return {"type": "account_link", "url": f"https://a.example/?page={page_id}"}


MESSAGES = Messages(brand_name="Acme", login_button=button_of)


def text_of(link: Link, messages: Messages = MESSAGES) -> str:
    return str(messages.linked(link, "en")["attachment"]["payload"]["text"])


@pytest.mark.parametrize("name", ["{brand}", "{name}", "{0.__class__}", "{{7*7}}", "%(brand)s", "{", "}"])
def test_placeholders_in_a_name_are_not_expanded(name: str) -> None:
    assert f"as {name}. Welcome!" in text_of(replace(LINK, username=name))


@pytest.mark.parametrize("brand", ["{name}", "{brand}", "{x}"])
def test_placeholders_in_the_brand_are_not_expanded(brand: str) -> None:
    messages = Messages(brand_name=brand, login_button=button_of)
    assert f"connected to {brand} as ada." in text_of(LINK, messages)


@pytest.mark.parametrize(
    ("link", "name"),
    [
        (LINK, "ada"),
        (replace(LINK, username=None), "ada@example.com"),
        (replace(LINK, username=None, email=None), "+44 1"),
        (replace(LINK, username="http://x.example"), None),
        (replace(LINK, username=None, email=None, phone_number=None), None),
    ],
)
def test_the_confirmation_names_the_account_as_well_as_it_can(link: Link, name: str | None) -> None:
    expected = (
        f"You are now connected to Acme as {name}. Welcome!"
        if name
        else "You are now connected to Acme. Welcome!"
    )
    assert text_of(link).splitlines()[0] == expected


def test_the_confirmation_says_the_next_step_and_the_way_out() -> None:
    messages = Messages(
        brand_name="Acme", next_step="Try: orders.",
        login_button=button_of,
    )  # fmt: skip
    message = messages.linked(LINK, "en")
    assert "Try: orders." in message["attachment"]["payload"]["text"]
    assert message["attachment"]["payload"]["buttons"] == [{"type": "account_unlink"}]


@pytest.mark.parametrize("source", ["web", "menu", "chat", "api", "cli", "import", "undo"])
def test_the_way_out_of_a_link_that_messenger_does_not_hold_is_a_postback_to_us(source: str) -> None:
    (button,) = MESSAGES.linked(replace(LINK, source=source), "de")["attachment"]["payload"]["buttons"]
    assert button == {"type": "postback", "title": "Abmelden", "payload": "bl.out"}


@pytest.mark.parametrize("locale", SHIPPED)
def test_the_title_of_our_log_out_fits_a_button(locale: str) -> None:
    assert 0 < length_of(way_out("web", locale)["title"]) <= 20


def test_the_farewell_and_the_refusal_bring_a_log_in_button() -> None:
    for message in (MESSAGES.unlinked("7", "en"), MESSAGES.refused("7", "en")):
        assert message["attachment"]["payload"]["buttons"] == [button_of("7")]


def test_the_longest_names_still_fit_into_a_template() -> None:
    messages = Messages(
        brand_name="B" * 500, next_step="N" * 2000,
        login_button=button_of,
    )  # fmt: skip
    for message in (messages.linked(replace(LINK, username="x" * 500), "en"), messages.unlinked("7", "en")):
        assert len(message["attachment"]["payload"]["text"]) <= LONGEST_TEXT


@pytest.mark.parametrize("locale", ["zh_CN", "zh-Hans-CN", "zh"])
def test_the_messages_speak_the_persons_language(locale: str) -> None:
    text = str(MESSAGES.linked(LINK, locale)["attachment"]["payload"]["text"])
    assert text != text_of(LINK)
    assert "Acme" in text
    assert "ada" in text


def test_an_unknown_language_gets_english() -> None:
    assert MESSAGES.linked(LINK, "tlh") == MESSAGES.linked(LINK, "en")
