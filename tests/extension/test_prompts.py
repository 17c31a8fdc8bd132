"""Whom a handler that needs a login asks to log in, and what happens when Messenger does not take the
button."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from bot_linking import Link, StoreUnavailable
from bot_linking.messenger import prompts
from bot_linking.messenger.prompts import Prompts, _Turn
from tests.bots import Bot, NewBot
from tests.wire import PAGE, PSID, message_event

WHOSE = {"sender": {"id": PSID}, "recipient": {"id": PAGE}, "timestamp": 1_800_000_000_000}
ECHO = {
    "sender": {"id": PAGE}, "recipient": {"id": PSID}, "timestamp": 1_800_000_000_000,
    "message": {"mid": "m_1", "is_echo": True, "app_id": 1, "text": "orders"},
}  # fmt: skip
NOBODYS = {
    "echo": ECHO,
    "read": WHOSE | {"read": {"watermark": 1}},
    "delivery": WHOSE | {"delivery": {"mids": ["m_1"], "watermark": 1}},
    "pass_thread_control": WHOSE | {"pass_thread_control": {"new_owner_app_id": "1"}},
    "policy_enforcement": {"recipient": {"id": PAGE}, "sender": {"id": PAGE}, "policy_enforcement": {}},
    "policy_enforcement without a sender": {"recipient": {"id": PAGE}, "policy_enforcement": {}},
    "optin of a user_ref": {"recipient": {"id": PAGE}, "optin": {"ref": "x", "user_ref": "y"}},
    "read beside null": WHOSE | {"message": None, "read": {"watermark": 1}},
}
PERSONS = {
    "message": WHOSE | {"message": {"mid": "m_2", "text": "orders"}},
    "postback": WHOSE | {"postback": {"mid": "m_3", "payload": "ORDERS"}},
    "referral": WHOSE | {"referral": {"ref": "x", "source": "SHORTLINK"}},
    "optin": WHOSE | {"optin": {"type": "one_time_notif_req"}},
    "of a host's own": WHOSE,
}


@pytest.fixture(params=[PAGE, None], ids=["with the page's id", "without"])
def orders(request: pytest.FixtureRequest, new_bot: NewBot) -> tuple[Bot, Any]:
    bot = new_bot(PAGE_ID=request.param)

    @bot.linking.login_required(text="Log in to see your orders.")
    def orders(event: Any, link: Link) -> None:
        pytest.fail("not linked")

    return bot, orders


@pytest.mark.parametrize("event", NOBODYS.values(), ids=list(NOBODYS))
def test_an_event_that_no_person_made_prompts_nobody_and_raises_nothing(
    orders: tuple[Bot, Any], event: dict[str, Any]
) -> None:
    bot, handler = orders
    assert handler(event) is None
    assert bot.graph.calls == []
    assert bot.rows()["resumes"] == []


@pytest.mark.parametrize("event", PERSONS.values(), ids=list(PERSONS))
def test_whatever_a_person_made_prompts_them(orders: tuple[Bot, Any], event: dict[str, Any]) -> None:
    bot, handler = orders
    handler(event)
    assert [sent["recipient"] for sent in bot.graph.sent] == [{"id": PSID}]


def test_a_message_that_is_delivered_again_prompts_once(orders: tuple[Bot, Any]) -> None:
    bot, handler = orders
    for _ in range(3):
        handler(PERSONS["message"])
        bot.clock.advance(20)
    handler(PERSONS["postback"])
    handler(PERSONS["postback"] | {"timestamp": 1_800_000_000_001})
    assert len(bot.graph.sent) == 2
    handler(WHOSE | {"message": {"mid": "m_4", "text": "orders"}})
    assert len(bot.graph.sent) == 3


def test_a_message_that_is_delivered_again_while_it_is_being_answered_prompts_once(
    orders: tuple[Bot, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    bot, handler = orders
    answer, is_first, waits = bot.graph._node, _Turn._is_first, threading.Event()
    said, again = list[Any](), threading.Thread(target=lambda: said.append(handler(PERSONS["message"])))

    def slowly(request: Any, path: str, body: Any) -> Any:
        if path == "me/messages":
            again.start()
            assert waits.wait(30)
        return answer(request, path, body)

    def looked(turn: _Turn) -> bool:
        found = is_first(turn)
        if not found:
            waits.set()
        return found

    monkeypatch.setattr(bot.graph, "_node", slowly)
    monkeypatch.setattr(_Turn, "_is_first", looked)
    handler(PERSONS["message"])
    again.join(30)
    assert len(bot.graph.sent) == 1
    assert said == [None]


def test_a_prompt_that_failed_on_the_way_is_sent_when_messenger_delivers_again(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = bot.linking.login_required(_nothing)
    with monkeypatch.context() as away:
        away.setattr(bot.linking.store, "save_resume", _away)
        with pytest.raises(StoreUnavailable):
            orders(PERSONS["message"])
    orders(PERSONS["message"])
    assert len(bot.graph.sent) == 1


def test_a_prompt_whose_process_was_killed_is_neither_lost_nor_sent_before_a_minute_is_over(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then Messenger is told to deliver the message again."""
    monkeypatch.setattr(prompts, "_PATIENCE_S", 0)
    orders = bot.linking.login_required(_nothing)
    with monkeypatch.context() as killed:
        killed.setattr(Prompts, "_try_to_send", _ends)
        killed.setattr(bot.linking.store, "drop_limit", _away)
        with pytest.raises(SystemExit):
            orders(PERSONS["message"])
    with pytest.raises(StoreUnavailable):
        orders(PERSONS["message"])
    assert bot.graph.sent == []
    bot.clock.advance(61)
    orders(PERSONS["message"])
    orders(PERSONS["message"])
    assert len(bot.graph.sent) == 1


def test_messages_whose_process_was_killed_hold_the_thread_that_gets_them_again_once_together(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders, waited = bot.linking.login_required(_nothing), list[float]()
    messages = [WHOSE | {"message": {"mid": f"m_{number}", "text": "orders"}} for number in range(5)]
    with monkeypatch.context() as killed:
        killed.setattr(Prompts, "_try_to_send", _ends)
        killed.setattr(bot.linking.store, "drop_limit", _away)
        for message in messages:
            with pytest.raises(SystemExit):
                orders(message)

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        bot.clock.advance(seconds)

    monkeypatch.setattr(prompts, "time", SimpleNamespace(sleep=sleep, monotonic=bot.clock))
    for message in messages:
        with pytest.raises(StoreUnavailable):
            orders(message)
    assert sum(waited) == pytest.approx(prompts._PATIENCE_S, abs=1)


def test_a_turn_that_may_have_been_taken_without_an_answer_is_given_back(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders, hit = bot.linking.login_required(_nothing), bot.linking.store.hit

    def without_an_answer(key: str, expires_at: int, now: int) -> int:
        hit(key, expires_at, now)
        raise StoreUnavailable("the connection was lost")

    with monkeypatch.context() as lost:
        lost.setattr(bot.linking.store, "hit", without_an_answer)
        with pytest.raises(StoreUnavailable):
            orders(PERSONS["message"])
    orders(PERSONS["message"])
    assert len(bot.graph.sent) == 1


def test_two_handlers_of_one_message_prompt_each_for_itself(bot: Bot) -> None:
    def orders(event: Any, link: Link) -> None: ...
    def points(event: Any, link: Link) -> None: ...

    for handler in (orders, points, orders):
        bot.linking.login_required(handler)(PERSONS["message"])
    assert len(bot.graph.sent) == 2


@pytest.mark.parametrize(
    "error", [{"code": 551, "error_subcode": 1545041}, {"code": 10, "error_subcode": 2018278}, {"code": 100}]
)
def test_a_person_who_cannot_be_written_to_is_told_of_and_is_no_error(
    orders: tuple[Bot, Any], error: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    bot, handler = orders
    bot.graph.failures["me/messages"] = error
    assert handler(PERSONS["message"]) is None
    (failed,) = bot.heard.of("MessageFailed")
    assert (failed.psid, failed.kind, failed.dead) == (PSID, "prompt", True)
    assert len(bot.heard.of("GraphFailed")) == 1
    assert "a Log In button was not sent (given up)" in caplog.text
    assert PSID not in caplog.text


@pytest.mark.parametrize("error", [{"code": 2}, {"code": 613}, {"code": 190}])
def test_a_button_that_messenger_does_not_take_for_now_comes_later(bot: Bot, error: dict[str, Any]) -> None:
    bot.linking.login_required(text="Log in to see your orders.")(_never)(PERSONS["message"])
    bot.graph.sent.clear()
    bot.graph.failures["me/messages"] = error
    bot.linking.login_required(text="Log in to see your orders.")(_never)(message_event("orders"))
    assert [failed.dead for failed in bot.heard.of("MessageFailed")] == [False]
    bot.graph.failures.clear()
    before = len(bot.graph.sent)
    bot.clock.advance(5)
    bot.linking.delivery.drain()
    (sent,) = bot.graph.sent[before:]
    assert sent["message"]["attachment"]["payload"]["text"] == "Log in to see your orders."


def test_a_button_that_has_become_pointless_is_not_sent(bot: Bot) -> None:
    bot.graph.failures["me/messages"] = {"code": 2}
    bot.linking.login_required(_nothing)(PERSONS["message"])
    bot.graph.failures.clear()
    bot.link()
    bot.linking.delivery.drain()
    assert len(bot.graph.sent) == 2  # the first try, and the confirmation
    assert bot.linking.store.outbox_depth()["depth"] == 0


def test_a_button_that_waited_longer_than_what_it_was_for_is_not_sent(bot: Bot) -> None:
    bot.graph.failures["me/messages"] = {"code": 2}
    bot.linking.login_required(_nothing)(PERSONS["message"])
    bot.graph.failures.clear()
    bot.clock.advance(3601)
    bot.linking.delivery.drain()
    assert len(bot.graph.sent) == 1
    assert bot.linking.store.outbox_depth()["depth"] == 0


def test_a_text_that_messenger_would_refuse_is_still_the_bots_own_error(bot: Bot) -> None:
    with pytest.raises(ValueError, match="640"):
        bot.linking.login_required(text="x" * 641)(_nothing)(PERSONS["message"])


def _away(*_: Any, **__: Any) -> None:
    raise StoreUnavailable("away")


def _ends(*_: Any, **__: Any) -> None:
    raise SystemExit


def _never(event: Any, link: Link) -> None:
    pytest.fail("not linked")


def _nothing(event: Any, link: Link) -> None: ...
