"""The client: codes become typed errors, tries are safe, and the key is never shown."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from bot_linking.account_link_api import (
    AccountLinkError,
    AccountNotFound,
    CallNotAccepted,
    Client,
    IdentifierInvalid,
    KeyNotValid,
    MethodUnknown,
    NoAnswer,
    RecipientInvalid,
    RecipientMissing,
    ServiceUnavailable,
    StatusInvalid,
    TooManyRequests,
)
from bot_linking.testing import BotServer
from tests.messenger.wire import Wire, always
from tests.wire import PSID

from .calls import MakeCaller

KEY = "bl_canary-key-0123456789"


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the client would have waited."""
    waited: list[float] = []
    monkeypatch.setattr("bot_linking.account_link_api.client.time.sleep", waited.append)
    return waited


class Script:
    """Gives these answers one after another, and the last one from then on."""

    def __init__(self, server: HTTPServer) -> None:
        self.answers: list[Response] = []
        self.requests: list[Request] = []
        self.url = server.url_for("/linking/api")
        server.expect_request("/linking/api", method="POST").respond_with_handler(self._answer)

    def _answer(self, request: Request) -> Response:
        self.requests.append(request)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def script(httpserver: HTTPServer) -> Script:
    return Script(httpserver)


def ok() -> Response:
    return Response(json.dumps({"request_id": "r", "result": True, "error_code": 0, "error_message": ""}))


def failure(status: int, code: int, **headers: str) -> Response:
    said = {"request_id": "r", "result": False, "error_code": code, "error_message": "no"}
    return Response(json.dumps(said), status, headers)


def test_a_link_and_an_unlink_arrive_at_a_running_bot(new_caller: MakeCaller, bot_server: BotServer) -> None:
    caller = new_caller()
    bot_server.serve(caller.bot.app)
    client = Client(bot_server.url + "/linking", caller.key)
    assert client.link(PSID, email="mike@example.com", request_id="F4js0Za2", meta="m") == "F4js0Za2"
    client.link(PSID, phone_number="18900001111")
    link = caller.bot.linking.link_of(PSID)
    assert link is not None
    assert (link.email, link.phone_number) == ("mike@example.com", "18900001111")
    client.unlink(PSID)
    assert caller.bot.linking.link_of(PSID) is None
    with pytest.raises(RecipientInvalid):
        client.link("me", email="mike@example.com")
    with pytest.raises(IdentifierInvalid):
        client.link(PSID)
    with pytest.raises(KeyNotValid):
        Client(bot_server.url + "/linking/api", "bl_other").unlink(PSID)


def test_a_call_is_the_published_one(script: Script) -> None:
    script.answers = [ok()]
    Client(script.url, KEY).link(PSID, username="u", email="e", phone_number="1", request_id="r", meta="m")
    (request,) = script.requests
    body = json.loads(request.data)
    assert request.headers["APIKEY"] == KEY
    assert int(body.pop("timestamp")) > 1_700_000_000
    assert body == {
        "request": {"method": "account_link", "id": "r", "meta": "m"},
        "recipient": {"id": PSID},
        "account_linking": {"status": "linked", "username": "u", "email": "e", "phone_number": "1"},
    }


def test_each_call_has_an_id_of_its_own_unless_it_was_given_one(script: Script) -> None:
    script.answers = [ok()]
    client = Client(script.url, KEY)
    ids = {client.unlink(PSID), client.unlink(PSID)}
    assert ids == {json.loads(request.data)["request"]["id"] for request in script.requests}
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (401, 10005, KeyNotValid), (400, 10000, MethodUnknown), (400, 13000, RecipientMissing),
        (400, 13002, RecipientInvalid), (400, 13003, StatusInvalid), (400, 13001, IdentifierInvalid),
        (404, 404, AccountNotFound), (413, 413, CallNotAccepted), (415, 415, CallNotAccepted),
        (400, 99999, CallNotAccepted),
    ],
)  # fmt: skip
def test_each_code_is_an_error_of_its_own_and_not_tried_again(
    script: Script, status: int, code: int, error: type[AccountLinkError]
) -> None:
    script.answers = [failure(status, code)]
    with pytest.raises(error) as caught:
        Client(script.url, KEY).unlink(PSID)
    assert (caught.value.code, caught.value.status, caught.value.request_id) == (code, status, "r")
    assert len(script.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_bot_that_is_busy_is_asked_again(script: Script, status: int) -> None:
    script.answers = [failure(status, status), Response("<html>", status), ok()]
    Client(script.url, KEY).unlink(PSID)
    assert len(script.requests) == 3
    assert len({json.loads(request.data)["request"]["id"] for request in script.requests}) == 1


@pytest.mark.parametrize(("status", "error"), [(429, TooManyRequests), (503, ServiceUnavailable)])
def test_a_bot_that_stays_busy_is_an_error_after_the_last_try(
    script: Script, status: int, error: type[AccountLinkError]
) -> None:
    script.answers = [failure(status, status)]
    with pytest.raises(error):
        Client(script.url, KEY, tries=3).unlink(PSID)
    assert len(script.requests) == 3


def test_nobody_is_asked_sooner_than_they_wish(script: Script, waits: list[float]) -> None:
    script.answers = [failure(503, 503, **{"Retry-After": "7"}), ok()]
    Client(script.url, KEY).unlink(PSID)
    assert waits == [7.0]


def test_a_wish_beyond_ten_seconds_is_left_to_the_caller(script: Script, waits: list[float]) -> None:
    script.answers = [failure(429, 429, **{"Retry-After": "11"})]
    with pytest.raises(TooManyRequests):
        Client(script.url, KEY).unlink(PSID)
    assert (len(script.requests), waits) == (1, [])


def test_waits_grow(script: Script, waits: list[float]) -> None:
    script.answers = [failure(500, 500)]
    with pytest.raises(ServiceUnavailable):
        Client(script.url, KEY).unlink(PSID)
    assert len(waits) == 3
    assert all(0.125 * 2**at <= wait <= 0.25 * 2**at for at, wait in enumerate(waits))


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire(always(b""))
    yield wire
    wire.close()


def test_silence_ends_by_the_time_out_and_is_tried_again(wire: Wire) -> None:
    wire.answer = lambda wire, _: wire.stall()
    started = time.monotonic()
    with pytest.raises(NoAnswer) as caught:
        Client(wire.url, KEY, timeout=(1, 0.1), tries=2).unlink(PSID)
    assert time.monotonic() - started < 15  # and not for ever
    assert wire.count_connections() == 2
    assert (caught.value.code, caught.value.status) == (None, None)


@pytest.mark.parametrize("is_closed", [True, False], ids=["closed", "stalled"])
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b'{"result": true',
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{",
        b"HTTP/1.1 503 Away\r\nContent-Length: 9\r\n\r\n",
    ],
    ids=["cut", "chunk", "empty"],
)
def test_an_answer_that_ends_too_soon_counts_as_none_and_the_call_is_tried_again(
    wire: Wire, answer: bytes, is_closed: bool
) -> None:
    def send(_: Wire, connection: socket.socket) -> None:
        connection.sendall(answer)
        if is_closed:
            connection.shutdown(socket.SHUT_WR)

    wire.answer = send
    with pytest.raises(NoAnswer) as caught:
        Client(wire.url, KEY, timeout=(5, 0.2), tries=2).unlink(PSID)
    assert wire.count_connections() == 2
    assert "canary" not in f"{caught.value} {caught.value!r} {caught.value.__cause__}"


def test_an_answer_in_another_encoding_than_it_says_is_no_success(script: Script) -> None:
    script.answers = [Response(b"hello", headers={"Content-Encoding": "gzip"})]
    with pytest.raises(CallNotAccepted):
        Client(script.url, KEY).unlink(PSID)


def test_a_bot_that_is_not_there_is_an_error_without_the_key() -> None:
    with pytest.raises(NoAnswer) as caught:
        Client("http://127.0.0.1:9/linking", KEY, tries=2).unlink(PSID)
    shown = f"{caught.value} {caught.value!r} {caught.value.__cause__}"
    assert "canary" not in shown


def test_a_redirect_is_not_followed_so_the_key_stays_where_it_was_sent(script: Script) -> None:
    script.answers = [Response("", 302, {"Location": "http://127.0.0.1:9/"})]
    with pytest.raises(CallNotAccepted):
        Client(script.url, KEY).unlink(PSID)


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"result": 1}', "[" * 5000, "<html>hello</html>"])
def test_200_from_something_else_is_no_success(script: Script, body: str) -> None:
    script.answers = [Response(body)]
    with pytest.raises(CallNotAccepted):
        Client(script.url, KEY).unlink(PSID)


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("https://bot.example.com/linking/api", "https://bot.example.com/linking/api"),
        ("https://bot.example.com/linking/api/", "https://bot.example.com/linking/api"),
        ("https://bot.example.com/linking/API/", "https://bot.example.com/linking/API"),
        ("https://bot.example.com/linking", "https://bot.example.com/linking/api"),
        ("https://bot.example.com", "https://bot.example.com/api"),
        ("http://127.0.0.1:5000/linking/", "http://127.0.0.1:5000/linking/api"),
    ],
)
def test_the_address_is_the_endpoint_or_the_prefix(url: str, endpoint: str) -> None:
    assert Client(url, KEY).url == endpoint


@pytest.mark.parametrize(
    "url", ["http://bot.example.com/linking", "ftp://x/api", "bot.example.com", "https://", "https://u:p@x/api",
            "https://x/api?key=1", "https://x/api#f", ""],
)  # fmt: skip
def test_an_address_over_which_no_key_should_travel_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="url"):
        Client(url, KEY)


@pytest.mark.parametrize("key", ["bl_\n", "bl_é", "bl_\r\nX: y"])
def test_a_key_that_would_break_the_header_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(ValueError, match="key") as caught:
        Client("https://bot.example.com/linking", key)
    assert key not in str(caught.value)


def test_a_client_does_not_show_its_key() -> None:
    assert KEY not in repr(Client("https://bot.example.com/linking", KEY))
