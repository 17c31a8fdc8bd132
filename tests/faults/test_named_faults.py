"""Faults from outside, and what the bot does during and after each."""

from __future__ import annotations

import os
import random
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import cast
from urllib.parse import quote, urlencode

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from bot_linking.account_link_api.keys import Keys
from bot_linking.core.errors import ConfigurationError
from bot_linking.stores import open_store
from bot_linking.stores.sqlite import threads
from bot_linking.stores.sqlite.engine import SQLiteEngine
from tests import postgres
from tests.bots import Bot, NewBot
from tests.stores.processes import SPAWN
from tests.waits import short_waits
from tests.wire import PSID, batch, linked_event, unlinked_event

from . import processes
from .__main__ import new_database
from .kills import PLACES
from .rounds import Pace, Round

LONG_S = 60.0  # as long as a very slow machine may need

# A database that another program holds


@pytest.mark.usefixtures("product_waits")
def test_every_door_says_503_in_time_while_the_file_is_locked_and_goes_on_afterwards(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Webhook, account_link call and sign-in alike; each comes again, so none is lost. The time limit is one
    that Messenger waits for; the test waits a tenth of it."""
    assert threads.BUSY_TIMEOUT_S < 4
    event = batch(linked_event(bot.browser().code(), at=bot.clock.ms))
    key = Keys(bot.linking.core).create("site")
    call = {
        "request": {"method": "account_link", "id": "r-1", "meta": ""},
        "recipient": {"id": "24680"},
        "account_linking": {"status": "linked", "username": "ada"},
    }
    browser = bot.browser()
    browser.open()
    doors: dict[str, Callable[[], int]] = {
        "webhook": lambda: bot.post(event).status_code,
        "call": lambda: bot.client().post("/linking/api", json=call, headers={"APIKEY": key}).status_code,
        "sign-in": lambda: (
            browser.client.post(
                "/linking/login",
                data={**browser.form("login").fields, "username": "ada", "password": "lovelace-1815"},
                base_url=browser.base_url,
            ).status_code
        ),
    }
    said = dict[str, int]()
    with (
        monkeypatch.context() as hasty,
        closing(sqlite3.connect(bot.database, isolation_level=None)) as other,
    ):
        short_waits("sqlite", hasty, threads.BUSY_TIMEOUT_S / 10)
        other.execute("begin exclusive")
        callers = [
            threading.Thread(target=_note_answer, args=(said, name, ask)) for name, ask in doors.items()
        ]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join(LONG_S)
        assert said == {"webhook": 503, "call": 503, "sign-in": 503}, "while the file was locked"
        other.execute("rollback")
    assert {name: ask() for name, ask in doors.items()} == {"webhook": 200, "call": 200, "sign-in": 303}
    assert len(list(bot.linking.store.list_links())) == 2


def _note_answer(said: dict[str, int], name: str, ask: Callable[[], int]) -> None:
    said[name] = ask()


def test_a_database_that_cannot_be_opened_stops_the_start_with_its_name(
    tmp_path: Path, new_bot: NewBot
) -> None:
    (tmp_path / "in-the-way").mkdir()
    with pytest.raises(ConfigurationError, match=r"BOT_LINKING_DATABASE .*in-the-way"):
        new_bot(DATABASE=f"sqlite:///{tmp_path}/in-the-way")


def test_a_database_that_may_only_be_read_loses_nothing(bot: Bot) -> None:
    """By SQLite's own answer for a read-only file or disk: the tests' user may write any file."""
    event = batch(linked_event(bot.browser().code(), at=bot.clock.ms))
    store = cast(SQLiteEngine, bot.linking.store.engine)
    connection = store._mine.handle.connection
    assert connection is not None
    connection.execute("pragma query_only = on")
    assert bot.post(event).status_code == 503
    assert bot.linking.link_of(PSID) is None
    store.close()
    assert bot.post(event).status_code == 200
    assert bot.linking.link_of(PSID) is not None


class Delayed:
    """A proxy to a PostgreSQL server that holds each answer back for a minute, or until `is_quick`."""

    def __init__(self, url: str) -> None:
        from psycopg.conninfo import conninfo_to_dict

        self.is_quick = threading.Event()
        self.is_quick.set()
        there = conninfo_to_dict(url)
        self._server = f"{there['host']}/.s.PGSQL.{there.get('port') or 5432}"
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        address = f"postgresql://{there['user']}@127.0.0.1:{port}/{there['dbname']}"
        self.url = f"{address}?{urlencode({'options': there['options']}, quote_via=quote)}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._server)
            for source, target, is_answer in ((caller, server, False), (server, caller, True)):
                threading.Thread(target=self._carry, args=(source, target, is_answer), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, is_answer: bool) -> None:
        with suppress(OSError):
            while received := source.recv(65536):
                if is_answer:
                    self.is_quick.wait(LONG_S)
                target.sendall(received)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        source.close()


@pytest.mark.usefixtures("product_waits")
def test_a_slow_postgresql_is_not_waited_for_and_nothing_is_lost(
    new_bot: NewBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a minute for each answer every request gets 503 within Messenger's five seconds, here sooner;
    afterwards all works again."""
    pytest.importorskip("psycopg", reason="PostgreSQL's driver is not installed")
    from bot_linking.stores.postgres import pool

    assert pool.PATIENCE_S < 5
    with postgres.empty_schema() as url, closing(Delayed(url)) as server:
        bot = new_bot(DATABASE=server.url)
        event = batch(linked_event(bot.browser().code(), at=bot.clock.ms))
        assert bot.post(batch(unlinked_event(psid="1", at=bot.clock.ms))).status_code == 200
        server.is_quick.clear()
        with monkeypatch.context() as hasty:
            hasty.setattr(pool, "PATIENCE_S", pool.PATIENCE_S / 5)
            for _ in range(3):
                began = time.monotonic()
                assert bot.post(event).status_code == 503
                assert time.monotonic() - began < LONG_S / 2
        server.is_quick.set()
        began = time.monotonic()
        while bot.post(event).status_code != 200:
            assert time.monotonic() - began < LONG_S
        assert bot.linking.link_of(PSID) is not None
        assert [change.what for change in bot.linking.history_of(PSID)] == ["linked"]
        assert bot.linking.delivery.drain() == 1


# A Graph in trouble


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_graph_that_is_down_holds_up_the_message_and_nothing_else(
    bot: Bot, httpserver: HTTPServer, status: int
) -> None:
    event = batch(linked_event(bot.browser().code(), at=bot.clock.ms))
    down, asked = threading.Event(), list[str]()
    down.set()

    def answer(request: Request) -> Response:
        asked.append(request.path)
        return Response("<html>gateway</html>", status) if down.is_set() else Response('{"message_id": "m"}')

    httpserver.clear()
    httpserver.expect_request("/v26.0/me/messages").respond_with_handler(answer)
    assert bot.post(event).status_code == 200
    assert asked == [], "the webhook waited for Graph, which may take ten seconds"
    assert bot.linking.delivery.drain() == 1
    assert bot.linking.link_of(PSID) is not None
    down.clear()
    bot.clock.advance(10)
    assert bot.linking.delivery.drain() == 1
    assert bot.linking.store.outbox_depth()["depth"] == 0


@pytest.mark.parametrize(("code", "asked_for"), [(4, None), (613, None), (613, "40"), (None, "40")])
def test_a_rate_limit_is_waited_for_as_long_as_it_says(
    bot: Bot, httpserver: HTTPServer, code: int | None, asked_for: str | None
) -> None:
    bot.link()
    limited, calls = threading.Event(), list[float]()
    limited.set()

    def answer(request: Request) -> Response:
        calls.append(bot.clock.seconds)
        if not limited.is_set():
            return Response('{"message_id": "m"}')
        body = "{}" if code is None else f'{{"error": {{"code": {code}, "message": "slow down"}}}}'
        given = {"Retry-After": asked_for} if asked_for else {}
        return Response(body, 429 if code is None else 400, given)

    httpserver.clear()
    httpserver.expect_request("/v26.0/me/messages").respond_with_handler(answer)
    bot.linking.delivery.drain()
    limited.clear()
    for _ in range(100):
        bot.clock.advance(1)
        bot.linking.delivery.drain()
    waited = calls[1] - calls[0]
    assert len(calls) == 2
    assert waited >= (40 if asked_for else 0.5)
    assert waited <= (42 if asked_for else 12)


@pytest.fixture
def hangs_up() -> Iterator[tuple[str, list[bytes]]]:
    """A Graph that takes one message and breaks the connection before it answers; afterwards it answers."""
    got = list[bytes]()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(LONG_S)

        def serve() -> None:
            for number in range(2):
                try:
                    caller, _ = listener.accept()
                except OSError:
                    return
                with caller:
                    caller.settimeout(LONG_S)
                    got.append(_whole_request(caller))
                    if number:
                        body = b'{"message_id": "m"}'
                        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
                        caller.sendall(head % len(body) + body)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", got
    thread.join(LONG_S)


def _whole_request(caller: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += caller.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next(int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length"))
    while len(body) < length:
        body += caller.recv(65536)
    return body


def test_a_message_whose_answer_was_lost_is_repeated_once_and_not_within_the_call(
    new_bot: NewBot, hangs_up: tuple[str, list[bytes]]
) -> None:
    url, got = hangs_up
    bot = new_bot(GRAPH_URL=url)
    key = Keys(bot.linking.core).create("site")
    call = {
        "request": {"method": "account_link", "id": "r-1", "meta": ""},
        "recipient": {"id": "24680"},
        "account_linking": {"status": "linked", "username": "ada"},
    }
    assert bot.client().post("/linking/api", json=call, headers={"APIKEY": key}).status_code == 200
    assert bot.linking.delivery.drain() == 1
    assert len(got) == 1
    bot.clock.advance(5)
    assert bot.linking.delivery.drain() == 1
    assert len(got) == 2
    assert got[0] == got[1]
    assert bot.linking.store.outbox_depth()["depth"] == 0


# Messenger in a storm


def test_ten_thousand_times_the_same_event_is_one_link_one_message_and_no_row_more(bot: Bot) -> None:
    event = linked_event(bot.browser().code(), at=bot.clock.ms)
    body = batch(event)
    assert bot.post(body).status_code == 200
    bot.linking.delivery.drain()
    rows, took = bot.rows(), list[float]()
    for _ in range(1000):
        began = time.thread_time()  # of this thread alone, however busy the machine is
        assert bot.post(body).status_code == 200
        took.append(time.thread_time() - began)
    for _ in range(9):
        assert bot.post(batch(*[event] * 1000)).status_code == 200
    bot.linking.delivery.drain()
    assert bot.rows() == rows
    assert len(bot.graph.sent) == 1
    assert sorted(took)[990] < 1


def test_batches_that_overlap_have_the_effect_of_their_events_once(bot: Bot) -> None:
    """The events of one batch come again among others, in another order, while the other batch is on its
    way."""
    rng, now = random.Random(23), bot.clock.ms
    bot.link()
    events = [linked_event(bot.browser().code(), at=now + 10), unlinked_event(at=now + 5)]
    events += [unlinked_event(psid=str(number), at=now + number) for number in range(20)]
    bot.linking.delivery.drain()
    for _ in range(10):
        assert bot.post(batch(*rng.sample(events, 12))).status_code == 200
    assert bot.post(batch(*events)).status_code == 200
    bot.linking.delivery.drain()
    bot.clock.advance(60)
    bot.linking.delivery.drain()
    link = bot.linking.link_of(PSID)
    assert link is not None
    history = [change.what for change in bot.linking.history_of(PSID)]
    assert history in (["linked"], ["linked", "unlinked", "linked"])
    assert len(bot.graph.sent) <= len(history)


# A worker that is told to stop


def test_a_worker_that_is_stopped_while_it_sends_finishes_what_it_sends() -> None:
    """On SIGTERM in the middle of a call the message arrives once and is marked, and the process ends."""
    with new_database("sqlite") as url:
        place = next(each for each in PLACES if each.name == "K4")
        round = Round(url, place, random.Random(0), Pace())
        store = open_store(url)
        round.graph.hurry.clear()
        now = int(time.time() * 1000)
        store.engine.write(
            lambda tx: [
                tx.run("queue", page_id="102030405060708", psid=psid, kind="refused", payload="null", now=now)
                for psid in ("1", "2")
            ]
        )
        worker = SPAWN.Process(target=processes.worker, args=(round.settings, None), daemon=True)
        worker.start()
        try:
            assert round.graph.called.wait(LONG_S)
            os.kill(worker.pid or 0, signal.SIGTERM)
            worker.join(LONG_S)
            assert worker.exitcode == 0
            assert sorted(psid for psid, *_ in round.graph.sent) == ["1", "2"]  # side by side, each once
            assert store.outbox_depth()["depth"] == 0
        finally:
            worker.kill()
            worker.join(5)
            store.close()
            round.close()
