"""The other ways cost few questions, rows and guesses, and lead to our own pages only."""

from __future__ import annotations

import re
import threading
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest

from bot_linking.core.ways import MOST_WRONG, ChatEvent
from bot_linking.messenger import pages as registry
from tests.bots import Bot, NewBot
from tests.people import ADA, Site
from tests.ways.test_pages import digits_on, path_of, say, walk_web
from tests.wire import PAGE, PSID, SITE


@pytest.mark.parametrize("where", ["site session", "password"])
def test_looking_at_a_web_link_costs_few_questions(new_bot: NewBot, site: Site, where: str) -> None:
    bot = new_bot(current_account=site.current_account)
    path = path_of(bot.linking.web_link(PSID))
    browser = bot.browser()
    site.signed_in = ADA if where == "site session" else None
    before = len(bot.graph.calls)
    for _ in range(50):
        browser.get(path)
        if where == "password":
            browser.submit("login", username="ada", password="lovelace-1815")
    assert 1 <= len(bot.graph.calls) - before <= 10


@pytest.mark.parametrize("method", ["get", "head"])
def test_looking_at_connect_writes_few_rows(new_bot: NewBot, site: Site, method: str) -> None:
    bot = new_bot(current_account=site.current_account)
    site.signed_in = ADA
    for _ in range(50):
        answer = getattr(bot.client(), method)("/linking/connect", base_url=SITE)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert len(bot.rows()["chat_links"]) == 10
    bot.clock.advance(301)
    assert getattr(bot.client(), method)("/linking/connect", base_url=SITE).status_code == 200


@pytest.mark.parametrize("page", ["evil.page", "..", "a/b", "12/../evil", "", "0"])
@pytest.mark.parametrize("configured", [PAGE, None])
def test_connect_leads_to_no_page_that_is_not_served(
    new_bot: NewBot, site: Site, page: str, configured: str | None
) -> None:
    bot = new_bot(current_account=site.current_account, PAGE_ID=configured)
    site.signed_in = ADA
    answer = bot.browser().get("/linking/connect?page_id=" + page)
    assert answer.status_code in {200, 404}
    assert re.findall(r"m\.me/([^?\"]*)\?", answer.text) in ([], [PAGE])


def test_digits_are_shown_although_their_page_was_removed_meanwhile(
    new_bot: NewBot, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "LOOK_EVERY_S", 0.0)
    bot = new_bot(PAGE_KEYS="the-key-of-added-pages-0123456789", current_account=site.current_account)
    added = {"access_token": "token-of-page-new", "app_secret": "secret-of-page-new"}
    bot.linking.pages.add("555", **added, verify_token="verify-new")
    browser = walk_web(bot, bot.linking.web_link(PSID, "555"))
    digits = digits_on(browser.page)
    bot.linking.pages.remove("555")
    page = browser.get(browser.location)
    assert page.status_code == 200
    assert digits_on(page) == digits


def test_guesses_at_once_are_counted_before_they_are_compared(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nineteen webhooks at once, each with another wrong number: five are compared."""
    digits = digits_on(walk_web(bot, bot.linking.web_link(PSID)).page)
    ways, barrier = bot.linking._here().ways, threading.Barrier(19)
    find = ways._store.find_typed

    def together(*args: Any) -> Any:
        found = find(*args)
        barrier.wait(30)
        return found

    monkeypatch.setattr(ways._store, "find_typed", together)
    guesses = [f"{(int(digits) + n) % 1_000_000:06d}" for n in range(1, 20)]
    chat = ChatEvent(PAGE, PSID)
    threads = [threading.Thread(target=ways.take_text, args=(chat, guess)) for guess in guesses]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    monkeypatch.undo()
    said = [row for row in bot.rows()["outbox"] if "say" in row]
    assert len(said) == MOST_WRONG
    say(bot, digits)
    assert bot.linking.link_of(PSID) is None


def test_the_right_number_is_no_guess_and_the_bots_own_numbers_are_the_bots(bot: Bot) -> None:
    for _ in range(MOST_WRONG + 2):
        digits = digits_on(walk_web(bot, bot.linking.web_link(PSID)).page)
        say(bot, digits)
        assert bot.linking.link_of(PSID) is not None
        bot.linking.unlink(PSID)
        bot.clock.advance(61)
    ways, chat = bot.linking._here().ways, ChatEvent(PAGE, PSID)
    for _ in range(MOST_WRONG + 2):
        assert ways.take_text(chat, "LINK 2345-6789")
    assert ways.take_text(chat, "123456") is False


def test_a_web_link_comes_back_from_the_sites_own_login(new_bot: NewBot, site: Site) -> None:
    login = "https://shop.example/login?next={next}"
    bot = new_bot(authenticate=None, current_account=site.current_account, LOGIN_URL=login)
    browser = bot.browser()
    page = browser.get(path_of(bot.linking.web_link(PSID)))
    assert page.status_code == 303
    (back,) = parse_qs(urlsplit(page.headers["Location"]).query)["next"]
    assert browser.get(back.removeprefix(SITE)).status_code == 200  # not signed in after all: no circle
    site.signed_in = ADA
    assert browser.get(back.removeprefix(SITE)).status_code == 200
    browser.submit("consent")
    say(bot, digits_on(browser.follow()))
    assert bot.linking.link_of(PSID) is not None


@pytest.mark.parametrize("begun", ["opened", "refused"])
def test_sign_up_and_sign_in_of_a_web_link_lead_to_each_other(
    new_bot: NewBot, site: Site, begun: str
) -> None:
    bot = new_bot(create_account=site.create_account)
    browser = bot.browser()
    browser.get(path_of(bot.linking.web_link(PSID)))
    if begun == "refused":
        browser.sign_in("ada", "a wrong one")
    for there, form in (
        ("Create an account", "signup"),
        ("Log in", "login"),
        ("Create an account", "signup"),
    ):
        (href,) = re.findall(rf'href="([^"]*)">{there}</a>', browser.page.text)
        assert browser.get(urljoin(browser.location, unescape(href))).status_code == 200
        assert browser.form(form)
    browser.submit("signup", username="newcomer", email="", password="a-long-enough-password")
    browser.follow()
    browser.submit("consent")
    say(bot, digits_on(browser.follow()))
    assert bot.linking.link_of(PSID) is not None
