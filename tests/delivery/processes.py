"""Workers in other processes: functions that a fresh interpreter can import."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

from bot_linking.core.ports import OutboxEntry
from bot_linking.delivery import Delivery
from bot_linking.delivery.leases import LEASE_S
from bot_linking.stores import open_store
from bot_linking.stores.store import SQLStore
from tests.children import insisting

from ..stores.processes import meet

LIMIT_S = 240


def worker(store: SQLStore, handler: Any, clock: Any = time.time) -> Delivery:
    return Delivery(
        store, {"linked": handler}, tell=lambda event: None, keys=lambda page_id: "token", clock=clock
    )


def drain_into(url: str, log: Path, start_s: float, processes: int) -> int:
    """Deliver everything, each entry as a line of the log, the first when every process has one. Returns the
    number of entries."""
    store = open_store(url)
    delivered = 0
    with log.open("ab", buffering=0) as file:

        def send(entry: OutboxEntry) -> None:
            nonlocal delivered
            delivered += 1
            file.write(f"{entry.id}\n".encode())
            if delivered == 1:
                meet(store, processes)

        delivery = worker(store, send, lambda: start_s)
        deadline = time.monotonic() + LIMIT_S
        while store.outbox_depth()["depth"] and time.monotonic() < deadline:
            if not insisting(delivery.drain):
                time.sleep(0.01)  # the rest is under way elsewhere
    store.close()
    return delivered


def deliver_until_killed(url: str, log: Path, start_s: float, progress: Any, allowed: Any) -> None:
    """Deliver with all threads, and log each entry that is allowed, until the test kills this process."""
    store = open_store(url)
    with log.open("ab", buffering=0) as file:

        def send(entry: OutboxEntry) -> None:
            allowed.acquire()
            file.write(f"{entry.id}\n".encode())
            progress.release()

        delivery = worker(store, send, lambda: start_s)
        delivery.start()
        time.sleep(LIMIT_S)


def after_the_lease(start_s: float) -> float:
    return start_s + LEASE_S


def deliver_in_a_forked_child(url: str, stopped_before: bool) -> bool:
    """Fork a process whose delivery runs, or has run. Returns whether the child delivers what it queues."""
    store = open_store(url)
    delivered, pid_of_handler = threading.Event(), list[int]()

    def send(entry: OutboxEntry) -> None:
        pid_of_handler.append(os.getpid())
        delivered.set()

    delivery = worker(store, send)
    delivery.start()
    if stopped_before:
        delivery.stop()
    child = os.fork()
    if child == 0:
        status = 2
        try:
            now = int(time.time() * 1000)
            entry = {"page_id": "page", "psid": "1", "kind": "linked", "payload": "null", "now": now}
            insisting(lambda: store.engine.write(lambda tx: tx.run("queue", **entry)))
            delivery.wake()
            if stopped_before:
                status = int(any(thread.name == "bot_linking delivery" for thread in threading.enumerate()))
            elif delivered.wait(60):
                status = 1 if pid_of_handler == [os.getpid()] else 3
            else:
                status = 0
        finally:
            os._exit(status)
    delivery.stop()
    _, result = os.waitpid(child, 0)
    store.close()
    assert os.waitstatus_to_exitcode(result) in (0, 1), result
    return os.waitstatus_to_exitcode(result) == 1
