"""Servers end while messages are being sent: each is said once, and the process waits for that."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from bot_linking.stores import open_store
from bot_linking.stores.store import SQLStore
from tests.wire import PAGE

ROOT = Path(__file__).parents[2]
BOT = "tests.delivery.ending_bot:app"
SENT_S = 2.0
MANY = 6
SERVERS = {
    "gunicorn": ["-m", "gunicorn", "--worker-class", "gthread", "--bind", "127.0.0.1:0", BOT],
    "waitress": ["-m", "waitress", "--listen", "127.0.0.1:0", BOT],
    "flask run": ["-m", "flask", "--app", BOT, "run", "--port", "0"],
    "deliver": ["-m", "flask", "--app", BOT, "linking", "deliver"],
}


class Graph:
    """Takes its time with each message, and knows who got one."""

    def __init__(self, server: HTTPServer) -> None:
        self.url = server.url_for("").rstrip("/")
        self.begun = Counter[str]()
        self.done = Counter[str]()
        server.expect_request("/v26.0/me/messages").respond_with_handler(self._take)

    def _take(self, request: Request) -> Response:
        psid = request.get_json()["recipient"]["id"]
        self.begun[psid] += 1
        time.sleep(SENT_S)
        self.done[psid] += 1
        return Response('{"recipient_id": "1", "message_id": "m"}', content_type="application/json")


@pytest.fixture
def graph() -> Iterator[Graph]:
    with HTTPServer(threaded=True) as server:
        yield Graph(server)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLStore]:
    store = open_store(f"sqlite:///{tmp_path}/links.db")
    now = int(time.time() * 1000)
    for number in range(MANY):
        store.queue(PAGE, str(1000 + number), "refused", None, now)
    yield store
    store.close()


def until(condition: Callable[[], bool], what: str, timeout: float = 60) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not {what} in time"
        time.sleep(0.02)


@pytest.fixture
def environment(settings: dict[str, Any], graph: Graph, tmp_path: Path) -> dict[str, str]:
    given = {
        name if name.startswith("BOT_") else f"BOT_LINKING_{name}": str(v) for name, v in settings.items()
    }
    given |= {"BOT_LINKING_GRAPH_URL": graph.url, "BOT_LINKING_DATABASE": f"sqlite:///{tmp_path}/links.db"}
    return {**os.environ, **given, "BOT_LINKING_DELIVERY": "thread"}


@pytest.mark.parametrize("server", sorted(SERVERS))
def test_a_server_that_is_asked_to_end_says_nothing_twice(
    server: str, graph: Graph, store: SQLStore, environment: dict[str, str]
) -> None:
    if server == "waitress":
        pytest.importorskip("waitress")
    process = subprocess.Popen(
        [sys.executable, *SERVERS[server]], cwd=ROOT, env=environment, preexec_fn=_hear_signals
    )
    try:
        until(lambda: sum(graph.begun.values()) == MANY, "sending")
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    finally:
        process.kill()
        process.wait()
    assert graph.done == Counter({str(1000 + number): 1 for number in range(MANY)})
    assert store.outbox_depth()["depth"] == 0
    assert graph.begun == graph.done


@pytest.mark.parametrize("signalled", ["SIGHUP", "SIGQUIT", "SIGINT"])
def test_gunicorns_other_ends_say_nothing_twice(
    signalled: str, graph: Graph, store: SQLStore, environment: dict[str, str]
) -> None:
    """A reload, whose next worker goes on, and an end that waits for no request."""
    process = subprocess.Popen(
        [sys.executable, *SERVERS["gunicorn"]], cwd=ROOT, env=environment, preexec_fn=_hear_signals
    )
    try:
        until(lambda: sum(graph.begun.values()) == MANY, "sending")
        process.send_signal(getattr(signal, signalled))
        until(lambda: store.outbox_depth()["depth"] == 0, "sent")
        process.terminate()
        process.wait(30)
    finally:
        process.kill()
        process.wait()
    assert graph.done == graph.begun == Counter({str(1000 + number): 1 for number in range(MANY)})


def test_the_reloaders_watcher_sends_nothing(
    graph: Graph, store: SQLStore, environment: dict[str, str]
) -> None:
    """`flask run --reload` is two processes; the one that only watches files leaves the outbox alone."""
    command = ["-m", "flask", "--app", BOT, "run", "--port", "0", "--reload"]
    process = subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, env=environment, preexec_fn=_hear_signals,
        start_new_session=True, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        until(lambda: sum(graph.done.values()) == MANY, "sent")
        until(lambda: store.outbox_depth()["depth"] == 0, "marked")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert graph.begun == Counter({str(1000 + number): 1 for number in range(MANY)})


def _hear_signals() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
