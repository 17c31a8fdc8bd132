"""A batch with linking events and others is one request for the host: its hooks run once, and see the
others only."""

from __future__ import annotations

import hashlib
import hmac
import json
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import pytest
from flask import Request, after_this_request, g, request, session
from werkzeug.test import TestResponse
from werkzeug.utils import cached_property

from tests.bots import Bot, NewBot
from tests.wire import APP_SECRET, OLD_SECRET, batch, linked_event, message_event, signature

MESSAGE = message_event("hello")
MIXED = batch(linked_event("a-code-of-nobody"), MESSAGE)
REST = json.loads(batch(MESSAGE))


class HostRequest(Request):
    """A request class of the host's own, which caches what it has read."""

    @cached_property
    def words(self) -> list[str]:
        return [
            event["message"]["text"] for entry in self.get_json()["entry"] for event in entry["messaging"]
        ]


def old_signature(body: bytes, secret: str = APP_SECRET) -> str:
    return "sha1=" + hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()


def post(bot: Bot, secret: str = APP_SECRET, **headers: str) -> TestResponse:
    return bot.post(MIXED, secret, "/webhook", **headers)


def test_each_hook_runs_once_and_those_after_the_view_see_what_the_view_saw(bot: Bot) -> None:
    seen: list[tuple[str, Any]] = []

    def note(when: str) -> None:
        payload = request.get_json()
        seen.append((when, [len(entry["messaging"]) for entry in payload["entry"]]))

    bot.app.before_request(lambda: note("before"))
    bot.app.teardown_request(lambda error: note("teardown"))

    @bot.app.after_request
    def after(response: Any) -> Any:
        note("after")
        return response

    @bot.app.post("/webhook")
    @bot.linking.webhook
    def webhook() -> str:
        note("view")
        assert request.get_json() == REST
        return "ok"

    assert post(bot).text == "ok"
    assert seen == [("before", [2]), ("view", [1]), ("after", [1]), ("teardown", [1])]


def test_what_the_view_asks_for_happens(bot: Bot) -> None:
    @bot.app.before_request
    def remember() -> None:
        g.before = request.host_mark = "kept"  # type: ignore[attr-defined]

    @bot.app.post("/webhook")
    @bot.linking.webhook
    def webhook() -> tuple[str, int, dict[str, str]]:
        session["seen"] = 1

        @after_this_request
        def mark(response: Any) -> Any:
            response.headers["X-After"] = "1"
            return response

        return f"{g.before} {request.host_mark}", 201, {"X-View": "1"}  # type: ignore[attr-defined]

    answer = post(bot)
    assert (answer.status_code, answer.text) == (201, "kept kept")
    assert (answer.headers["X-After"], answer.headers["X-View"]) == ("1", "1")
    assert "session=" in answer.headers["Set-Cookie"]


@pytest.mark.parametrize("secret", [APP_SECRET, OLD_SECRET])
@pytest.mark.parametrize("old_came", [True, False])
def test_the_rest_carries_each_signature_that_came_anew(new_bot: NewBot, secret: str, old_came: bool) -> None:
    bot = new_bot(APP_SECRET=[APP_SECRET, OLD_SECRET])
    seen = []

    @bot.app.post("/webhook")
    @bot.linking.webhook
    def webhook() -> str:
        seen.append((request.get_data(), dict(request.headers)))
        return "ok"

    more = {"X-Hub-Signature": old_signature(MIXED, secret)} if old_came else {}
    assert post(bot, secret, **more).status_code == 200
    ((body, headers),) = seen
    assert json.loads(body) == REST
    assert headers["X-Hub-Signature-256"] == signature(body, secret)
    assert headers.get("X-Hub-Signature") == (old_signature(body, secret) if old_came else None)
    assert headers["Content-Length"] == str(len(body))


def test_every_way_to_read_the_body_gives_the_rest_even_if_a_hook_has_read_it_before(bot: Bot) -> None:
    bot.app.request_class = HostRequest

    @bot.app.before_request
    def read_all() -> None:
        assert len(request.get_json()["entry"][0]["messaging"]) == 2
        assert request.data == request.get_data() == MIXED
        assert not request.form
        assert not request.files

    seen: dict[str, Any] = {}

    @bot.app.post("/webhook")
    @bot.linking.webhook
    def webhook() -> str:
        seen.update(json=request.get_json(), data=request.get_data(), words=request.words)  # type: ignore[attr-defined]
        seen.update(text=request.get_data(as_text=True), attribute=request.data, form=dict(request.form))
        seen.update(cached=request.json, length=request.content_length)
        return "ok"

    assert post(bot).status_code == 200
    assert seen["json"] == seen["cached"] == json.loads(seen["data"]) == json.loads(seen["text"]) == REST
    assert seen["attribute"] == seen["data"]
    assert (seen["words"], seen["form"], seen["length"]) == (["hello"], {}, len(seen["data"]))


def test_a_stream_gives_the_rest_too(bot: Bot) -> None:
    read = []

    @bot.app.post("/webhook")
    @bot.linking.webhook
    def webhook() -> str:
        read.append(request.stream.read())
        return "ok"

    assert post(bot).status_code == 200
    assert json.loads(read[0]) == REST


def test_a_chunked_batch_is_handed_on_as_one_of_known_length(bot: Bot) -> None:
    seen = []

    @bot.app.post("/webhook")
    @bot.linking.webhook
    def webhook() -> str:
        seen.append((request.get_json(), "Transfer-Encoding" in request.headers))
        return "ok"

    headers = {"Transfer-Encoding": "chunked", "X-Hub-Signature-256": signature(MIXED)}
    answer = bot.client().post(
        "/webhook", input_stream=BytesIO(MIXED), content_type="application/json", headers=headers,
        environ_overrides={"wsgi.input_terminated": True},
    )  # fmt: skip
    assert answer.status_code == 200
    assert seen == [(REST, False)]


def test_a_view_that_is_async_gets_the_rest(bot: Bot) -> None:
    seen = []

    @bot.app.post("/webhook")
    @bot.linking.webhook
    async def webhook() -> str:
        seen.append(request.get_json())
        return "ok"

    with ThreadPoolExecutor(1) as server:  # this thread may have an event loop: the browser tests leave one
        assert server.submit(post, bot).result().text == "ok"
    assert seen == [REST]


def test_a_view_that_fails_is_seen_by_the_hosts_error_handler_with_the_rest(bot: Bot) -> None:
    seen = []

    @bot.app.errorhandler(ZeroDivisionError)
    def handle(error: Exception) -> tuple[str, int]:
        seen.append(request.get_json())
        return "handled", 500

    @bot.app.post("/webhook")
    @bot.linking.webhook
    def webhook() -> str:
        return str(1 / 0)

    assert post(bot).text == "handled"
    assert seen == [REST]


READERS = {
    "stream": lambda: request.stream.read(),
    "uncached": lambda: request.get_data(cache=False),
    "WSGI": lambda: request.environ["wsgi.input"].read(),
    "another request": lambda: Request(request.environ).get_data(),
}


@pytest.mark.parametrize("reader", READERS.values(), ids=list(READERS))
@pytest.mark.parametrize("body", [batch(MESSAGE), MIXED], ids=["the bot's alone", "mixed"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_view_may_read_the_body_by_any_means(bot: Bot, reader: Any, body: bytes, chunked: bool) -> None:
    @bot.app.post("/webhook")
    @bot.linking.webhook
    def webhook() -> Any:
        return reader()

    more: dict[str, Any] = {
        "headers": {"X-Hub-Signature-256": signature(body)},
        "input_stream": BytesIO(body),
    }
    if chunked:
        more["headers"]["Transfer-Encoding"] = "chunked"
        more["environ_overrides"] = {"wsgi.input_terminated": True}
    else:
        more["environ_overrides"] = {"CONTENT_LENGTH": str(len(body))}
    assert json.loads(bot.client().post("/webhook", **more).data) == REST
