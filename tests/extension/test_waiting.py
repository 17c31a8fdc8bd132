"""A confirmation outside Messenger's 24 hours waits until its person writes, and is then sent first."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, request

from bot_linking import AccountLinking
from bot_linking.core.errors import StoreUnavailable
from bot_linking.core.identifiers import Identifiers
from bot_linking.delivery import waiting
from tests.bots import Bot, NewBot
from tests.wire import (
    APP_SECRET,
    OTHER_PSID,
    PAGE,
    PSID,
    batch,
    linked_event,
    message_event,
    signature,
    unlinked_event,
)

DAY = 86_400
OUTSIDE = {
    "code": 10,
    "error_subcode": 2018278,
    "message": "(#10) This message is sent outside of allowed window",
}
WHOSE = {"sender": {"id": PSID}, "recipient": {"id": PAGE}, "timestamp": 1_800_000_000_000}
ANSWER = {"text": "the bot's own answer"}


def bind(bot: Bot, psid: str = PSID, username: str = "ada") -> None:
    """Link a person by the site, and let Graph refuse the confirmation."""
    bot.graph.failures["me/messages"] = OUTSIDE
    bot.linking.core.bind(psid, Identifiers(username=username), PAGE, source="api")
    bot.linking.delivery.drain()
    bot.graph.failures.clear()
    bot.graph.calls.clear()


def said(bot: Bot) -> list[str]:
    return [
        message.get("text") or message["attachment"]["payload"]["text"]
        for message in (sent["message"] for sent in bot.graph.sent)
    ]


def is_confirmation(text: str) -> bool:
    return text.startswith("You are now connected to")


def states(bot: Bot) -> list[str]:
    lines = bot.app.test_cli_runner().invoke(args=["linking", "dead-letters"]).output.splitlines()
    return [line.split("\t")[5] for line in lines if "\t" in line]


# Four ways in, each of a bot that answers


def answer(bot: Bot, event: dict[str, Any]) -> None:
    bot.linking.bot.send_raw({"recipient": {"id": event["sender"]["id"]}, "message": ANSWER})


def by_decorator(bot: Bot, body: bytes) -> int:
    return bot.post(body, path="/decorated").status_code


def by_attach(bot: Bot, body: bytes) -> int:
    return bot.post(body, path="/attached").status_code


def by_own_webhook(bot: Bot, body: bytes) -> int:
    return bot.post(body).status_code


def by_receive(bot: Bot, body: bytes) -> int:
    rest = bot.linking.receive(body, {"X-Hub-Signature-256": signature(body, APP_SECRET)})
    for entry in rest["entry"]:
        for event in entry["messaging"]:
            answer(bot, event)
    return 200


WAYS = {"decorator": by_decorator, "attach": by_attach, "own": by_own_webhook, "receive": by_receive}
Way = Callable[[Bot, bytes], int]


@pytest.fixture
def bot(new_bot: NewBot) -> Bot:
    app = Flask("tests.host")
    made: list[Bot] = []

    def view() -> str:
        for entry in request.get_json()["entry"]:
            for event in entry["messaging"]:
                answer(made[0], event)
        return "ok"

    app.add_url_rule("/attached", "attached", view, methods=["POST"])
    made.append(new_bot(app))
    linking: AccountLinking = made[0].linking
    app.add_url_rule("/decorated", "decorated", linking.webhook(view), methods=["POST"])
    linking.attach(app, "attached")
    linking.on_message(lambda event: answer(made[0], event))
    return made[0]


@pytest.fixture(params=sorted(WAYS))
def way(request: pytest.FixtureRequest) -> Way:
    return WAYS[request.param]


def test_a_person_is_found_in_a_webhook_of_another_charset(bot: Bot) -> None:
    bind(bot)
    bot.app.add_url_rule("/silent", "silent", bot.linking.webhook(lambda: "ok"), methods=["POST"])
    body = json.dumps(json.loads(batch(message_event("J\u00f6rg"))), ensure_ascii=False).encode("latin-1")
    bot.post(body, path="/silent", **{"Content-Type": "application/json; charset=ISO-8859-1"})
    (text,) = said(bot)
    assert is_confirmation(text)


@pytest.mark.parametrize("subcode", [2018278, 2018065, 2534022])
def test_a_confirmation_outside_the_window_is_said_first_when_the_person_writes(
    bot: Bot, way: Way, subcode: int
) -> None:
    bot.graph.failures["me/messages"] = {"code": 10, "error_subcode": subcode}
    bot.linking.core.bind(PSID, Identifiers(username="ada"), PAGE, source="api")
    bot.linking.delivery.drain()
    bot.graph.failures.clear()
    bot.graph.calls.clear()
    bot.clock.advance(3 * DAY)
    assert states(bot) == ["waiting"]
    assert way(bot, batch(message_event("hello"))) == 200
    first, second = said(bot)
    assert is_confirmation(first)
    assert second == ANSWER["text"]
    assert states(bot) == []
    assert way(bot, batch(message_event("hello"))) == 200
    assert said(bot)[2:] == [ANSWER["text"]]


@pytest.mark.parametrize(
    "event",
    [
        {"message": {"mid": "m", "text": "hi"}},
        {"message": {"mid": "m", "attachments": []}},
        {"postback": {"mid": "m", "payload": "GET_STARTED"}},
        {"referral": {"ref": "x"}},
        {"optin": {"type": "notification_messages"}},
    ],
    ids=lambda event: next(iter(event)),
)
def test_whatever_the_person_made_releases_it(bot: Bot, way: Way, event: dict[str, Any]) -> None:
    bind(bot)
    way(bot, batch(WHOSE | event))
    assert is_confirmation(said(bot)[0])


@pytest.mark.parametrize(
    "event",
    [
        {
            "sender": {"id": PAGE},
            "recipient": {"id": PSID},
            "message": {"mid": "m", "is_echo": True, "text": "hi"},
        },
        WHOSE | {"message": {"mid": "m", "is_echo": True, "text": "hi"}},
        WHOSE | {"read": {"watermark": 1}},
        WHOSE | {"delivery": {"mids": ["m"]}},
        WHOSE | {"reaction": {"mid": "m"}},
        message_event("hello", psid=OTHER_PSID),
        message_event("hello", page="999"),
    ],
    ids=["echo", "odd echo", "read", "delivery", "reaction", "another person", "another page"],
)
def test_an_echo_a_read_or_a_delivery_releases_nothing(bot: Bot, way: Way, event: dict[str, Any]) -> None:
    bind(bot)
    way(bot, batch(event))
    assert not any(map(is_confirmation, said(bot)))
    assert states(bot) == ["waiting"]


def test_another_channel_of_the_same_shape_releases_nothing(bot: Bot, way: Way) -> None:
    bind(bot)
    way(bot, batch(message_event("hello")).replace(b'"object":"page"', b'"object":"instagram"'))
    assert states(bot) == ["waiting"]


@pytest.mark.parametrize(
    "error",
    [
        OUTSIDE,
        {"code": 551, "error_subcode": 1545041},
        {"code": 100},
        {"code": 2},
        {"code": 613},
        {"code": 190},
    ],
    ids=lambda error: str(error["code"]),
)
def test_another_refusal_keeps_it_waiting(bot: Bot, error: dict[str, Any]) -> None:
    bind(bot)
    bot.graph.failures["me/messages"] = error
    assert bot.post(batch(message_event("hello"))).status_code == 200
    bot.graph.failures.clear()
    assert states(bot) == ["waiting"]
    if error["code"] == 190:
        bot.linking.store.resume_page(PAGE, bot.linking.now() + 10**6, keys="another token")
    bot.clock.advance(DAY)
    bot.post(batch(message_event("hello again")))
    bot.linking.delivery.drain()
    assert any(map(is_confirmation, said(bot)))
    assert states(bot) == []


def test_what_could_not_be_said_to_a_person_who_wrote_is_tried_again_by_itself(bot: Bot) -> None:
    bind(bot)
    bot.graph.failures["me/messages"] = {"code": 2}
    bot.post(batch(message_event("hello")))
    bot.graph.failures.clear()
    bot.clock.advance(30)
    bot.linking.delivery.drain()
    assert any(map(is_confirmation, said(bot)))


def test_after_seven_days_it_is_given_up(bot: Bot) -> None:
    bind(bot)
    bot.clock.advance(7 * DAY - 1)
    bot.linking.delivery.drain()
    assert states(bot) == ["waiting"]
    bot.clock.advance(1)
    bot.linking.delivery.drain()
    assert states(bot) == ["dead"]
    assert bot.graph.sent == []
    bot.post(batch(message_event("hello")))
    assert said(bot) == [ANSWER["text"]]


def test_whoever_is_unlinked_meanwhile_hears_no_old_news(bot: Bot) -> None:
    bind(bot)
    bot.linking.unlink(PSID)
    bot.post(batch(message_event("hello")))
    assert not any(map(is_confirmation, said(bot)))


def test_an_event_about_linking_in_the_same_batch_comes_first(bot: Bot) -> None:
    bind(bot)
    bot.post(batch(unlinked_event(at=bot.clock.ms), message_event("hello")))
    assert not any(map(is_confirmation, said(bot)))


def test_two_people_in_one_batch_hear_each_their_own(bot: Bot) -> None:
    bind(bot)
    bind(bot, OTHER_PSID, "grace")
    bot.post(batch(message_event("a"), message_event("b"), message_event("c", psid=OTHER_PSID)))
    confirmed = [sent["recipient"]["id"] for sent in bot.graph.sent if "attachment" in sent["message"]]
    assert sorted(confirmed) == sorted([PSID, OTHER_PSID])


def test_a_webhook_waits_for_messenger_no_longer_than_it_may(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messenger wants its answer within five seconds; what should be sent first is then sent a little
    later."""
    bind(bot)
    monkeypatch.setattr("bot_linking.delivery.worker.GREET_S", 0.2)
    send_raw, go_on = type(bot.linking.bot).send_raw, threading.Event()

    def slowly(client: Any, payload: dict[str, Any]) -> Any:
        if "attachment" in payload["message"]:
            assert go_on.wait(60)
        return send_raw(client, payload)

    monkeypatch.setattr(type(bot.linking.bot), "send_raw", slowly)
    assert bot.post(batch(message_event("hello"))).status_code == 200
    assert said(bot) == [ANSWER["text"]]
    go_on.set()
    deadline = time.monotonic() + 60
    while bot.linking.store.count_waiting() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert is_confirmation(said(bot)[1])


def test_a_body_that_is_no_json_reaches_the_bots_view_as_it_came(bot: Bot) -> None:
    bind(bot)
    seen = []

    def view() -> str:
        seen.append(request.get_data())
        return "ok"

    bot.app.add_url_rule("/raw", "raw", bot.linking.webhook(view), methods=["POST"])
    assert bot.post(b"not JSON at all", path="/raw").status_code == 200
    assert seen == [b"not JSON at all"]


def test_a_store_that_is_away_costs_the_bot_no_message(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    bind(bot)

    def away(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable("away")

    monkeypatch.setattr(bot.linking.store, "waiting_among", away)
    assert bot.post(batch(message_event("hello"))).status_code == 200
    assert said(bot) == [ANSWER["text"]]


# How it is known


def test_while_nothing_waits_no_webhook_asks_the_store_more_than_once_a_second(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    has_waiting = bot.linking.store.has_waiting

    def counted() -> bool:
        asked.append(1)
        return has_waiting()

    monkeypatch.setattr(bot.linking.store, "has_waiting", counted)
    began = time.monotonic()
    for _ in range(20):
        bot.post(batch(message_event("hello")), path="/decorated")
    assert len(asked) <= 1 + (time.monotonic() - began) / waiting.LOOK_EVERY_S


def test_a_process_learns_within_a_second_what_another_one_holds(
    new_bot: NewBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = new_bot(), new_bot()
    monkeypatch.setattr(waiting, "LOOK_EVERY_S", 0.05)
    second.post(batch(message_event("hello")))
    bind(first)
    time.sleep(0.1)
    second.post(batch(message_event("hello")))
    assert is_confirmation(said(second)[0])


def test_a_store_that_is_away_is_not_asked_at_each_webhook(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def away() -> bool:
        asked.append(1)
        raise StoreUnavailable("away")

    monkeypatch.setattr(bot.linking.store, "has_waiting", away)
    monkeypatch.setattr(waiting, "LOOK_AGAIN_S", 3600)
    bot.linking.delivery.waiting._look_at = 0.0
    for _ in range(5):
        assert bot.post(batch(message_event("hello")), path="/decorated").status_code == 200
    assert len(asked) == 1


# messaging_type


def types(bot: Bot) -> list[str]:
    return [sent["messaging_type"] for sent in bot.graph.sent]


def test_a_confirmation_of_the_sites_own_is_an_update_where_nobody_wrote(bot: Bot) -> None:
    bot.linking.core.bind(PSID, Identifiers(username="ada"), PAGE, source="api")
    bot.linking.delivery.drain()
    assert types(bot) == ["UPDATE"]


def test_a_confirmation_of_a_login_is_a_response(bot: Bot) -> None:
    bot.link()
    bot.linking.delivery.drain()
    assert types(bot) == ["RESPONSE"]


def test_what_the_site_does_within_a_day_of_a_login_is_a_response_and_later_an_update(bot: Bot) -> None:
    bot.link()
    bot.linking.delivery.drain()
    bot.clock.advance(DAY - 2)
    bot.linking.unlink(PSID)
    bot.linking.delivery.drain()
    bot.clock.advance(2)
    bot.linking.core.bind(PSID, Identifiers(username="ada"), PAGE, source="api")
    bot.linking.delivery.drain()
    assert types(bot) == ["RESPONSE", "RESPONSE", "UPDATE"]


def test_what_is_said_to_a_person_who_has_just_written_is_a_response(bot: Bot) -> None:
    bind(bot)
    bot.clock.advance(3 * DAY)
    bot.post(batch(message_event("hello")))
    assert types(bot)[0] == "RESPONSE"


def test_a_person_who_was_asked_to_log_in_counts_as_heard_at_that_time(bot: Bot) -> None:
    bot.linking.login_required(lambda_free)(message_event("orders"))
    bot.graph.calls.clear()
    bot.clock.advance(600)
    bot.linking.core.bind(PSID, Identifiers(username="ada"), PAGE, source="api")
    bot.linking.delivery.drain()
    assert types(bot) == ["RESPONSE"]


def lambda_free(event: object, link: object) -> None: ...


def test_an_unlinked_event_was_made_by_the_person(bot: Bot) -> None:
    bot.linking.core.bind(PSID, Identifiers(username="ada"), PAGE, source="api")
    bot.post(batch(unlinked_event(at=bot.clock.ms)))
    bot.linking.delivery.drain()
    assert types(bot) == ["RESPONSE"]


# The utility template


def test_a_utility_template_is_sent_instead_of_waiting(new_bot: NewBot) -> None:
    bot = new_bot(UTILITY_TEMPLATE="account_connected")
    graph_refuses_all_but(bot, "UTILITY")
    bot.linking.core.bind(PSID, Identifiers(username="ada"), PAGE, source="api")
    bot.linking.delivery.drain()
    _, template = bot.graph.sent
    assert template["messaging_type"] == "UTILITY"
    assert template["recipient"] == {"id": PSID}
    assert template["message"] == {
        "template": {
            "name": "account_connected",
            "language": {"code": "en"},
            "components": [
                {
                    "type": "body",
                    "parameters": [{"type": "text", "text": "Acme"}, {"type": "text", "text": "ada"}],
                }
            ],
        }
    }
    assert states(bot) == []


def test_a_refusal_of_the_template_falls_back_to_waiting(new_bot: NewBot) -> None:
    bot = new_bot(UTILITY_TEMPLATE="account_connected")
    for error in (OUTSIDE, {"code": 100}, {"code": 551}, {"code": 2}):
        bot.graph.failures["me/messages"] = OUTSIDE
        graph_refuses_all_but(bot, None, error)
        bot.linking.core.bind(PSID, Identifiers(username=f"ada{error['code']}"), PAGE, source="api")
        bot.linking.delivery.drain()
        assert states(bot) == ["waiting"]


def test_without_a_refusal_of_the_confirmation_the_template_is_not_used(new_bot: NewBot) -> None:
    bot = new_bot(UTILITY_TEMPLATE="account_connected")
    bot.link()
    bot.linking.delivery.drain()
    assert types(bot) == ["RESPONSE"]


def test_a_farewell_has_no_template_and_waits(new_bot: NewBot) -> None:
    bot = new_bot(UTILITY_TEMPLATE="account_connected")
    bot.link()
    bot.linking.delivery.drain()
    bot.graph.failures["me/messages"] = OUTSIDE
    bot.linking.unlink(PSID)
    bot.linking.delivery.drain()
    assert states(bot) == ["waiting"]
    assert "UTILITY" not in types(bot)


def graph_refuses_all_but(bot: Bot, kind: str | None, template_error: dict[str, Any] | None = None) -> None:
    """Let Graph take messages of this type only."""

    class Failures(dict[str, dict[str, Any]]):
        def __contains__(self, path: object) -> bool:
            last = bot.graph.calls[-1].body
            return path == "me/messages" and (kind is None or last["messaging_type"] != kind)

        def __getitem__(self, path: str) -> dict[str, Any]:
            is_template = bot.graph.calls[-1].body["messaging_type"] == "UTILITY"
            return (template_error or OUTSIDE) if is_template else OUTSIDE

    bot.graph.failures = Failures()


# How it shows


def test_what_waits_shows_in_check_and_metrics_as_waiting_and_makes_nothing_late(bot: Bot) -> None:
    from prometheus_client import CollectorRegistry, generate_latest

    from bot_linking import metrics

    bind(bot)
    bot.clock.advance(DAY)
    registry = CollectorRegistry()
    metrics.watch(bot.linking, registry)
    text = generate_latest(registry).decode()
    assert "bot_linking_outbox_waiting 1.0" in text
    assert "bot_linking_outbox_held 0.0" in text
    assert "bot_linking_outbox_oldest_seconds 0.0" in text
    said_by_check = bot.app.test_cli_runner().invoke(args=["linking", "check"]).output
    assert "1 of them wait for their person to write" in said_by_check
    assert "late" not in said_by_check


def test_the_signal_says_that_it_is_not_dead(bot: Bot) -> None:
    bind(bot)
    (failed,) = bot.heard.of("MessageFailed")
    assert (failed.kind, failed.dead) == ("linked", False)


def test_json_says_the_same(bot: Bot) -> None:
    bind(bot)
    output = bot.app.test_cli_runner().invoke(args=["linking", "dead-letters", "--json"]).output
    assert json.loads(output)["state"] == "waiting"


def test_linked_by_the_pages_and_refused_waits_too(bot: Bot) -> None:
    code = bot.browser().code()
    bot.post(batch(linked_event(code, at=bot.clock.ms)))
    bot.graph.failures["me/messages"] = OUTSIDE
    bot.linking.delivery.drain()
    assert states(bot) == ["waiting"]
