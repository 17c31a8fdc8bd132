"""The wire log: a line for each request, its whole exchange, and sending it once more."""

from __future__ import annotations

import io
import json
import shlex
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from bot_linking.simulator import Simulator
from tests.children import require

from .receiving_bot import ADA, GRACE, GraphClient, ReceivingBot
from .test_simulator_graph import button_template
from .test_simulator_linking import LOGIN, token_of

CHAT = {"X-Simulator": "chat"}


def lines(sim: Simulator) -> list[dict[str, Any]]:
    return sim.wire.after(0)


def words(sim: Simulator) -> list[str]:
    return [line["words"] for line in lines(sim)]


def post(sim: Simulator, path: str, body: Any) -> requests.Response:
    return requests.post(f"{sim.url}/simulator/{path}", json=body, headers=CHAT, timeout=20)


def test_a_line_says_when_which_way_what_and_how_it_ended(
    sim: Simulator, bot: ReceivingBot, graph: GraphClient
) -> None:
    bot.statuses = [500]
    sim.say(ADA, "orders")
    assert sim.wait_until(lambda: len(bot.bodies) == 2 and lines(sim)[0]["ok"])
    [line] = lines(sim)
    assert (line["way"], line["words"], line["status"], line["tries"]) == ("bot", "message “orders”", 200, 2)
    assert (line["kinds"], line["people"]) == (("message",), (ADA,))
    assert abs(line["at"] - sim.clock()) < 60
    assert 0 <= line["ms"] < 60_000
    graph.send({"text": "x" * 2001}, GRACE)
    refused = lines(sim)[-1]
    assert (refused["way"], refused["status"], refused["ok"]) == ("graph", 400, False)
    assert "2000 are allowed" in refused["problem"]
    assert tuple(refused["people"]) == (GRACE,)


def test_lines_say_what_it_was_in_words(sim: Simulator, bot: ReceivingBot, graph: GraphClient) -> None:
    opened = sim.open_login(ADA, LOGIN)
    graph.call("GET", "me", params={"fields": "recipient", "account_linking_token": token_of(opened)})
    graph.send(
        button_template({"type": "account_link", "url": "https://bot.example/login"}, text="Who are you?")
    )
    graph.call("POST", "me/messages", json={"recipient": {"id": ADA}, "sender_action": "typing_on"})
    graph.call("GET", ADA)
    graph.call("POST", "me/unlink_accounts", json={"psid": ADA})
    graph.call("POST", "me/messenger_profile", json={"get_started": {"payload": "GO"}})
    sim.finish_login(token_of(opened), "a-secret-code")
    sim.tap(ADA, {"content_type": "text", "title": "Yes", "payload": "Y"})
    sim.follow(ADA, "https://m.me/acme?ref=bl.x")
    sim.tap(ADA, {"type": "postback", "title": "Start", "payload": "S"})
    assert sim.wait_until(lambda: len(bot.bodies) == 4 and len(lines(sim)) == 10)
    assert words(sim) == [
        "GET recipient",
        "POST messages: “Who are you?” [Log In]",
        "POST messages: typing_on",
        "GET profile",
        "POST unlink_accounts",
        "POST messenger_profile: get_started",
        "linked",
        "quick reply “Yes”",
        "referral “bl.x”",
        "postback “Start”",
    ]
    assert [line["people"] for line in lines(sim)[:4]] == [(ADA,)] * 4


@pytest.mark.parametrize(
    "body",
    [
        {"recipient": "x", "message": "x"},
        {"recipient": {"id": ADA}, "message": {"attachment": {"payload": {"buttons": [3]}}}},
        {"recipient": {"id": ADA}, "message": {"attachment": 3}},
        {"message": {"text": ["a"]}, "messaging_type": 4},
        {"recipient": {"id": ["a"]}, "psid": {"a": 1}},
    ],
)
def test_whatever_a_bot_sends_has_a_line(sim: Simulator, graph: GraphClient, body: Any) -> None:
    assert graph.call("POST", "me/messages", json=body).status_code == 400
    assert lines(sim)[-1]["words"].startswith("POST messages")


def test_the_lines_that_the_page_polls_hold_no_secret(
    sim: Simulator, graph: GraphClient, bot: ReceivingBot
) -> None:
    opened = sim.open_login(ADA, LOGIN)
    graph.send({"text": f"see {opened}"})
    sim.finish_login(token_of(opened), "a-secret-code")
    assert sim.wait_until(lambda: bot.bodies and lines(sim)[-1]["ok"])
    answer = requests.get(f"{sim.url}/simulator/state", timeout=20)
    for secret in (token_of(opened), "a-secret-code", sim.app_secret, sim.page_access_token):
        assert secret not in json.dumps(answer.json()["wire"])


def opened_line(sim: Simulator, line_id: str) -> dict[str, Any]:
    answer = requests.get(f"{sim.url}/simulator/wire/{line_id}", headers=CHAT, timeout=20)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def test_behind_a_line_is_the_whole_request_and_the_whole_answer(
    sim: Simulator, bot: ReceivingBot, graph: GraphClient
) -> None:
    sim.say(ADA, "orders")
    assert sim.wait_until(lambda: lines(sim) and lines(sim)[0]["ok"])
    webhook = opened_line(sim, lines(sim)[0]["id"])
    assert webhook["method"] == "POST"
    assert webhook["url"] == bot.webhook_url
    assert webhook["body"].encode() == bot.bodies[0]
    assert webhook["headers"]["X-Hub-Signature-256"] == bot.signatures[0]
    assert (webhook["status"], webhook["answer"]) == (200, "EVENT_RECEIVED")
    assert "Content-Length" in webhook["answer_headers"]
    mid = graph.send({"text": "hi"}).json()["message_id"]
    call = opened_line(sim, lines(sim)[-1]["id"])
    assert json.loads(call["body"])["message"] == {"text": "hi"}
    assert json.loads(call["answer"])["message_id"] == mid
    assert sim.page_access_token in call["url"]


@pytest.mark.parametrize(
    "headers", [{}, {"X-Simulator": "other"}, {**CHAT, "Origin": "https://evil.example"}]
)
def test_only_the_chat_page_looks_behind_a_line(sim: Simulator, graph: GraphClient, headers: Any) -> None:
    graph.send({"text": "hi"})
    url = f"{sim.url}/simulator/wire/{lines(sim)[0]['id']}"
    assert requests.get(url, headers=headers, timeout=20).status_code == 403
    assert requests.post(f"{url}/again", json={}, headers=headers, timeout=20).status_code == 403


def test_what_is_copied_as_curl_does_the_same_again(
    sim: Simulator, bot: ReceivingBot, graph: GraphClient
) -> None:
    require("curl")
    sim.say(ADA, "it's “here”")
    assert sim.wait_until(lambda: lines(sim) and lines(sim)[0]["ok"])
    graph.send({"text": "o'clock"})
    for line in lines(sim):
        command = opened_line(sim, line["id"])["curl"]
        ended = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, check=True)
        assert "200 OK" in ended.stdout, shlex.split(command)
    assert bot.bodies[0] == bot.bodies[1]
    assert bot.signatures[1] == bot.expected_signature(bot.bodies[1], sim.app_secret)
    assert [sent["message"] for sent in sim.messages(ADA)] == [{"text": "o'clock"}] * 2


def test_a_webhook_is_sent_again_as_it_was(sim: Simulator, bot: ReceivingBot) -> None:
    sim.say(ADA, "orders")
    assert sim.wait_until(lambda: lines(sim) and lines(sim)[0]["ok"])
    assert post(sim, f"wire/{lines(sim)[0]['id']}/again", {}).status_code == 200
    assert sim.wait_until(lambda: len(bot.bodies) == 2)
    assert bot.bodies[0] == bot.bodies[1]
    assert sim.wait_until(lambda: len(lines(sim)) == 2)


def test_an_edited_webhook_is_signed_anew(sim: Simulator, bot: ReceivingBot) -> None:
    event = sim.say(ADA, "orders")
    assert sim.wait_until(lambda: lines(sim) and lines(sim)[0]["ok"])
    event["message"]["text"] = "åäö"
    edited = json.dumps({"object": "page", "entry": [{"id": "1", "messaging": [event, {"odd": 1}, 3]}]})
    assert post(sim, f"wire/{lines(sim)[0]['id']}/again", {"body": edited}).status_code == 200
    assert sim.wait_until(lambda: len(bot.bodies) == 2)
    assert bot.bodies[1] == edited.encode()
    assert bot.signatures[1] == bot.expected_signature(bot.bodies[1], sim.app_secret)
    assert sim.wait_until(lambda: words(sim)[1:] == ["message “åäö”"])


def test_a_call_to_graph_is_made_again_and_may_be_edited(sim: Simulator, graph: GraphClient) -> None:
    graph.send({"text": "hi"})
    line = lines(sim)[0]["id"]
    body = json.loads(opened_line(sim, line)["body"])
    assert post(sim, f"wire/{line}/again", {}).status_code == 200
    body["message"]["text"] = "edited"
    assert post(sim, f"wire/{line}/again", {"body": json.dumps(body)}).status_code == 200
    assert [sent["message"]["text"] for sent in sim.messages(ADA)] == ["hi", "hi", "edited"]
    assert len(lines(sim)) == 3


def test_what_cannot_be_sent_again_says_so(sim: Simulator, graph: GraphClient) -> None:
    graph.send({"text": "hi"})
    line = lines(sim)[0]["id"]
    assert post(sim, "wire/w99/again", {}).status_code == 404
    assert post(sim, "wire/c1/again", {}).status_code == 404
    for body in ("{", "[]"):
        assert post(sim, f"wire/{line}/again", {"body": body}).status_code == 400


def test_the_page_is_sent_only_what_has_changed(sim: Simulator, graph: GraphClient) -> None:
    graph.send({"text": "one"})
    seq = sim.wire.seq
    graph.send({"text": "two"})
    state = requests.get(f"{sim.url}/simulator/state", params={"wire": seq}, timeout=20).json()
    assert [line["words"] for line in state["wire"]] == ["POST messages: “two”"]


def test_the_log_does_not_grow_without_end(sim: Simulator, graph: GraphClient) -> None:
    for _ in range(510):
        sim.answer_graph(_call(sim))
    assert len(lines(sim)) == 500


def _call(sim: Simulator) -> Any:
    from bot_linking.simulator.graph_api.call import GraphRequest

    return GraphRequest("GET", "me", {"access_token": sim.page_access_token}, {})


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def told(bot: ReceivingBot, out: io.StringIO) -> Iterator[Simulator]:
    with Simulator(bot.webhook_url, retry_pauses=(0.02, 0.02), wire_out=out) as simulator:
        yield simulator


def test_a_terminal_gets_one_line_for_each_request_that_has_ended(
    told: Simulator, bot: ReceivingBot, out: io.StringIO
) -> None:
    bot.statuses = [500] * 3
    told.say(ADA, "or\x1b[31mders\n")
    told.unlink(ADA)
    GraphClient(told).send({"text": "hi"})
    told.say(ADA, "fine")
    assert told.wait_until(lambda: out.getvalue().count("\n") == 3)
    text = out.getvalue()
    assert "→ message “or[31mders” 500 " in text
    assert "(3 tries, given up)" in text
    assert "← POST messages: “hi” 200 " in text
    assert "→ message “fine” 200 " in text
    assert "\x1b" not in text
    assert told.page_access_token not in text


class Terminal(io.StringIO):
    """Keeps each write on its own: two threads' lines mix where a line is more than one."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        self.writes.append(text)
        return super().write(text)


def test_a_line_reaches_the_terminal_whole(bot: ReceivingBot) -> None:
    out = Terminal()
    with Simulator(bot.webhook_url, wire_out=out) as simulator:
        simulator.say(ADA, "hi")
        assert simulator.wait_until(lambda: "\n" in out.getvalue())
    assert [(text.count("\n"), text[-1:]) for text in out.writes if text] == [(1, "\n")]
