"""Servers end while messages are being sent: each message is sent once, and the process waits for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from bot_linking.stores import open_store
from bot_linking.stores.store import SQLStore
from tests import forked
from tests.acceptance.running import free_pair
from tests.children import LIMIT_S, child
from tests.wire import PAGE

ROOT = Path(__file__).parents[2]
BOT = "tests.delivery.ending_bot:app"
SENT_S = 2.0
MANY = 6
EACH_ONCE = Counter({str(1000 + number): 1 for number in range(MANY)})
GUNICORN = ["gunicorn", "--bind", "127.0.0.1:{port}", "--worker-class"]
GRANIAN = ["granian", "--interface", "wsgi", "--port", "{port}", "--respawn-interval", "0", BOT]
SERVERS = {
    "gunicorn": [*GUNICORN, "gthread", BOT],
    "gunicorn, preloaded": [*GUNICORN, "gthread", "--preload", BOT],
    "gunicorn, heeded": [*GUNICORN, "gthread", "tests.delivery.heeding_bot:app"],
    "gunicorn, gevent": [*GUNICORN, "gevent", BOT],
    "granian": GRANIAN,
    "granian, of a script": ["tests.delivery.granian_bot", "{port}"],
    "uvicorn": [
        "uvicorn",
        "--timeout-worker-healthcheck",
        "60",
        "--port",
        "{port}",
        "--workers",
        "2",
        "tests.delivery.uvicorn_bot:app",
    ],
    "waitress": ["waitress", "--listen", "127.0.0.1:{port}", BOT],
    "flask run": ["flask", "--app", BOT, "run", "--port", "{port}"],
    "deliver": ["flask", "--app", BOT, "linking", "deliver"],
}
# A forked process has imported what gevent replaces. So where gevent serves, a test starts Python.
NOT_FORKED = {"gunicorn, gevent"}
# The first delivery waits for Werkzeug's reloader, which none of these has.
AT_ONCE = "from bot_linking import installation; installation.START_DELAY_S = 0.1"


class Graph:
    """A Graph that takes a while for each message, and notes who got one."""

    def __init__(self, server: HTTPServer) -> None:
        self.url = server.url_for("").rstrip("/")
        self.begun = Counter[str]()
        self.done = Counter[str]()
        self.takes_s = SENT_S
        self.takes_all, self.long_is_over = threading.Event(), threading.Event()
        self.is_long = threading.Event()
        server.expect_request("/v26.0/me/messages").respond_with_handler(self._take)
        server.expect_request("/long").respond_with_handler(self._answer_at_last)

    def _take(self, request: Request) -> Response:
        psid = request.get_json()["recipient"]["id"]
        self.begun[psid] += 1
        self.takes_all.wait(self.takes_s)
        self.done[psid] += 1
        return Response('{"recipient_id": "1", "message_id": "m"}', content_type="application/json")

    def _answer_at_last(self, request: Request) -> Response:
        self.is_long.set()
        self.long_is_over.wait(LIMIT_S)
        return Response("over")


@pytest.fixture
def graph() -> Iterator[Graph]:
    with HTTPServer(threaded=True) as server:
        yield Graph(server)


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[SQLStore]:
    store = open_store(f"sqlite:///{tmp_path}/links.db")
    yield store
    store.close()


@pytest.fixture
def store(empty: SQLStore) -> SQLStore:
    """One that holds a message to each person."""
    queue_all(empty)
    return empty


def queue_all(store: SQLStore) -> None:
    now = int(time.time() * 1000)
    for number in range(MANY):
        store.queue(PAGE, str(1000 + number), "refused", None, now)


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


@contextmanager
def serving(
    server: str, environment: dict[str, str], *options: str, port: int = 0
) -> Iterator[forked.Process | subprocess.Popen[Any]]:
    """Run one of the servers, with these additional options."""
    module, *arguments = (part.format(port=port) for part in SERVERS[server])
    command = [module, *options, *arguments]
    if server in NOT_FORKED:
        with child([sys.executable, "-m", *command], cwd=ROOT, env=environment) as process:
            yield process
    else:
        with forked.child(command, env=environment, prelude=AT_ONCE) as forked_process:
            yield forked_process


@pytest.mark.parametrize("server", [each for each in SERVERS if each != "gunicorn, heeded"])
def test_a_server_that_is_asked_to_end_says_nothing_twice(
    server: str, graph: Graph, empty: SQLStore, environment: dict[str, str]
) -> None:
    """Once it serves: Granian loses a signal that comes while a worker starts."""
    port = free_pair()
    with serving(server, environment, port=port) as process:
        if server != "deliver":
            until(lambda: serves_anew(port), "serving")
        queue_all(empty)
        until(lambda: sum(graph.begun.values()) == MANY, "sending")
        process.terminate()
        process.wait(LIMIT_S)
    assert graph.done == EACH_ONCE
    assert empty.outbox_depth()["depth"] == 0
    assert graph.begun == graph.done


@pytest.mark.parametrize("server", ["gunicorn", "granian"])
def test_a_reload_says_nothing_twice(
    server: str, graph: Graph, store: SQLStore, environment: dict[str, str]
) -> None:
    """SIGHUP: the workers end, and new ones start."""
    port = free_pair()
    with serving(server, environment, port=port) as process:
        until(lambda: sum(graph.begun.values()) == MANY, "sending")
        first = get(port, "/pid")
        process.send_signal(signal.SIGHUP)
        until(lambda: serves_anew(port, first), "reloaded")
        until(lambda: store.outbox_depth()["depth"] == 0, "sent")
        process.terminate()
        process.wait(LIMIT_S)
    assert graph.done == graph.begun == EACH_ONCE


@pytest.mark.parametrize("signalled", [signal.SIGQUIT, signal.SIGINT])
def test_gunicorns_other_end_says_nothing_twice(
    signalled: signal.Signals, graph: Graph, store: SQLStore, environment: dict[str, str]
) -> None:
    """gunicorn's quick shutdown does not wait for requests."""
    with serving("gunicorn", environment) as process:
        until(lambda: sum(graph.begun.values()) == MANY, "sending")
        process.send_signal(signalled)
        process.wait(LIMIT_S)
    assert graph.done == graph.begun == EACH_ONCE
    assert store.outbox_depth()["depth"] == 0


def test_a_worker_that_has_had_its_requests_says_nothing_twice(
    graph: Graph, store: SQLStore, environment: dict[str, str]
) -> None:
    """gunicorn's `--max-requests`: the worker ends, and a new one starts."""
    port = free_pair()
    with serving("gunicorn", environment, "--max-requests", "1", port=port) as process:
        until(lambda: sum(graph.begun.values()) == MANY, "sending")
        first = get(port, "/pid")
        until(lambda: store.outbox_depth()["depth"] == 0, "sent")
        assert get(port, "/pid") != first
        process.terminate()
        process.wait(LIMIT_S)
    assert graph.done == graph.begun == EACH_ONCE


def test_nothing_is_begun_once_the_server_was_asked_to_end(
    graph: Graph, store: SQLStore, environment: dict[str, str], tmp_path: Path
) -> None:
    """Even while gunicorn still answers its last requests."""
    graph.takes_s, port, heeded = LIMIT_S, free_pair(), tmp_path / "heeded"
    environment |= {"BOT_LINKING_DELIVERY_THREADS": "2", "HEEDED": str(heeded)}
    with serving("gunicorn, heeded", environment, port=port) as process:
        until(lambda: sum(graph.begun.values()) == 2, "sending")
        with ThreadPoolExecutor() as pool:
            long = pool.submit(get, port, "/long")
            assert graph.is_long.wait(LIMIT_S)
            process.terminate()
            until(heeded.exists, "heard")
            graph.takes_all.set()
            until(lambda: store.outbox_depth()["depth"] == MANY - 2, "marked")
            graph.long_is_over.set()
            assert long.result(LIMIT_S) == "over"
        assert process.wait(LIMIT_S) == 0
    assert sum(graph.begun.values()) == sum(graph.done.values()) == 2
    assert len(store.claim_due(int(time.time() * 1000), 0, {PAGE: MANY})) == MANY - 2


def test_the_reloaders_watcher_sends_nothing(
    graph: Graph, store: SQLStore, environment: dict[str, str]
) -> None:
    """`flask run --reload` has two processes; the one that watches files does not touch the outbox."""
    command = [sys.executable, "-m", "flask", "--app", BOT, "run", "--port", "0", "--reload"]
    with child(command, cwd=ROOT, env=environment, start_new_session=True) as process:
        try:
            until(lambda: graph.done == EACH_ONCE, "sent")
            until(lambda: store.outbox_depth()["depth"] == 0, "marked")
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    assert graph.begun == EACH_ONCE


def get(port: int, path: str) -> str:
    with urlopen(f"http://127.0.0.1:{port}{path}", timeout=LIMIT_S) as answer:
        return str(answer.read(), "ascii")


def serves_anew(port: int, first: str = "") -> bool:
    """Whether a new process answers; for a moment none may."""
    try:
        return get(port, "/pid") != first
    except OSError:
        return False


INTERRUPTED = """
import os, signal, threading
from bot_linking.delivery import ends

class Delivery:
    def take_nothing_for(self, seconds): pass
    def stop(self):
        with held: pass

ends.LONGEST_END_S, held, delivery = 0.2, threading.Lock(), Delivery()
ends.stop_at_the_end(delivery)
with held:
    os.kill(os.getpid(), signal.SIGTERM)
    signal.pause()
"""


def test_a_process_ends_though_the_interrupted_thread_holds_what_a_delivery_needs_to_stop() -> None:
    """As a server of one thread does, inside a transition of the store."""
    with child([sys.executable, "-c", INTERRUPTED], cwd=ROOT) as process:
        assert process.wait(LIMIT_S) == -signal.SIGTERM
