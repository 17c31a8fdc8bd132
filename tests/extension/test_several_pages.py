"""Several pages in one bot: each has its own secrets, token and troubles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from bot_linking import PageUnknown
from bot_linking.simulator.graph_api.buttons import buttons_of
from tests.bots import Bot, NewBot
from tests.graph import ScriptedGraph, as_json
from tests.wire import TOKEN, batch, code_in, linked_event, message_event, unlinked_event

ONE, TWO = "111", "222"
SECRETS = {ONE: "secret-of-page-one", TWO: "secret-of-page-two"}
TOKENS = {ONE: "token-of-page-one", TWO: "token-of-page-two"}
VERIFY = {ONE: "verify-page-one", TWO: "verify-page-two"}
PERSON = "3141592653"  # the same number on both pages: two people, as far as Messenger says


class TwoPages(ScriptedGraph):
    """A Graph that knows which page a token is of; `trouble` is what it answers one page."""

    def __init__(self, server: HTTPServer) -> None:
        super().__init__(server)
        self.linking_tokens = {TOKEN: ONE, "AR-of-two": TWO}
        self.names = {PERSON: ("Ada", "L.")}
        self.pages = {token: page for page, token in TOKENS.items()}
        self.trouble: dict[str, tuple[dict[str, Any], int]] = {}

    def _node(self, request: Request, path: str, body: Any) -> Response:
        page = self.pages.get(request.headers["Authorization"].removeprefix("Bearer "))
        if page is None:
            return as_json({"error": {"code": 190, "message": "Invalid OAuth access token."}}, 401)
        if page in self.trouble:
            error, status = self.trouble[page]
            return as_json({"error": {"message": "scripted", **error}}, status)
        if path == "me" and "account_linking_token" in request.args:
            if self.linking_tokens.get(request.args["account_linking_token"]) != page:
                return as_json({"error": {"code": 10303, "message": "Invalid account_linking_token"}}, 400)
            return as_json({"id": page, "recipient": PERSON})
        if path == "me":
            return as_json({"id": page})
        return super()._node(request, path, body)

    def page_of(self, call: Any) -> str:
        return self.pages[call.headers["Authorization"].removeprefix("Bearer ")]

    @property
    def greeted(self) -> list[str]:
        """The pages that sent messages, in order."""
        return [self.page_of(call) for call in self.calls_to("me/messages")]


@pytest.fixture
def scripted(httpserver: HTTPServer) -> TwoPages:
    return TwoPages(httpserver)


def pages(**changes: dict[str, Any]) -> dict[str, Any]:
    each = {
        page: {"access_token": TOKENS[page], "app_secret": SECRETS[page], "verify_token": VERIFY[page]}
        for page in (ONE, TWO)
    }
    for page, change in changes.items():
        each[page.removeprefix("page_")] |= change
    single = ("PAGE_ACCESS_TOKEN", "APP_SECRET", "VERIFY_TOKEN", "PAGE_ID")
    return {**dict.fromkeys(single), "PAGES": each}


@pytest.fixture
def bot(new_bot: NewBot) -> Bot:
    return new_bot(**pages())


def log_in(bot: Bot, page: str) -> None:
    """A person's whole login on one page."""
    code = bot.browser().code(TOKEN if page == ONE else "AR-of-two")
    event = linked_event(code, psid=PERSON, page=page, at=bot.clock.ms)
    assert bot.post(batch(event, page=page), SECRETS[page]).status_code == 200


def is_linked(bot: Bot, page: str) -> bool:
    return bot.linking.link_of(PERSON, page) is not None


# Whose event it is


@pytest.mark.parametrize("page", [ONE, TWO])
def test_a_walk_through_the_pages_links_the_person_on_the_page_they_came_from(bot: Bot, page: str) -> None:
    log_in(bot, page)
    assert [is_linked(bot, each) for each in (ONE, TWO)] == [page == ONE, page == TWO]
    bot.linking.delivery.drain()
    assert bot.graph.greeted == [page]  # type: ignore[attr-defined]


def test_the_code_of_one_page_does_not_link_on_another(bot: Bot) -> None:
    code = bot.browser().code(TOKEN)
    stolen = linked_event(code, psid=PERSON, page=TWO, at=bot.clock.ms)
    assert bot.post(batch(stolen, page=TWO), SECRETS[TWO]).status_code == 200
    assert not is_linked(bot, TWO)
    assert bot.heard.reasons() == ["code_wrong_page"]


@pytest.mark.parametrize("entry", [ONE, TWO])
def test_a_secret_speaks_for_its_own_page_only_whatever_the_entry_says(bot: Bot, entry: str) -> None:
    log_in(bot, ONE)
    forged = unlinked_event(psid=PERSON, page=ONE, at=bot.clock.ms + 1)
    assert bot.post(batch(forged, page=entry), SECRETS[TWO]).status_code == 200
    assert is_linked(bot, ONE)
    assert bot.post(batch(forged, page=ONE), SECRETS[ONE]).status_code == 200
    assert not is_linked(bot, ONE)


def test_one_person_of_each_page_may_have_the_same_number(bot: Bot) -> None:
    for page in (ONE, TWO):
        log_in(bot, page)
    logged_out = unlinked_event(psid=PERSON, page=ONE, at=bot.clock.ms + 1)
    bot.post(batch(logged_out, page=ONE), SECRETS[ONE])
    assert [is_linked(bot, page) for page in (ONE, TWO)] == [False, True]
    bot.linking.erase(PERSON, ONE)
    assert [len(bot.linking.history_of(PERSON, page)) for page in (ONE, TWO)] == [0, 1]
    assert bot.linking.erase(PERSON) > 0
    assert not is_linked(bot, TWO)


def test_the_pages_of_one_app_share_its_secret(new_bot: NewBot) -> None:
    bot = new_bot(**pages(page_222={"app_secret": SECRETS[ONE]}))
    code = bot.browser().code("AR-of-two")
    event = linked_event(code, psid=PERSON, page=TWO, at=bot.clock.ms)
    bot.post(batch(event, page=TWO), SECRETS[ONE])
    assert is_linked(bot, TWO)


def test_each_page_may_be_subscribed_with_its_own_verify_token(bot: Bot) -> None:
    for page in (ONE, TWO):
        query = {"hub.mode": "subscribe", "hub.challenge": "42", "hub.verify_token": VERIFY[page]}
        assert bot.client().get("/linking/webhook", query_string=query).text == "42"


def test_what_is_no_linking_event_reaches_the_bot_from_every_page(bot: Bot) -> None:
    got = list[dict[str, Any]]()
    bot.linking.on_message(got.append)
    for page in (ONE, TWO):
        bot.post(batch(message_event("hi", page=page), page=page), SECRETS[page])
    assert [event["recipient"]["id"] for event in got] == [ONE, TWO]


# Which token


def test_the_token_is_looked_up_when_a_message_is_sent(bot: Bot, new_bot: NewBot) -> None:
    """A message that was queued under an old token is sent with the one that is configured by then."""
    log_in(bot, ONE)
    bot.graph.pages["fresh-token-of-one"] = ONE  # type: ignore[attr-defined]
    after = new_bot(**pages(page_111={"access_token": "fresh-token-of-one"}))
    after.linking.delivery.drain()
    (call,) = bot.graph.calls_to("me/messages")
    assert call.headers["Authorization"] == "Bearer fresh-token-of-one"


def test_unlinking_is_called_for_with_the_pages_own_token(bot: Bot) -> None:
    for page in (ONE, TWO):
        log_in(bot, page)
    bot.linking.delivery.drain()
    assert bot.linking.unlink(PERSON, TWO)
    bot.linking.delivery.drain()
    assert [bot.graph.page_of(call) for call in bot.graph.calls_to("me/unlink_accounts")] == [TWO]  # type: ignore[attr-defined]
    with pytest.raises(PageUnknown):
        bot.linking.bot_of("333")


# One page's trouble

BAD_TOKEN = ({"code": 190}, 401)
LIMIT = ({"code": 613}, 400)
DOWN = ({"code": 2, "is_transient": True}, 503)


@pytest.mark.parametrize("trouble", [BAD_TOKEN, LIMIT, DOWN], ids=["bad token", "limit", "down"])
@pytest.mark.parametrize("page", [ONE, TWO])
def test_one_pages_trouble_stops_no_others_messages(
    bot: Bot, page: str, trouble: tuple[dict[str, Any], int]
) -> None:
    other = TWO if page == ONE else ONE
    for each in (page, other):
        log_in(bot, each)
    bot.graph.trouble[page] = trouble  # type: ignore[attr-defined]
    bot.linking.delivery.drain()
    assert bot.graph.greeted.count(other) == 1  # type: ignore[attr-defined]
    assert [event.page_id for event in bot.heard.of("MessageSent")] == [other]


@pytest.mark.parametrize("trouble", [BAD_TOKEN, LIMIT, DOWN], ids=["bad token", "limit", "down"])
@pytest.mark.parametrize("page", [ONE, TWO])
def test_one_pages_trouble_stops_no_others_logins(
    bot: Bot, page: str, trouble: tuple[dict[str, Any], int]
) -> None:
    other = TWO if page == ONE else ONE
    bot.graph.trouble[page] = trouble  # type: ignore[attr-defined]
    log_in(bot, other)
    assert is_linked(bot, other)


@pytest.mark.parametrize("page", [ONE, TWO])
def test_a_login_on_a_page_that_does_not_answer_has_not_expired(bot: Bot, page: str) -> None:
    """The other page disowns the token, which proves nothing. The person may link, as with one page."""
    bot.graph.trouble[page] = DOWN  # type: ignore[attr-defined]
    log_in(bot, page)
    assert is_linked(bot, page)


@pytest.mark.parametrize("page", [ONE, TWO])
def test_a_login_on_a_page_whose_token_is_bad_waits_until_it_is_mended(bot: Bot, page: str) -> None:
    """Graph cannot say whose login it is, so nobody is linked; and the login has not expired."""
    bot.graph.trouble[page] = BAD_TOKEN  # type: ignore[attr-defined]
    browser = bot.browser()
    browser.open(TOKEN if page == ONE else "AR-of-two")
    browser.sign_in()
    assert browser.page.status_code == 503
    assert "Messenger did not answer us" in browser.page.text
    assert not is_linked(bot, page)
    bot.graph.trouble.clear()  # type: ignore[attr-defined]
    bot.clock.advance(301)
    log_in(bot, page)
    assert is_linked(bot, page)


@pytest.mark.parametrize("page", [ONE, TWO])
def test_a_button_names_its_page_and_its_login_asks_that_page_alone(bot: Bot, page: str) -> None:
    buttons: list[Mapping[str, Any]] = [bot.linking.login_button(page_id=page)]
    bot.linking.prompt_login(PERSON, page_id=page)
    log_in(bot, page)
    bot.linking.unlink(PERSON, page)
    bot.linking.delivery.drain()
    for sent in bot.graph.sent:
        buttons += [each for each in buttons_of(sent["message"]) if each["type"] == "account_link"]
    assert len(buttons) == 3
    assert {each["url"].partition("?")[2] for each in buttons} == {f"page={page}"}
    bot.graph.calls.clear()
    bot.clock.advance(600)
    browser = bot.browser()
    browser.open(TOKEN if page == ONE else "AR-of-two", page=page)
    browser.sign_in()
    asked = [call for call in bot.graph.calls if "account_linking_token" in call.query]
    assert [bot.graph.page_of(call) for call in asked] == [page]  # type: ignore[attr-defined]


def test_the_button_of_an_only_page_is_the_bare_address(new_bot: NewBot) -> None:
    bot = new_bot()
    assert "?" not in bot.linking.login_button(page_id=bot.linking.settings.page_id)["url"]


def test_a_login_that_every_page_disowns_has_expired(bot: Bot) -> None:
    browser = bot.browser()
    browser.open("AR-of-nobody")
    browser.sign_in()
    assert browser.page.status_code == 400
    assert "tap Log In again" in browser.page.text


def test_a_page_whose_token_was_replaced_goes_on_with_what_it_held(bot: Bot, new_bot: NewBot) -> None:
    for page in (ONE, TWO):
        log_in(bot, page)
    bot.graph.trouble[ONE] = BAD_TOKEN  # type: ignore[attr-defined]
    bot.linking.delivery.drain()
    bot.clock.advance(3600)
    assert bot.linking.store.outbox_depth()["held"] == 1
    bot.graph.trouble.clear()  # type: ignore[attr-defined]
    bot.graph.pages["fresh-token-of-one"] = ONE  # type: ignore[attr-defined]
    after = new_bot(**pages(page_111={"access_token": "fresh-token-of-one"}))
    after.linking.delivery.drain()
    assert after.linking.store.outbox_depth() == {"depth": 0, "oldest": None, "held": 0, "dead": 0}
    assert bot.graph.sent[-1]["recipient"] == {"id": PERSON}


def test_a_page_with_two_tokens_goes_on_with_the_other_when_one_has_ended(new_bot: NewBot) -> None:
    """Whichever of them has ended, without a restart, and nothing is held."""
    bot = new_bot(**pages(page_111={"access_token": ["mistyped-token-of-one", TOKENS[ONE]]}))
    log_in(bot, ONE)
    bot.linking.unlink(PERSON, ONE)
    bot.linking.delivery.drain()
    bot.clock.advance(60)
    bot.linking.delivery.drain()
    assert bot.linking.store.outbox_depth()["depth"] == 0
    tokens = [call.headers["Authorization"] for call in bot.graph.calls]
    assert tokens.count("Bearer mistyped-token-of-one") == 1
    assert [event.kind for event in bot.heard.of("MessageSent")] == ["unlinked", "unlink_call"]


def test_two_tokens_that_have_ended_are_held_as_one_is(new_bot: NewBot) -> None:
    bot = new_bot(**pages(page_111={"access_token": ["mistyped-token-of-one", TOKENS[ONE]]}))
    log_in(bot, ONE)
    bot.graph.trouble[ONE] = BAD_TOKEN  # type: ignore[attr-defined]
    for _ in range(5):
        bot.linking.delivery.drain()
        bot.clock.advance(3600)
    assert bot.linking.store.outbox_depth()["held"] == 1
    assert len(bot.graph.calls_to("me/messages")) <= 2


def test_a_page_may_have_several_verify_tokens(new_bot: NewBot) -> None:
    bot = new_bot(**pages(page_111={"verify_token": ["the-new-verify-token", VERIFY[ONE]]}))
    for token in ("the-new-verify-token", VERIFY[ONE]):
        query = {"hub.mode": "subscribe", "hub.challenge": "42", "hub.verify_token": token}
        assert bot.client().get("/linking/webhook", query_string=query).text == "42"


def test_two_secrets_of_a_page_hold_while_one_replaces_the_other(new_bot: NewBot) -> None:
    bot = new_bot(**pages(page_111={"app_secret": ["the-new-secret-of-one", SECRETS[ONE]]}))
    browser = bot.browser()
    browser.open(TOKEN)
    browser.sign_in()
    code = code_in(browser.consent())
    event = linked_event(code, psid=PERSON, page=ONE, at=bot.clock.ms)
    assert bot.post(batch(event, page=ONE), "the-new-secret-of-one").status_code == 200
    again = unlinked_event(psid=PERSON, page=ONE, at=bot.clock.ms + 1)
    assert bot.post(batch(again, page=ONE), SECRETS[ONE]).status_code == 200
    assert bot.heard.names().count("AccountUnlinked") == 1
