"""Messenger is asked whose login it is: within limits, once for each token; its refusal is shown."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from bot_linking import Account
from bot_linking.webview import identity
from tests.bots import NewBot
from tests.people import ADA, Site
from tests.wire import PSID, TOKEN, code_in


def test_looks_of_one_person_cost_a_bounded_number_of_questions(new_bot: NewBot, site: Site) -> None:
    site.signed_in = ADA
    bot = new_bot(current_account=site.current_account)
    for number in range(50):
        bot.browser().open(f"made-up-{number}")
    assert len(bot.graph.calls) == 10


def test_one_token_is_asked_about_once_by_get_and_head(new_bot: NewBot, site: Site) -> None:
    site.signed_in = ADA
    bot = new_bot(current_account=site.current_account)
    for token in (TOKEN, "unknown"):
        before = len(bot.graph.calls_to("me"))
        for _ in range(5):
            bot.browser().open(token)
        assert len(bot.graph.calls_to("me")) - before == 1


@pytest.mark.parametrize("code", [100, 190, 200])
def test_a_refusal_for_good_links_nobody(new_bot: NewBot, site: Site, code: int) -> None:
    site.signed_in = ADA
    bot = new_bot(current_account=site.current_account)
    bot.graph.failures["me"] = {"code": code}
    page = bot.browser().open()
    assert page.status_code == 503
    assert 'action="/linking/consent"' not in page.text
    assert bot.heard.reasons() == ["messenger_refused"]


def test_while_messenger_is_away_a_code_is_unbound(new_bot: NewBot) -> None:
    bot = new_bot()
    bot.graph.down = True
    browser = bot.browser()
    browser.open()
    browser.sign_in()
    assert code_in(browser.consent())


def test_no_request_waits_long_for_others_that_ask_the_same(
    new_bot: NewBot, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While Messenger is slow, any signed-in person could hold every thread with one invented token."""
    monkeypatch.setattr(identity, "LONGEST_WAIT_S", 0.01)
    site.signed_in = ADA
    bot = new_bot(current_account=site.current_account)
    asked, slow = threading.Event(), threading.Event()
    owner_of = identity.Identity._owner_of

    def wait(*given: Any) -> Any:
        asked.set()
        assert slow.wait(30)
        return owner_of(*given)

    monkeypatch.setattr(identity.Identity, "_owner_of", wait)
    first = bot.browser()
    thread = threading.Thread(target=first.open)
    thread.start()
    assert asked.wait(30)
    for _ in range(3):
        page = bot.browser().open()
        assert page.status_code == 503
        assert page.headers["Retry-After"] == "10"
    slow.set()
    thread.join(30)
    assert first.page.status_code == 200


def test_no_override_mark_stands_on_a_page(new_bot: NewBot) -> None:
    account = Account(
        "1", username="ada\u202egnp.exe", display_name="\u202dada \u0645\u06cc\u200c\u062e\u0648"
    )
    bot = new_bot(authenticate=lambda username, password: account)
    bot.graph.names[PSID] = ("A\u202eb", "")
    browser = bot.browser()
    browser.open()
    page = browser.sign_in(username="x\u202ey")
    assert not {"\u202d", "\u202e"} & set(page.text)
    assert "\u200c" in page.text
