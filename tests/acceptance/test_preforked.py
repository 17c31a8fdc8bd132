"""The example bot under gunicorn with several workers: no request needs another worker's memory."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from bot_linking.simulator import Simulator
from bot_linking.stores import open_store
from bot_linking.testing import LinkingWalk
from tests import forked
from tests.acceptance.running import QUICK_HASHES, free_pair
from tests.children import LIMIT_S

ADA = "24680135791357"


class Workers:
    """Two workers. While one has to answer, the other is stopped."""

    def __init__(self, url: str, database: Path) -> None:
        self.url, self._database = url, database
        self.pids = [self.ask()["pid"]]
        with self._asleep(self.pids[0]):
            self.pids.append(self.ask()["pid"])

    def ask(self) -> dict[str, Any]:
        return dict(requests.get(f"{self.url}/worker", timeout=LIMIT_S).json())

    @contextmanager
    def only(self, number: int) -> Iterator[None]:
        """Until the end of the block only this worker answers."""
        with self._asleep(self.pids[1 - number]):
            yield

    @contextmanager
    def _asleep(self, pid: int) -> Iterator[None]:
        os.kill(pid, signal.SIGSTOP)
        try:
            while not self._can_be_written():  # it sleeps inside a transaction: let it end that first
                os.kill(pid, signal.SIGCONT)
                time.sleep(0.05)
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def _can_be_written(self) -> bool:
        with closing(sqlite3.connect(self._database, timeout=1)) as connection:
            try:
                connection.execute("begin immediate")
            except sqlite3.OperationalError:
                return False
        return True


@contextmanager
def gunicorn(simulator: Simulator, folder: Path, port: int) -> Iterator[Workers]:
    url = f"http://127.0.0.1:{port}"
    environment = {
        **os.environ, **simulator.settings_for_bot(), "EXAMPLE_BOT_INSTANCE": str(folder),
        "BOT_LINKING_PUBLIC_URL": url, "REQUEST_LOG": str(folder / "requests.log"),
    }  # fmt: skip
    arguments = [
        "gunicorn", "--workers", "2", "--timeout", "0", "--preload", "--bind", f"127.0.0.1:{port}",
        "--log-level", "warning", "--no-control-socket", "tests.acceptance.preforked:make()",
    ]  # fmt: skip
    with forked.child(arguments, env=environment, prelude=QUICK_HASHES) as process:
        deadline = time.monotonic() + LIMIT_S
        while not _answers(url):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield Workers(url, folder / "bot_linking.db")
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=LIMIT_S).ok
    except requests.ConnectionError:
        return False


@pytest.mark.parametrize("first", [0, 1])
def test_a_person_is_linked_whichever_worker_takes_which_request(tmp_path: Path, first: int) -> None:
    """Sign-in page, password, consent and webhook each go to another worker than the one before; both were
    forked after the app was made. One confirmation is sent."""
    port, second = free_pair(), 1 - first
    with (
        Simulator(f"http://127.0.0.1:{port}/webhook") as simulator,
        gunicorn(simulator, tmp_path, port) as workers,
        LinkingWalk(simulator) as walk,
    ):
        with workers.only(first):
            simulator.say(ADA, "orders")
            walk.open(ADA)
        with workers.only(second):
            walk.sign_in("ada", "lovelace-1815")
        with workers.only(first):
            walk.consent()
        with workers.only(second):
            walk.go_back()
            assert simulator.wait_until(
                lambda: any(b'"linked"' in d.body and d.accepted for d in simulator.deliveries)
            )
        assert walk.hears(ADA, "You are now connected")
        assert walk.hears(ADA, "Order 1042")
        with workers.only(first):
            simulator.say(ADA, "log in")
            assert walk.hears(ADA, "You are logged in as ada")
        with closing(open_store(f"sqlite:///{tmp_path}/bot_linking.db")) as store:
            assert simulator.wait_until(lambda: store.outbox_depth()["depth"] == 0, LIMIT_S)
        said = str(simulator.messages(ADA))
    assert (said.count("You are now connected"), said.count("Order 1042")) == (1, 1)
    lines = [line.split() for line in (tmp_path / "requests.log").read_text().splitlines()]
    took = {(method, path): int(pid) for pid, method, path in lines if path.startswith("/linking")}
    by = [workers.pids[first], workers.pids[second]]
    assert took[("GET", "/linking/login")] == by[0]
    assert took[("POST", "/linking/login")] == by[1]
    assert took[("POST", "/linking/consent")] == by[0]
    assert {int(pid) for pid, _, path in lines if path == "/webhook"} == set(by)


def test_delivery_runs_in_each_worker_that_was_forked(tmp_path: Path) -> None:
    port = free_pair()
    with (
        Simulator(f"http://127.0.0.1:{port}/webhook") as simulator,
        gunicorn(simulator, tmp_path, port) as workers,
    ):
        for number in (0, 1):
            with workers.only(number):
                found = workers.ask()
                assert found["pid"] == workers.pids[number]
                assert found["delivering"] > 0
