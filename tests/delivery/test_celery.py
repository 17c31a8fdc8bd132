"""Celery delivers from the outbox: nothing is lost by a kill, a flushed queue or a broker that is down."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from flask import Flask

from bot_linking import AccountLinking, ConfigurationError
from bot_linking.celery import TASK, _Notifier, install
from bot_linking.core.identifiers import Identifiers
from bot_linking.delivery.leases import LEASE_S
from tests.children import LIMIT_S
from tests.graph import ScriptedGraph
from tests.wire import PAGE

from ..redis_server import PASSWORD, Server, running

ROOT = Path(__file__).parents[2]
IN_FLIGHT = 2


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running(tmp_path) as server:
        yield server


class Shop:
    """The web process of a bot, which is this one, and a Celery worker with its beat."""

    def __init__(
        self, settings: dict[str, Any], server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in settings.items():
            monkeypatch.setenv(name if name.startswith("BOT_") else f"BOT_LINKING_{name}", str(value))
        monkeypatch.setenv("BEGUN", str(folder / "begun"))
        from .celery_bot import make

        self.folder, self.broker = folder, server.url
        self.celery = make(server.url, 3600)
        self.linking: AccountLinking = self.celery.bot

    def link(self, numbers: range) -> list[str]:
        """Link so many people, and return their PSIDs."""
        psids = [str(246801357900000 + number) for number in numbers]
        for psid in psids:
            self.linking.core.bind(psid, Identifiers(username=f"user{psid}"), PAGE, source="api")
        return psids

    def begun(self) -> int:
        """The number of deliveries that were begun."""
        path = self.folder / "begun"
        return len(path.read_text().splitlines()) if path.exists() else 0

    @contextmanager
    def worker(
        self, *, every: float, pool: str = "threads", lease_s: int = LEASE_S
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A real worker and its beat; the test may kill it. What it was sending is free after the lease."""
        environment = {
            **os.environ, "CELERY_BROKER": self.broker, "EVERY": str(every), "LEASE_S": str(lease_s),
            "BOT_LINKING_DELIVERY_THREADS": str(IN_FLIGHT),
        }  # fmt: skip
        command = [
            sys.executable, "-W", "ignore", "-m", "celery", "-A", "tests.delivery.celery_bot", "worker",
            "--pool", pool, "--concurrency", str(IN_FLIGHT), "--beat", "--loglevel", "WARNING",
            "--schedule", str(self.folder / "schedule"), "--without-gossip", "--without-mingle",
        ]  # fmt: skip
        process = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
        try:
            yield process
        finally:
            kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the worker and its beat by SIGKILL."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(LIMIT_S)


@pytest.fixture
def shop(
    settings: dict[str, Any], server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shop]:
    shop = Shop(settings, server, tmp_path, monkeypatch)
    yield shop
    shop.linking.store.close()
    shop.celery.close()


def until(condition: Callable[[], bool], timeout: float = 60) -> bool:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def sent(graph: ScriptedGraph) -> Counter[str]:
    return Counter(body["recipient"]["id"] for body in graph.sent)


@contextmanager
def slow_after(graph: ScriptedGraph, count: int) -> Iterator[None]:
    """In this block each message after the first few takes a second, so that the rest waits even for a late
    signal."""
    node = graph._node

    def answer(*given: Any) -> Any:
        if len(graph.sent) > count:
            time.sleep(1)
        return node(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph, "_node", answer)
        yield


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_a_change_is_delivered_at_once_without_waiting_for_the_beat(
    shop: Shop, scripted: ScriptedGraph, pool: str
) -> None:
    with shop.worker(every=3600, pool=pool):
        psids = shop.link(range(3))
        assert until(lambda: set(sent(scripted)) == set(psids))
        assert until(lambda: shop.linking.store.outbox_depth()["depth"] == 0)
    assert sent(scripted) == Counter(psids)


def test_a_worker_killed_mid_delivery_and_a_flushed_queue_lose_nothing(
    shop: Shop, server: Server, scripted: ScriptedGraph
) -> None:
    """Everything is delivered; only what was under way at the kill may be delivered twice."""
    psids = shop.link(range(30))
    with slow_after(scripted, 8), shop.worker(every=0.5, lease_s=3) as worker:
        assert until(lambda: shop.begun() >= 8)
        kill(worker)
    assert 0 < len(sent(scripted)) < 30
    assert server.say("FLUSHALL")
    with shop.worker(every=0.5):
        assert until(lambda: shop.linking.store.outbox_depth()["depth"] == 0)
    said = sent(scripted)
    assert set(said) == set(psids)
    assert sum(said.values()) - len(psids) <= IN_FLIGHT


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_a_worker_that_is_asked_to_end_says_nothing_twice_and_the_next_one_says_the_rest(
    shop: Shop, scripted: ScriptedGraph, pool: str
) -> None:
    """Celery's warm shutdown finishes what is being sent and leaves the rest."""
    psids = shop.link(range(30))
    with slow_after(scripted, 8), shop.worker(every=0.5, pool=pool) as worker:
        assert until(lambda: shop.begun() >= 8)
        worker.terminate()
        assert worker.wait(LIMIT_S) == 0
    assert 0 < len(sent(scripted)) < 30
    with shop.worker(every=0.5, pool=pool):
        assert until(lambda: shop.linking.store.outbox_depth()["depth"] == 0)
    assert sent(scripted) == Counter(psids)


def test_a_change_while_the_broker_is_down_costs_the_caller_nothing_and_is_found_later(
    shop: Shop,
    server: Server,
    scripted: ScriptedGraph,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.kill()
    is_linked, told_after_it = threading.Event(), list[bool]()
    deliver = shop.celery.tasks[TASK]
    send = deliver.apply_async

    def send_late(**given: Any) -> Any:
        told_after_it.append(is_linked.wait(LIMIT_S))
        return send(**given)

    monkeypatch.setattr(deliver, "apply_async", send_late)
    psids = shop.link(range(3))
    is_linked.set()
    assert until(lambda: "Celery was not told" in caplog.text)
    assert told_after_it[0], "who links does not wait for the broker"
    assert PASSWORD not in caplog.text
    server.start()
    with shop.worker(every=0.5):
        assert until(lambda: set(sent(scripted)) == set(psids))


def test_no_personal_data_are_in_the_queue(shop: Shop, server: Server) -> None:
    (psid,) = shop.link(range(1))
    assert until(lambda: server.say("LLEN", "celery") > 0)
    (message,) = server.say("LRANGE", "celery", 0, -1)
    assert json.loads(base64.b64decode(json.loads(message)["body"]))[:2] == [[], {}]
    assert psid not in message


def test_threads_and_celery_do_not_both_deliver(settings: dict[str, Any]) -> None:
    app = Flask("tests.host")
    app.config.update(settings, BOT_LINKING_DELIVERY="thread", TESTING=True)
    linking = AccountLinking(app)
    with pytest.raises(ConfigurationError, match="BOT_LINKING_DELIVERY must be worker"):
        install(Celery("tests"), linking)
    linking.store.close()


def test_the_hosts_own_beat_schedule_stays(shop: Shop) -> None:
    shop.celery.conf.beat_schedule = {"theirs": {"task": "theirs", "schedule": 60}}
    install(shop.celery, shop.linking)
    assert set(shop.celery.conf.beat_schedule) == {"theirs", "bot_linking.deliver"}


def test_two_celery_apps_of_one_process_deliver_each_its_own_bot(shop: Shop, server: Server) -> None:
    other = Celery("another", broker=server.url)
    deliver = shop.celery.tasks[TASK]
    assert TASK not in other.tasks
    assert install(other, shop.linking).name == TASK
    assert shop.celery.tasks[TASK] is deliver
    assert other.tasks[TASK].app is other
    other.close()


def test_many_notices_become_a_few_calls_and_the_last_one_is_not_missed() -> None:
    told = list[float]()

    def tell() -> None:
        time.sleep(0.05)
        told.append(time.monotonic())

    notifier = _Notifier(tell)
    for _ in range(500):
        notifier.notify()
    last = time.monotonic()
    assert until(lambda: bool(told) and told[-1] > last + 0.04 and not notifier._is_telling)
    assert len(told) < 100
