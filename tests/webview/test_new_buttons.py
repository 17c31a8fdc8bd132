"""A new Log In button in the chat, for a person whose page has expired or was left."""

from __future__ import annotations

import json

import pytest

from tests.bots import Bot
from tests.browser import Browser
from tests.wire import PSID

MOST = 3


def over(bot: Bot, *, seconds: int = 901) -> Browser:
    """A browser at an expired page, after Messenger has said whose chat it is."""
    browser = bot.browser()
    browser.open()
    browser.sign_in()
    bot.clock.advance(seconds)
    browser.submit("consent")
    return browser


def buttons(bot: Bot) -> list[str]:
    """The people that a Log In button was sent to."""
    bot.linking.delivery.drain()
    return [sent["recipient"]["id"] for sent in bot.graph.sent if "account_link" in json.dumps(sent)]


def test_one_press_sends_a_button_to_that_chat_and_leads_back_to_it(bot: Bot) -> None:
    browser = over(bot)
    assert "Send me a new button" in browser.page.text
    page = browser.submit("again")
    assert page.status_code == 303
    assert "authorization_code" not in page.headers["Location"]
    assert page.headers["Location"].startswith("https://facebook.com/")
    assert buttons(bot) == [PSID]


def test_the_attempts_own_address_offers_it_too(bot: Bot) -> None:
    browser = bot.browser()
    browser.open()
    browser.sign_in()
    bot.clock.advance(901)
    before = bot.rows()
    browser.get(browser.location)
    assert bot.rows() == before
    browser.submit("again")
    assert buttons(bot) == [PSID]


def test_without_a_chat_there_is_no_such_form(bot: Bot) -> None:
    browser = bot.browser()
    browser.open()
    bot.clock.advance(901)
    page = browser.submit("login", username="ada", password="lovelace-1815")
    assert "This page has expired" in page.text
    assert "/again" not in page.text


def test_another_browser_sends_nothing_and_is_offered_nothing(bot: Bot) -> None:
    fields = over(bot).form("again").fields
    other = bot.browser()
    other.open()
    page = other.post("/linking/again", fields)
    assert page.status_code == 400
    assert "/again" not in page.text
    assert buttons(bot) == []


def test_the_name_of_an_attempt_without_its_secret_sends_nothing(bot: Bot) -> None:
    """A browser may send any cookie, and a ticket is not secret: it names its attempt."""
    browser = bot.browser()
    browser.open()
    browser.sign_in()
    attempt_id = browser.location.rpartition("/")[2]
    bot.clock.advance(901)
    browser.submit("consent")
    fields = browser.form("again").fields
    other = bot.browser()
    session = f"{attempt_id}.{'x' * 43}"
    other.client.set_cookie("__Host-bot_linking_session", session, domain="bot.example", secure=True)
    page = other.post("/linking/again", fields)
    assert page.status_code == 400
    assert "/again" not in page.text
    page = other.post("/linking/consent", fields)
    assert "/again" not in page.text
    assert buttons(bot) == []


@pytest.mark.parametrize("ticket", ["", "x", "x.y.z"])
def test_a_made_up_ticket_sends_nothing(bot: Bot, ticket: str) -> None:
    assert over(bot).post("/linking/again", {"ticket": ticket}).status_code == 400
    assert buttons(bot) == []


def test_a_few_in_five_minutes_are_enough(bot: Bot) -> None:
    browser = over(bot)
    fields = browser.form("again").fields
    pages = [browser.post("/linking/again", fields) for _ in range(MOST + 2)]
    assert [page.status_code for page in pages] == [303] * MOST + [429] * 2
    assert int(pages[-1].headers["Retry-After"]) <= 300
    assert len(buttons(bot)) == MOST


def test_after_a_day_the_form_is_over_too(bot: Bot) -> None:
    fields = over(bot).form("again").fields
    browser = over(bot, seconds=901)
    bot.clock.advance(86_401)
    assert browser.post("/linking/again", fields).status_code == 400
    assert buttons(bot) == []


def test_its_address_opened_by_get_leads_to_the_attempt(bot: Bot) -> None:
    browser = over(bot)
    before = bot.rows()
    browser.get("/linking/again")
    assert browser.page.status_code == 303
    assert "This page has expired" in browser.follow().text
    assert bot.rows() == before
    assert buttons(bot) == []
