"""GraphBot is a pymessenger Bot that has time-outs, one connection, and errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pymessenger.bot import Bot as PymessengerBot

from bot_linking import GraphError
from bot_linking.messenger.graph import Graph
from bot_linking.messenger.send import GraphBot, send_with
from tests.bots import Bot
from tests.graph import ScriptedGraph
from tests.messenger.wire import Wire, always, reply
from tests.wire import APP_SECRET, PAGE_TOKEN, PSID


@pytest.fixture
def client(scripted: ScriptedGraph) -> GraphBot:
    return bot_at(scripted.url)


def bot_at(url: str) -> GraphBot:
    return GraphBot(PAGE_TOKEN, APP_SECRET, Graph(PAGE_TOKEN, APP_SECRET, url=url, version="v26.0"))


SENDS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "text": (lambda bot: bot.send_text_message(PSID, "hi"), {"message": {"text": "hi"}}),
    "message": (lambda bot: bot.send_message(PSID, {"text": "hi"}), {"message": {"text": "hi"}}),
    "action": (lambda bot: bot.send_action(PSID, "typing_on"), {"sender_action": "typing_on"}),
    "generic": (
        lambda bot: bot.send_generic_message(PSID, [{"title": "T"}]),
        {"message": {"attachment": {"type": "template", "payload": {"template_type": "generic",
                                                                    "elements": [{"title": "T"}]}}}},
    ),
    "button": (
        lambda bot: bot.send_button_message(PSID, "hi", [{"type": "account_unlink"}]),
        {"message": {"attachment": {"type": "template", "payload": {
            "template_type": "button", "text": "hi", "buttons": [{"type": "account_unlink"}]}}}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SENDS)
def test_each_send_of_pymessenger_goes_out_with_a_messaging_type(
    client: GraphBot, scripted: ScriptedGraph, name: str
) -> None:
    send, expected = SENDS[name]
    answer = send(client)
    (call,) = scripted.calls_to("me/messages")
    assert call.body == {"messaging_type": "RESPONSE", "recipient": {"id": PSID}, **expected}
    assert call.headers["Authorization"] == f"Bearer {PAGE_TOKEN}"
    assert answer["recipient_id"] == PSID


@pytest.mark.parametrize("kind", ["image", "audio", "video", "file"])
def test_the_sends_of_pymessenger_by_address_go_out_too(kind: str) -> None:
    """Their recipient is JSON inside a string, as an older API had it."""
    wire = Wire(always(reply(b'{"recipient_id":"1"}')))
    client = bot_at(wire.url)
    try:
        getattr(client, f"send_{kind}_url")(PSID, "https://a.example/x")
    finally:
        client_requests = list(wire.requests)
        wire.close()
    (sent,) = client_requests
    assert b'"messaging_type": "RESPONSE"' in sent
    assert b"https://a.example/x" in sent


@pytest.mark.parametrize("name", SENDS)
def test_an_error_of_graph_is_raised_by_each_send(
    client: GraphBot, scripted: ScriptedGraph, name: str
) -> None:
    scripted.failures["me/messages"] = {"code": 551, "error_subcode": 1545041}
    with pytest.raises(GraphError) as caught:
        SENDS[name][0](client)
    assert (caught.value.code, caught.value.subcode) == (551, 1545041)


def test_it_is_a_pymessenger_bot_with_the_configured_address_and_one_v(
    client: GraphBot, scripted: ScriptedGraph
) -> None:
    assert isinstance(client, PymessengerBot)
    assert client.graph_url == f"{scripted.url}/v26.0"
    assert client.api_version == "26.0"


def test_a_profile_is_asked_over_the_same_connection(client: GraphBot, scripted: ScriptedGraph) -> None:
    assert client.get_user_info(PSID, ["first_name", "last_name"])["first_name"] == "Ada"
    assert scripted.calls[0].query["fields"] == "first_name,last_name"


def test_a_bot_shows_its_address_and_no_secret(client: GraphBot) -> None:
    assert repr(client) == f"GraphBot({client.graph_url!r})"


class ReturningBot:
    """Returns an error instead of raising it, as pymessenger does."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.sent: list[Any] = []

    def send_raw(self, payload: Any) -> Any:
        self.sent.append(payload)
        return self.answer


def test_an_error_that_a_plain_pymessenger_bot_returns_is_raised() -> None:
    with pytest.raises(GraphError) as caught:
        send_with(
            ReturningBot({"error": {"code": 190, "error_subcode": 463, "message": "x"}}), PSID, {"text": "x"}
        )
    assert caught.value.advice == "page"


@pytest.mark.parametrize("answer", [None, {}, "ok", {"recipient_id": PSID}], ids=repr)
def test_any_other_answer_of_a_plain_bot_is_a_success(answer: Any) -> None:
    bot = ReturningBot(answer)
    send_with(bot, PSID, {"text": "x"})
    assert bot.sent == [{"recipient": {"id": PSID}, "messaging_type": "RESPONSE", "message": {"text": "x"}}]


def test_the_extension_sends_with_the_hosts_own_bot_when_there_is_one(new_bot: Callable[..., Bot]) -> None:
    own = ReturningBot({})
    bot = new_bot(bot=own)
    bot.linking.prompt_login(PSID)
    assert bot.linking.bot is own
    assert own.sent[0]["message"]["attachment"]["payload"]["buttons"] == [bot.linking.login_button()]
    assert not bot.graph.sent


def test_the_extension_makes_a_bot_from_the_configuration_once(bot: Bot) -> None:
    assert isinstance(bot.linking.bot, GraphBot)
    assert bot.linking.bot is bot.linking.bot
