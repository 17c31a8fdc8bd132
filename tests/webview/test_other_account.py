"""A proof of one account does not count for another, and no way to link passes a second factor over."""

from __future__ import annotations

import re
from typing import Any

import pyotp
import pytest

from bot_linking.external_account import ExternalAccount
from bot_linking.testing import refresh_of
from tests.bots import Bot, NewBot
from tests.browser import Browser
from tests.external_account.shop import KEYS, Authenticator
from tests.owners.test_pages import get, ticket_of, undo_path
from tests.people import ADA, GRACE, Site
from tests.ways.test_pages import digits_on, path_of, say
from tests.wire import PSID, SITE, batch, code_in, linked_event


class Guarded:
    """A bot whose two accounts have a second factor once `guard` was called; it returns the one of Grace."""

    def __init__(self, new_bot: NewBot, site: Site, **given: Any) -> None:
        self.bot: Bot = new_bot(EXTERNAL_KEYS=KEYS, current_account=site.current_account, **given)
        self.external = ExternalAccount(self.bot.linking)
        self.bot.app.register_blueprint(self.external.blueprint)
        site.signed_in = None

    def guard(self) -> Authenticator:
        with self.bot.app.app_context():
            self.external.create_app("shop")
            self.external.enable_two_factor("shop", int(ADA.id))
            made = self.external.enable_two_factor("shop", int(GRACE.id))
        uri: Any = pyotp.parse_uri(made.address)
        return Authenticator(uri, self.bot.clock, made.recovery_codes)

    def mixed(self, authenticator: Authenticator) -> tuple[Browser, dict[str, str]]:
        """A browser that opened the page of Ada's code, passed Grace's second factor in the same attempt, and
        then sent a wrong code with Ada's page."""
        browser = self.bot.browser()
        browser.open()
        of_ada = browser.form("second-factor").fields
        browser.post("/linking/login", {**of_ada, "username": "grace", "password": "hopper-1906"})
        browser.get("/linking/" + browser.page.headers["Location"])
        browser.submit("second-factor", code=authenticator.code())
        browser.follow()
        browser.post("/linking/second-factor", {**of_ada, "code": "000000"})
        return browser, of_ada


def test_a_refused_code_of_one_account_keeps_no_proof_of_another(new_bot: NewBot, site: Site) -> None:
    guarded = Guarded(new_bot, site)
    authenticator = guarded.guard()
    site.signed_in = ADA
    browser, _ = guarded.mixed(authenticator)
    attempt_id = browser.page.headers["Location"].rpartition("/")[2]
    kept = guarded.bot.linking.core.attempt_of(attempt_id)
    assert kept is not None
    assert kept.account is not None
    assert (kept.account.id, kept.second_factor_at) == (ADA.id, None)


def test_another_accounts_second_factor_opens_no_account(new_bot: NewBot, site: Site) -> None:
    """Also when an undo removes the kept attempt in the middle of the consent."""
    mailbox: list[Any] = []
    guarded = Guarded(new_bot, site, notify_owner=mailbox.append)
    bot = guarded.bot
    own = bot.browser()
    own.open()
    own.sign_in("grace", "hopper-1906")
    bot.post(batch(linked_event(code_in(own.consent()), at=bot.clock.ms)))
    bot.linking.delivery.drain()
    authenticator = guarded.guard()
    site.signed_in = ADA
    browser, of_ada = guarded.mixed(authenticator)
    bot.clock.advance(301)  # the consent asks Graph anew
    client, path = bot.client(), undo_path(mailbox)
    stamp, node, pressed = ticket_of(get(client, path)), bot.graph._node, []

    def undo_meanwhile(request: Any, at: str, body: Any) -> Any:
        if at == "me" and "account_linking_token" in request.args:
            pressed.append(client.post(path, data={"ticket": stamp}, base_url=SITE).status_code)
        return node(request, at, body)

    bot.graph._node = undo_meanwhile  # type: ignore[method-assign, assignment]
    page = browser.post("/linking/consent", of_ada)
    target = refresh_of(page.text)
    if target is not None and "authorization_code" in target:
        bot.post(batch(linked_event(code_in(target), at=bot.clock.ms)))
    link = bot.linking.link_of(PSID)
    assert link is None or link.account_id != ADA.id


def test_the_page_that_connects_a_chat_passes_no_second_factor_over(new_bot: NewBot, site: Site) -> None:
    guarded = Guarded(new_bot, site)
    guarded.guard()
    site.signed_in = ADA
    assert "one-time-code" in guarded.bot.browser().open().text  # the Log In button asks for it
    page = guarded.bot.browser().get("/linking/connect")
    assert "one-time-code" in page.text
    assert not re.search(r"LINK [2-9A-Z]{4}-|bl\.", page.text)
    assert guarded.bot.rows()["chat_links"] == []


@pytest.mark.parametrize("is_lost", [False, True], ids=["answered", "answer lost"])
def test_a_consent_is_pressed_again(new_bot: NewBot, site: Site, is_lost: bool) -> None:
    """By a person who is signed in at the site: the store keeps the attempt from the first press on, whose
    answer may be lost."""
    bot = new_bot(current_account=site.current_account)
    site.signed_in = ADA
    browser = bot.browser()
    browser.get(path_of(bot.linking.web_link(PSID)))
    form = browser.form("consent")
    browser.post("/linking/consent", form.fields)
    if is_lost:
        browser.client.delete_cookie("__Host-bot_linking_session", domain="bot.example", path="/")
    page = browser.post("/linking/consent", form.fields)
    assert page.status_code == 303
    page = browser.get("/linking/" + page.headers["Location"])
    assert page.status_code == 200
    say(bot, digits_on(page))
    assert bot.linking.link_of(PSID) is not None
