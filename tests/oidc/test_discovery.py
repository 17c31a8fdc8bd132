"""The addresses and keys of a provider that does not answer."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from threading import Barrier
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from bot_linking.oidc import calls, discovery
from bot_linking.oidc.calls import ask
from bot_linking.oidc.discovery import Discovery
from bot_linking.oidc.errors import ProviderAway
from tests.messenger.wire import Wire

from .provider import Provider

SILENT_S = 0.2
AT_ONCE = 8


def test_keys_that_could_not_be_read_are_read_by_the_next_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_once(method: str, url: str, **given: Any) -> tuple[int, dict[str, Any]]:
        if url.endswith("/jwks"):
            monkeypatch.setattr(discovery, "ask", ask)
            raise ProviderAway("no answer")
        return ask(method, url, **given)

    with HTTPServer() as server:
        keys = Discovery(Provider(server).issuer).keys
        monkeypatch.setattr(discovery, "ask", fail_once)
        with pytest.raises(ProviderAway):
            keys("k1")
        assert len(keys("k1")) == 1


def test_requests_at_the_same_time_wait_for_a_silent_provider_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, together = list[str](), Barrier(AT_ONCE)

    def stay_silent(method: str, url: str, **given: Any) -> tuple[int, dict[str, Any]]:
        asked.append(url)
        time.sleep(SILENT_S)
        raise ProviderAway("no answer")

    monkeypatch.setattr(discovery, "ask", stay_silent)
    away = Discovery("https://id.example.com", now=lambda: 0.0)

    def ask_it(_: int) -> None:
        together.wait(60)
        with suppress(ProviderAway):
            away.metadata()

    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(ask_it, range(AT_ONCE)))
    assert len(asked) == 1


def test_what_was_read_before_stands_in_for_a_provider_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, now = list[str](), [0.0]

    def be_away(method: str, url: str, **given: Any) -> tuple[int, dict[str, Any]]:
        asked.append(url)
        raise ProviderAway("no answer")

    with HTTPServer() as server:
        known = Discovery(Provider(server).issuer, now=lambda: now[0])
        before = known.metadata()
        monkeypatch.setattr(discovery, "ask", be_away)
        now[0] += discovery.KEPT_S + 1
        assert [known.metadata() for _ in range(3)] == [before] * 3
        assert len(asked) == 1
        now[0] += discovery.AGAIN_S + 1
        assert known.metadata() == before
        assert len(asked) == 2


def test_no_request_waits_long_for_another_one_that_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "LONGEST_WAIT_S", 0.01)
    away = Discovery("https://id.example.com")
    with away._lock, pytest.raises(ProviderAway, match="not answered yet"):
        away.metadata()


def test_an_answer_that_drips_is_left_when_its_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "LONGEST_S", 0.2)
    sent = list[bytes]()

    def drip(wire: Wire, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while len(sent) < 1000 and not wire.closing.wait(0.02):
            connection.sendall(b" ")
            sent.append(b" ")

    with closing(Wire(drip)) as wire, pytest.raises(ProviderAway, match="too slow"):
        ask("GET", wire.url)
    assert len(sent) < 1000


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
    ],
    ids=["cut", "not gzip"],
)
def test_an_answer_that_is_broken_is_no_answer(answer: bytes) -> None:
    def send(_: Wire, connection: socket.socket) -> None:
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)

    with closing(Wire(send)) as wire, pytest.raises(ProviderAway):
        ask("GET", wire.url)
