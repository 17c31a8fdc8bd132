"""What the simulator posts to the webhook, and how often."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest

from bot_linking.simulator import Simulator, webhook_queue

from .receiving_bot import ADA, GRACE, GraphClient, ReceivingBot


def test_a_message_arrives_as_messenger_writes_it(sim: Simulator, bot: ReceivingBot) -> None:
    began = time.time()
    event = sim.say(ADA, "help")
    said = time.time()
    assert sim.wait_until(lambda: bot.bodies)
    body = json.loads(bot.bodies[0])
    assert body["object"] == "page"
    [entry] = body["entry"]
    assert entry["id"] == sim.page_id
    assert isinstance(entry["time"], int)
    assert entry["messaging"] == [event]
    assert event["sender"] == {"id": ADA}
    assert event["recipient"] == {"id": sim.page_id}
    assert began - 1 < event["timestamp"] / 1000 < said + 1
    assert event["message"]["text"] == "help"
    assert event["message"]["mid"].startswith("m_")


def test_the_signature_is_made_over_the_exact_bytes(sim: Simulator, bot: ReceivingBot) -> None:
    sim.say(ADA, "åäö / <b> 🎉")
    assert sim.wait_until(lambda: bot.bodies)
    assert bot.signatures == [bot.expected_signature(bot.bodies[0], sim.app_secret)]


def test_text_outside_ascii_travels_escaped(sim: Simulator, bot: ReceivingBot) -> None:
    sim.say(ADA, "åäö")
    assert sim.wait_until(lambda: bot.bodies)
    assert b"\\u00e5\\u00e4\\u00f6" in bot.bodies[0]


def test_a_wrong_signature_is_a_signature_of_another_secret(sim: Simulator, bot: ReceivingBot) -> None:
    sim.switches.wrong_signature = True
    sim.say(ADA, "help")
    assert sim.wait_until(lambda: bot.bodies)
    [signature] = bot.signatures
    assert signature.startswith("sha256=")
    assert len(signature) == 71
    assert signature != bot.expected_signature(bot.bodies[0], sim.app_secret)


def test_a_persons_events_arrive_in_the_order_in_which_they_happened(
    sim: Simulator, bot: ReceivingBot
) -> None:
    for number in range(12):
        sim.say(ADA, str(number))
        sim.say(GRACE, str(number))
    assert sim.wait_until(lambda: len(bot.bodies) == 24)
    for psid in (ADA, GRACE):
        texts = [event["message"]["text"] for event in bot.events if event["sender"]["id"] == psid]
        assert texts == [str(number) for number in range(12)]


def test_no_two_events_have_the_same_timestamp(sim: Simulator) -> None:
    stamps = [sim.say(ADA, "again")["timestamp"] for _ in range(20)]
    assert stamps == sorted(set(stamps))


def test_order_holds_while_an_event_is_tried_again(sim: Simulator, bot: ReceivingBot) -> None:
    bot.statuses = [500, 500]
    sim.say(ADA, "first")
    sim.say(ADA, "second")
    assert sim.wait_until(lambda: len(bot.bodies) == 4)
    assert [event["message"]["text"] for event in bot.events] == ["first", "first", "first", "second"]


def test_one_persons_trouble_does_not_hold_up_another(bot: ReceivingBot) -> None:
    with Simulator(bot.webhook_url, retry_pauses=(600.0,)) as sim:
        bot.statuses = [500]
        sim.say(ADA, "stuck")
        assert sim.wait_until(lambda: bot.bodies)
        sim.say(GRACE, "free")
        assert sim.wait_until(lambda: len(bot.bodies) == 2)


def test_saying_something_never_waits_for_the_bot(bot: ReceivingBot) -> None:
    release, answered = threading.Event(), threading.Event()

    def answer_late(event: dict[str, Any]) -> None:
        release.wait(60)
        answered.set()

    bot.answer = answer_late
    with Simulator(bot.webhook_url) as sim:
        sim.say(ADA, "slow")
        assert not answered.is_set()
        release.set()
        assert sim.wait_until(answered.is_set)


@pytest.mark.parametrize("status", [201, 302, 403, 500])
def test_anything_but_200_is_tried_again_and_then_given_up(
    sim: Simulator, bot: ReceivingBot, status: int
) -> None:
    bot.statuses = [status] * 3
    sim.say(ADA, "help")
    assert sim.wait_until(lambda: sim.deliveries and sim.deliveries[0].given_up)
    [delivery] = sim.deliveries
    assert (delivery.status, delivery.tries, delivery.accepted) == (status, 3, False)
    assert len(set(bot.bodies)) == 1, "each try carries the same bytes"


def test_a_bot_that_is_not_there_is_recorded_with_the_reason(sim: Simulator) -> None:
    sim.webhook_url = "http://127.0.0.1:9/webhook"
    sim.say(ADA, "hello?")
    assert sim.wait_until(lambda: sim.deliveries and sim.deliveries[0].given_up)
    assert sim.deliveries[0].status is None
    assert sim.deliveries[0].error == "nobody listens there"


def test_an_accepted_delivery_is_recorded_with_its_bytes(sim: Simulator, bot: ReceivingBot) -> None:
    sim.say(ADA, "help")
    assert sim.wait_until(lambda: sim.deliveries)
    [delivery] = sim.deliveries
    assert delivery.body == bot.bodies[0]
    assert delivery.signature == bot.signatures[0]
    assert (delivery.status, delivery.tries, delivery.kinds, delivery.people) == (
        200,
        1,
        ("message",),
        (ADA,),
    )


def test_redelivery_posts_each_event_three_times(sim: Simulator, bot: ReceivingBot) -> None:
    sim.switches.redeliver = True
    event = sim.say(ADA, "help")
    assert sim.wait_until(lambda: len(bot.bodies) == 3)
    assert bot.events == [event] * 3
    assert bot.bodies[0] == bot.bodies[1]
    time.sleep(0.1)
    assert len(bot.bodies) == 3


def test_a_batch_leaves_as_soon_as_it_holds_three_events(
    sim: Simulator, bot: ReceivingBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_queue, "BATCH_SECONDS", 600)
    sim.switches.batch = True
    said = [sim.say(ADA, "one"), sim.say(GRACE, "two")]
    time.sleep(0.1)
    assert bot.bodies == []
    said.append(sim.say(ADA, "three"))
    assert sim.wait_until(lambda: bot.bodies)
    assert len(json.loads(bot.bodies[0])["entry"]) == 3
    assert bot.events == said


def test_a_batch_leaves_when_the_switch_is_turned_off(
    sim: Simulator, bot: ReceivingBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_queue, "BATCH_SECONDS", 600)
    sim.switches.batch = True
    sim.say(ADA, "one")
    sim.say(ADA, "two")
    sim.switches.batch = False
    assert sim.wait_until(lambda: bot.bodies)
    assert [event["message"]["text"] for event in bot.events] == ["one", "two"]
    assert len(bot.bodies) == 1


def test_a_batch_leaves_by_itself_after_a_second_and_a_half(sim: Simulator, bot: ReceivingBot) -> None:
    sim.switches.batch = True
    sim.say(ADA, "alone")
    assert sim.wait_until(lambda: bot.bodies)


def test_a_delay_holds_an_event_back(sim: Simulator, bot: ReceivingBot) -> None:
    sim.switches.delay = 0.3
    begun = time.monotonic()
    sim.say(ADA, "later")
    assert sim.wait_until(lambda: bot.bodies)
    assert time.monotonic() - begun >= 0.3


def test_the_handshake_asks_for_the_challenge(sim: Simulator, bot: ReceivingBot) -> None:
    assert sim.handshake()
    bot.verify_token = "another"
    assert not sim.handshake()
    sim.webhook_url = "http://127.0.0.1:9/webhook"
    assert not sim.handshake()


def test_events_of_a_field_that_is_not_subscribed_are_not_delivered(
    sim: Simulator, bot: ReceivingBot
) -> None:
    sim.page_fields = ["messaging_postbacks"]
    sim.say(ADA, "unheard")
    sim.tap(ADA, {"type": "postback", "title": "Go", "payload": "GO"})
    assert sim.wait_until(lambda: bot.bodies)
    assert [list(event)[-1] for event in bot.events] == ["postback"]


def test_a_page_that_subscribes_to_echoes_hears_itself(
    sim: Simulator, bot: ReceivingBot, graph: GraphClient
) -> None:
    sim.page_fields = ["messages", "message_echoes"]
    mid = graph.send({"text": "hello"}).json()["message_id"]
    assert sim.wait_until(lambda: bot.bodies)
    [event] = bot.events
    assert event["sender"]["id"] == sim.page_id
    assert event["recipient"]["id"] == ADA
    assert event["message"]["is_echo"] is True
    assert event["message"]["mid"] == mid


def test_deliveries_and_conversations_do_not_grow_without_end(sim: Simulator, graph: GraphClient) -> None:
    for number in range(510):
        sim.receive(ADA, {"message": {"text": str(number)}})
    assert len(sim.messages(ADA)) == 500
    assert len(sim.conversation(ADA)["entries"]) == 500


def test_stopping_ends_at_once_and_twice_is_fine(bot: ReceivingBot) -> None:
    sim = Simulator(bot.webhook_url)
    sim.start()
    sim.switches.delay = 60
    sim.say(ADA, "never")
    begun = time.monotonic()
    sim.stop()
    sim.stop()
    assert time.monotonic() - begun < 30  # and not the whole delay
    assert not sim.running


def test_a_simulator_keeps_its_port_when_it_starts_again(bot: ReceivingBot) -> None:
    sim = Simulator(bot.webhook_url)
    with sim:
        url = sim.url
        with pytest.raises(RuntimeError, match="runs already"):
            sim.start()
    with sim:
        assert sim.url == url
        sim.say(ADA, "back")
        assert sim.wait_until(lambda: bot.bodies)
