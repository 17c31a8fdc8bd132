"""What the outbox delivers: the state as it is now, in the host's own words where it has some."""

from __future__ import annotations

from typing import Any

import pytest

from bot_linking import Link
from bot_linking.core.identifiers import Identifiers
from tests.bots import Bot, NewBot
from tests.wire import PAGE, PSID, batch, unlinked_event


def waiting_in(bot: Bot) -> list[Any]:
    """What waits in a bot's outbox."""
    return bot.rows()["outbox"]


def test_the_hosts_own_messages_take_the_place_of_ours(new_bot: NewBot) -> None:
    def confirmation(link: Link) -> dict[str, str]:
        return {"text": f"Hello, {link.username}."}

    def farewell(page_id: str, psid: str) -> dict[str, str]:
        return {"text": f"Goodbye, {page_id} {psid}."}

    bot = new_bot(confirmation=confirmation, farewell=farewell)
    bot.link()
    bot.linking.delivery.drain()
    bot.linking.unlink(PSID)
    bot.linking.delivery.drain()
    said = [sent["message"]["text"] for sent in bot.graph.sent]
    assert said == ["Hello, ada.", f"Goodbye, {PAGE} {PSID}."]


def test_a_host_may_say_nothing(new_bot: NewBot) -> None:
    bot = new_bot(confirmation=lambda link: None, farewell=lambda page_id, psid: None)
    bot.link()
    bot.linking.unlink(PSID)
    bot.linking.delivery.drain()
    assert bot.graph.sent == []
    assert bot.linking.store.outbox_depth()["depth"] == 0


def test_the_call_to_messenger_does_not_wait_for_a_farewell_that_cannot_be_sent(new_bot: NewBot) -> None:
    bot = new_bot()
    bot.link()
    bot.linking.delivery.drain()
    bot.graph.failures["me/messages"] = {"code": 2, "is_transient": True}
    bot.linking.unlink(PSID)
    bot.linking.delivery.drain()
    assert len(bot.graph.calls_to("me/unlink_accounts")) == 1


def test_somebody_who_has_linked_again_is_not_logged_out_by_an_older_call(new_bot: NewBot) -> None:
    bot = new_bot()
    bot.link()
    bot.graph.failures["me/unlink_accounts"] = {"code": 100}
    bot.linking.unlink(PSID)
    bot.linking.delivery.drain()
    assert [row[3] for row in waiting_in(bot)] == ["unlink_call"]
    bot.link()
    del bot.graph.failures["me/unlink_accounts"]
    before = len(bot.graph.calls_to("me/unlink_accounts"))
    for _ in range(3):
        bot.clock.advance(86_400)
        bot.linking.delivery.drain()
    assert len(bot.graph.calls_to("me/unlink_accounts")) == before
    assert bot.linking.link_of(PSID) is not None


@pytest.mark.parametrize("code", [100, 200, 551, 368, 10303])
def test_the_call_to_messenger_is_tried_until_it_works_whatever_graph_says(
    new_bot: NewBot, code: int
) -> None:
    bot = new_bot()
    bot.link()
    bot.linking.delivery.drain()
    bot.graph.failures["me/unlink_accounts"] = {"code": code}
    bot.linking.unlink(PSID)
    for _ in range(20):
        bot.linking.delivery.drain()
        bot.clock.advance(86_400)
    assert bot.linking.store.outbox_depth()["dead"] == 0
    del bot.graph.failures["me/unlink_accounts"]
    bot.clock.advance(86_400)
    bot.linking.delivery.drain()
    assert bot.linking.store.outbox_depth()["depth"] == 0


MOST_MESSAGES_AN_HOUR = 5


@pytest.mark.parametrize("limit", [2, 7])
def test_a_bot_may_say_more_or_less_in_an_hour(new_bot: NewBot, limit: int) -> None:
    bot = new_bot(MESSAGE_LIMIT=limit)
    for number in range(8):
        bot.linking.core.bind(PSID, Identifiers(username=f"ada{number}"), PAGE, source="api")
        bot.linking.delivery.drain()
    assert len(bot.graph.sent) == limit


def test_a_clock_that_was_ahead_silences_nobody(new_bot: NewBot) -> None:
    bot, year = new_bot(), 365 * 86_400
    bot.clock.advance(year)
    for number in range(MOST_MESSAGES_AN_HOUR):
        bot.linking.core.bind(PSID, Identifiers(username=f"ada{number}"), PAGE, source="api")
        bot.linking.delivery.drain()
    assert len(bot.graph.sent) == MOST_MESSAGES_AN_HOUR
    bot.clock.advance(-year)
    bot.linking.core.bind(PSID, Identifiers(username="ada"), PAGE, source="api")
    bot.linking.delivery.drain()
    assert len(bot.graph.sent) == MOST_MESSAGES_AN_HOUR + 1


def test_messages_that_never_get_through_count_too(new_bot: NewBot) -> None:
    """Somebody who has blocked the page cannot make it call Messenger without end."""
    bot = new_bot()
    bot.graph.failures["me/messages"] = {"code": 551, "error_subcode": 1545041, "type": "OAuthException"}
    for number in range(2 * MOST_MESSAGES_AN_HOUR):
        bot.linking.core.bind(PSID, Identifiers(username=f"ada{number}"), PAGE, source="api")
        bot.linking.delivery.drain()
    assert len(bot.graph.calls_to("me/messages")) == MOST_MESSAGES_AN_HOUR


def test_more_than_five_messages_an_hour_wait_and_hold_nothing_else_up(new_bot: NewBot) -> None:
    """However often somebody logs in and out; their interrupted question is answered all the same."""
    bot = new_bot()
    for number in range(4):
        bot.link()
        bot.linking.delivery.drain()
        bot.clock.advance(1)
        bot.post(batch(unlinked_event(at=bot.clock.ms + number)))
        bot.linking.delivery.drain()
        bot.clock.advance(1)
    assert len(bot.graph.sent) == 5
    ran = []

    def orders(event: str, link: Link) -> None:
        ran.append(link.account_id)

    bot.graph.sent.clear()
    bot.linking.login_required(orders)(PSID)
    bot.link()
    bot.linking.delivery.drain()
    assert ran == ["1"]
