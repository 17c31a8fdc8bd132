"""Graph calls end in time, show no secret, and fail as `GraphError` only."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
import logging
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from bot_linking.doors.redaction import guard_logs
from bot_linking.messenger import graph as graph_module
from bot_linking.messenger.graph import Graph, GraphError, Recipient
from tests.graph import ScriptedGraph
from tests.messenger.wire import Answer, Wire, always, reply
from tests.ports import free_port
from tests.wire import APP_SECRET, PAGE, PAGE_TOKEN, PSID, TOKEN

PROOF = hmac.new(APP_SECRET.encode(), PAGE_TOKEN.encode(), hashlib.sha256).hexdigest()
Serve = Callable[[Answer], Wire]


def graph_at(url: str) -> Graph:
    return Graph(PAGE_TOKEN, APP_SECRET, url=url, version="v26.0")


@pytest.fixture
def serve() -> Iterator[Serve]:
    wires: list[Wire] = []

    def start(answer: Answer) -> Wire:
        wires.append(Wire(answer))
        return wires[-1]

    yield start
    for wire in wires:
        wire.close()


@pytest.fixture
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same time-outs, twenty times shorter."""
    monkeypatch.setattr(graph_module, "CONNECT_TIMEOUT_S", 0.3)
    monkeypatch.setattr(graph_module, "READ_TIMEOUT_S", 0.25)
    monkeypatch.setattr(graph_module, "TOTAL_TIMEOUT_S", 0.5)


def failure_of(call: Callable[[], object]) -> GraphError:
    """The error of this call, which must hold no secret in its text, repr, traceback or arguments."""
    with pytest.raises(GraphError) as caught:
        call()
    problem = caught.value
    told = "".join(traceback.format_exception(problem, chain=True)) + repr(problem) + repr(problem.__dict__)
    for secret in (PAGE_TOKEN, APP_SECRET, PROOF, TOKEN):
        assert secret not in told
    return problem


# What is asked


def test_the_token_travels_in_a_header_and_never_in_the_address(scripted: ScriptedGraph) -> None:
    graph_at(scripted.url).send({"recipient": {"id": PSID}, "message": {"text": "hello"}})
    (call,) = scripted.calls
    assert call.headers["Authorization"] == f"Bearer {PAGE_TOKEN}"
    assert PAGE_TOKEN not in json.dumps([call.path, call.query, call.body])


def test_every_call_carries_an_appsecret_proof_in_its_query(scripted: ScriptedGraph) -> None:
    graph = graph_at(scripted.url)
    graph.owner_of(TOKEN)
    graph.profile_name(PSID)
    graph.unlink(PSID)
    graph.send({"recipient": {"id": PSID}, "message": {"text": "hello"}})
    graph.page_id()
    assert [call.query["appsecret_proof"] for call in scripted.calls] == [PROOF] * 5


def test_the_owner_of_a_linking_token_is_asked_with_get_as_documented(scripted: ScriptedGraph) -> None:
    assert graph_at(scripted.url).owner_of(TOKEN) == Recipient(PAGE, PSID)
    (call,) = scripted.calls
    assert (call.method, call.path) == ("GET", "me")
    assert call.query == {"fields": "recipient", "account_linking_token": TOKEN, "appsecret_proof": PROOF}


def test_a_linking_token_with_parameters_in_it_stays_one_value(scripted: ScriptedGraph) -> None:
    tricky = "X&access_token=evil&fields=id#?=%26 +\u00e9"
    scripted.owners[tricky] = PSID
    assert graph_at(scripted.url).owner_of(tricky).psid == PSID
    assert scripted.calls[0].query["account_linking_token"] == tricky
    assert "access_token" not in scripted.calls[0].query


def test_unlinking_posts_the_psid_as_documented(scripted: ScriptedGraph) -> None:
    graph_at(scripted.url).unlink(PSID)
    (call,) = scripted.calls
    assert (call.method, call.path, call.body) == ("POST", "me/unlink_accounts", {"psid": PSID})


@pytest.mark.parametrize(
    ("given", "sent"), [({}, "RESPONSE"), ({"messaging_type": "UPDATE"}, "UPDATE")], ids=["usual", "own"]
)
def test_a_message_has_a_messaging_type(scripted: ScriptedGraph, given: dict[str, str], sent: str) -> None:
    graph_at(scripted.url).send({"recipient": {"id": PSID}, "message": {"text": "x"}, **given})
    assert scripted.sent[0]["messaging_type"] == sent


def test_a_netrc_does_not_take_the_tokens_place(
    scripted: ScriptedGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login eve password eve\nmachine localhost login eve password eve\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    graph_at(scripted.url).page_id()
    assert scripted.calls[0].headers["Authorization"] == f"Bearer {PAGE_TOKEN}"


def test_calls_go_through_the_environments_proxy_which_is_read_once(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve(always(reply(b'{"id":"1"}')))
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    graph = graph_at("http://graph.example")
    assert graph.page_id() == "1"
    monkeypatch.delenv("HTTP_PROXY")
    assert graph.page_id() == "1"
    assert [request.partition(b"?")[0] for request in proxy.requests] == [
        b"GET http://graph.example/v26.0/me"
    ] * 2


def test_a_proxy_that_the_environment_gets_later_is_not_looked_for(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    proxy, server = serve(always(reply(b"{}"))), serve(always(reply(b'{"id":"1"}')))
    graph = graph_at(server.url)
    assert graph.page_id() == "1"
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    assert graph.page_id() == "1"
    assert (len(proxy.requests), len(server.requests)) == (0, 2)


def test_an_exception_of_the_environments_proxy_is_kept_to(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, graph = serve(always(reply(b"{}"))), serve(always(reply(b'{"id":"1"}')))
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert graph_at(graph.url).page_id() == "1"
    assert (len(proxy.requests), len(graph.requests)) == (0, 1)


# Connections


def test_five_calls_take_one_connection(serve: Serve) -> None:
    wire = serve(always(reply(b'{"id":"1"}')))
    graph = graph_at(wire.url)
    for _ in range(5):
        graph.page_id()
    assert (len(wire.requests), wire.count_connections()) == (5, 1)


def test_a_refusal_does_not_cost_the_connection(serve: Serve) -> None:
    wire = serve(always(reply(b'{"error":{"code":100}}', "400 Bad Request")))
    graph = graph_at(wire.url)
    for _ in range(3):
        failure_of(graph.page_id)
    assert wire.count_connections() == 1


FORKING = """
import os, sys
from bot_linking.messenger.graph import Graph
graph = Graph("token-of-the-tests", "secret-of-the-tests", url=sys.argv[1], version="v26.0")
graph.page_id(); graph.page_id()
child = os.fork()
if child == 0:
    graph.page_id(); graph.page_id()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
graph.page_id()
"""


def test_a_forked_child_opens_its_own_connection_and_the_parent_keeps_its(serve: Serve) -> None:
    wire = serve(always(reply(b'{"id":"1"}')))
    subprocess.run([sys.executable, "-c", FORKING, wire.url], check=True, timeout=30)
    assert (len(wire.requests), wire.count_connections()) == (5, 2)


def test_a_redirect_is_not_followed_and_the_token_stays(serve: Serve, httpserver: HTTPServer) -> None:
    elsewhere: list[Request] = []
    httpserver.expect_request("/v26.0/me").respond_with_handler(
        lambda request: elsewhere.append(request) or Response("{}")  # type: ignore[func-returns-value]
    )
    for status in ("301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"):
        wire = serve(always(reply(b"", status, Location=httpserver.url_for("/v26.0/me"))))
        problem = failure_of(graph_at(wire.url).page_id)
        assert problem.status == int(status[:3])
    assert not elsewhere


# Time

LATE_S = 30  # the slowest machine leaves such a call earlier; a Graph that is silent ends later


@pytest.mark.usefixtures("_hurry")
def test_a_graph_that_never_answers_is_left_in_time(serve: Serve) -> None:
    wire = serve(lambda wire, _: wire.stall())
    began = time.monotonic()
    problem = failure_of(lambda: graph_at(wire.url).owner_of(TOKEN))
    assert time.monotonic() - began < LATE_S
    assert problem.transient
    assert problem.status is None
    assert wire.count_connections() == 1  # not repeated: it may have arrived


@pytest.mark.usefixtures("_hurry")
def test_a_graph_that_stops_in_the_middle_of_its_answer_is_left_in_time(serve: Serve) -> None:
    def half(wire: Wire, connection: socket.socket) -> None:
        connection.sendall(reply(b'{"id":', Content_Length="1000"))
        wire.stall()

    began = time.monotonic()
    problem = failure_of(serve_and_ask(serve, half))
    assert time.monotonic() - began < LATE_S
    assert problem.transient


@pytest.mark.usefixtures("_hurry")
def test_a_graph_that_drips_is_left_when_the_calls_whole_time_is_up(serve: Serve) -> None:
    def drip(wire: Wire, connection: socket.socket) -> None:
        connection.sendall(reply(b"", Content_Length="1000000"))
        while not wire.closing.wait(0.03):
            connection.sendall(b" ")

    began = time.monotonic()
    problem = failure_of(serve_and_ask(serve, drip))
    assert time.monotonic() - began < LATE_S
    assert problem.transient


def serve_and_ask(serve: Serve, answer: Answer) -> Callable[[], object]:
    wire = serve(answer)
    return lambda: graph_at(wire.url).owner_of(TOKEN)


def test_time_outs_are_seconds() -> None:
    assert graph_module.CONNECT_TIMEOUT_S == 3
    assert graph_module.READ_TIMEOUT_S == 5
    assert graph_module.TOTAL_TIMEOUT_S == 10


# Broken answers


def test_a_refused_connection_is_told_without_the_address(caplog: pytest.LogCaptureFixture) -> None:
    guard_logs()
    caplog.set_level(logging.DEBUG)
    problem = failure_of(lambda: graph_at(f"http://127.0.0.1:{free_port()}").owner_of(TOKEN))
    assert str(problem) == "Graph did not answer: ConnectionError"
    assert problem.transient
    for secret in (PAGE_TOKEN, APP_SECRET, PROOF, TOKEN):
        assert secret not in caplog.text


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"\x16\x03\x01 this is no HTTP\r\n\r\n", reply(b'{"id":"1"}', Content_Length="1000"),
        reply(b"not gzip at all", Content_Encoding="gzip"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"id\"",
    ],
    ids=["nothing", "no HTTP", "cut off", "bad gzip", "bad chunk", "cut off chunk"],
)  # fmt: skip
def test_a_broken_answer_is_a_graph_error_worth_another_try(serve: Serve, answer: bytes) -> None:
    def send_and_hang_up(_wire: Wire, connection: socket.socket) -> None:
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_RDWR)

    assert failure_of(serve_and_ask(serve, send_and_hang_up)).transient


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'"x"', b"null", b"\xff", b"[" * 100_000, b'{"id":' + b"9" * 5000 + b"}"],
    ids=lambda body: str(body[:12]),
)  # fmt: skip
def test_an_answer_that_is_no_json_object_is_a_graph_error(serve: Serve, body: bytes) -> None:
    assert failure_of(serve_and_ask(serve, always(reply(body)))).status == 200


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip bomb"])
def test_an_answer_over_a_mebibyte_is_not_read_to_its_end(serve: Serve, packed: bool) -> None:
    body = b'{"id":"1","x":"' + b"A" * (8 << 20) + b'"}'
    answer = reply(gzip.compress(body), Content_Encoding="gzip") if packed else reply(body)
    failure_of(serve_and_ask(serve, always(answer)))


def test_an_answer_just_under_a_mebibyte_is_read(serve: Serve) -> None:
    body = json.dumps({"id": "1", "x": "A" * ((1 << 20) - 100)}).encode()
    assert graph_at(serve(always(reply(body))).url).page_id() == "1"


@pytest.mark.parametrize(
    "answer", [{}, {"id": PAGE}, {"recipient": PSID}, {"id": PAGE, "recipient": {"id": "1"}}]
)
def test_an_answer_that_names_nobody_is_an_error_and_not_a_person(
    serve: Serve, answer: dict[str, Any]
) -> None:
    failure_of(serve_and_ask(serve, always(reply(json.dumps(answer).encode()))))


def test_numeric_ids_in_an_answer_are_taken_as_text(serve: Serve) -> None:
    wire = serve(always(reply(f'{{"id":{PAGE},"recipient":{PSID}}}'.encode())))
    assert graph_at(wire.url).owner_of(TOKEN) == Recipient(PAGE, PSID)


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ({"first_name": "Ada", "last_name": "L."}, "Ada L."), ({"first_name": "Ada"}, "Ada"), ({}, None),
        ({"first_name": "", "last_name": None}, None), ({"first_name": 7, "last_name": "L."}, "L."),
    ],
)  # fmt: skip
def test_a_profile_name_is_what_the_page_may_know(
    serve: Serve, answer: dict[str, Any], name: str | None
) -> None:
    wire = serve(always(reply(json.dumps(answer).encode())))
    assert graph_at(wire.url).profile_name(PSID) == name


# Errors


@pytest.mark.parametrize(
    ("status", "code", "subcode", "transient", "advice"),
    [
        (500, 1, None, False, "later"),
        (400, 613, 1996, False, "later"),
        (400, 10, 2018278, False, "window"),
        (400, 10, None, False, "page"),
        (400, 100, None, False, "never"),
        (401, 190, 463, False, "page"),
        (400, 999, None, True, "later"),
        (400, 551, 1545041, True, "never"),
        (404, None, None, False, "later"),
    ],
)
def test_an_answers_numbers_say_whether_to_try_again(
    serve: Serve, status: int, code: int | None, subcode: int | None, transient: bool, advice: str
) -> None:
    error = {"message": "m", "code": code, "error_subcode": subcode, "is_transient": transient}
    wire = serve(always(reply(json.dumps({"error": error}).encode(), f"{status} X")))
    problem = failure_of(graph_at(wire.url).page_id)
    assert (problem.status, problem.code, problem.subcode) == (status, code, subcode)
    assert problem.advice == advice
    assert problem.transient is (advice == "later")


@pytest.mark.parametrize(
    ("status", "content"),
    [
        ("302 Found", b""),
        ("200 OK", b"<html>Please sign in to this network</html>"),
        ("200 OK", b'["no", "object"]'),
        ("403 Forbidden", b"<html>blocked by a firewall</html>"),
        ("403 Forbidden", b'{"error": "blocked"}'),
        ("404 Not Found", b'{"error": {"message": "no such host"}}'),
        ("407 Proxy Authentication Required", b""),
        ("400 Bad Request", b'{"error": {"code": "100"}}'),
    ],
)
def test_what_something_in_between_says_is_tried_again(serve: Serve, status: str, content: bytes) -> None:
    wire = serve(always(reply(content, status)))
    problem = failure_of(graph_at(wire.url).page_id)
    assert (problem.about, problem.advice, problem.code) == ("stranger", "later", None)


@pytest.mark.parametrize(
    ("status", "code", "whole"),
    [
        (400, 613, True),
        (400, 4, True),
        (401, 190, True),
        (429, None, True),
        (400, 551, False),
        (503, 2, False),
    ],
)
def test_what_would_fail_for_everybody_makes_the_whole_page_wait(
    serve: Serve, status: int, code: int | None, whole: bool
) -> None:
    wire = serve(always(reply(json.dumps({"error": {"code": code}}).encode(), f"{status} X")))
    assert failure_of(graph_at(wire.url).page_id).whole_page is whole


USAGE = (
    '{"1":[{"type":"messenger","estimated_time_to_regain_access":0},{"estimated_time_to_regain_access":7}]}'
)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "30"}, 30.0),
        ({"Retry-After": "999999999999"}, 86_400.0),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"Retry-After": "1.5"}, None),
        ({"X-Business-Use-Case-Usage": USAGE}, 420.0),
        ({"X-Business-Use-Case-Usage": "{}"}, None),
        ({"X-Business-Use-Case-Usage": '{"1":{"call_count":1}}'}, None),
        ({"X-Business-Use-Case-Usage": '{"1":[{"estimated_time_to_regain_access":0}]}'}, None),
        ({"X-Business-Use-Case-Usage": '{"1":[{"estimated_time_to_regain_access":"soon"}]}'}, None),
        ({"X-Business-Use-Case-Usage": '{"1":[{"estimated_time_to_regain_access":1e400}]}'}, 86_400.0),
        (
            {"X-Business-Use-Case-Usage": '{"1":[{"estimated_time_to_regain_access":99999999999999}]}'},
            86_400.0,
        ),
        (
            {"X-Business-Use-Case-Usage": f'{{"1":[{{"estimated_time_to_regain_access":1{"0" * 400}}}]}}'},
            None,
        ),
        ({"X-Business-Use-Case-Usage": "not JSON"}, None),
        ({"X-Business-Use-Case-Usage": "[]"}, None),
        ({"Retry-After": "30", "X-Business-Use-Case-Usage": USAGE}, 30.0),
        ({}, None),
    ],
    ids=str,
)
def test_the_wait_that_graph_asks_for_is_taken_in_seconds(
    serve: Serve, headers: dict[str, str], seconds: float | None
) -> None:
    wire = serve(always(reply(b'{"error":{"code":613}}', "400 X", **headers)))
    assert failure_of(graph_at(wire.url).page_id).retry_after == seconds


@pytest.mark.parametrize(
    "error", [None, [], "x", {}, {"code": "7"}, {"code": True}, {"message": None}], ids=repr
)
def test_an_error_of_an_odd_shape_is_still_a_graph_error(serve: Serve, error: object) -> None:
    wire = serve(always(reply(json.dumps({"error": error}).encode(), "400 X")))
    assert failure_of(graph_at(wire.url).page_id).code is None


def test_the_errors_text_has_graphs_words_and_trace_but_no_token(serve: Serve) -> None:
    said = f"Bad token {PAGE_TOKEN} and {PROOF} " + "xxx " * 120
    error = {"message": said, "code": 100, "error_subcode": 33, "fbtrace_id": "AbC123"}
    wire = serve(always(reply(json.dumps({"error": error}).encode(), "400 X")))
    text = str(failure_of(graph_at(wire.url).page_id))
    assert text.startswith("Graph answered 400, code 100, subcode 33: Bad token *** and *** xxx")
    assert text.endswith("(fbtrace_id AbC123)")
    assert len(text) < 400


def test_a_graph_shows_its_address_and_no_secret() -> None:
    assert repr(graph_at("https://graph.facebook.com/")) == "Graph('https://graph.facebook.com/v26.0')"


@pytest.mark.parametrize(
    "token", ["EAA\r-spoilt", "EAAŁ-spoilt", "EAA\udcff-spoilt", "EAA -spoilt"], ids=ascii
)
def test_a_token_that_no_header_can_hold_is_a_graph_error_without_a_call(serve: Serve, token: str) -> None:
    wire = serve(always(reply(b"{}")))
    told: list[GraphError] = []
    graph = Graph(token, APP_SECRET, url=wire.url, version="v26.0", on_error=told.append)
    as_app = graph_at(wire.url).as_app("1", f"{token}-secret")
    for each in (graph, as_app):
        with pytest.raises(GraphError, match="cannot be sent") as failed:
            each.page_id()
        shown = "".join(traceback.format_exception(failed.value))
        assert "spoilt" not in shown
        assert failed.value.cause == "token"
    assert len(told) == 1
    assert wire.requests == []


def test_the_request_line_holds_nothing_but_the_proof(serve: Serve) -> None:
    wire = serve(always(reply(b'{"id":"1"}')))
    graph_at(wire.url).page_id()
    target = wire.requests[0].split(b" ")[1].decode()
    assert urlsplit(target).path == "/v26.0/me"
    assert parse_qs(urlsplit(target).query) == {"fields": ["id"], "appsecret_proof": [PROOF]}
