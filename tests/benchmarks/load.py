"""A small load generator: a fixed number of requests over a fixed number of kept connections, on loopback.

It has one thread and one selector, so that it needs little of the processor, and runs in a process of its
own.
"""

from __future__ import annotations

import os
import selectors
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context

LONGEST_S = 60.0


@dataclass(frozen=True, slots=True)
class Answers:
    """What came back: how long all took, how long each took, and how often each status came."""

    seconds: float
    waits: list[float]
    statuses: Counter[int]

    @property
    def rate(self) -> float:
        return len(self.waits) / self.seconds


class _Connection:
    """One kept connection with one request under way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=LONGEST_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.began = 0.0
        self.received = b""

    def send(self, request: bytes) -> None:
        self.received = b""
        self.began = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> int | None:
        """Read on; returns the status once the whole answer is there."""
        chunk = self.socket.recv(65536)
        if not chunk:
            raise ConnectionError("the server closed a kept connection")
        self.received += chunk
        head, found, body = self.received.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return None
        return int(head[9:12])


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        if line[:15].lower() == b"content-length:":
            return int(line[15:])
    return 0


def drive(port: int, requests: Sequence[bytes], connections: int, seconds: float = LONGEST_S) -> Answers:
    """Send the requests in order, each as soon as a connection is free. Ends early after `seconds`."""
    waiting = iter(requests)
    open_ones = [_Connection(port) for _ in range(min(connections, len(requests)))]
    waits: list[float] = []
    statuses: Counter[int] = Counter()
    selector = selectors.DefaultSelector()
    began = time.perf_counter()
    for connection in open_ones:
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        connection.send(next(waiting))
    under_way = len(open_ones)
    while under_way:
        for key, _ in selector.select(LONGEST_S):
            status = key.data.receive()
            if status is None:
                continue
            now = time.perf_counter()
            waits.append(now - key.data.began)
            statuses[status] += 1
            following = next(waiting, None) if now - began < seconds else None
            if following is None:
                under_way -= 1
                selector.unregister(key.fileobj)
            else:
                key.data.send(following)
    took = time.perf_counter() - began
    for connection in open_ones:
        connection.socket.close()
    return Answers(took, waits, statuses)


@contextmanager
def generators(core: int, many: int = 1) -> Iterator[ProcessPoolExecutor]:
    """Processes to `submit(drive, ...)` to, on this core."""
    context = get_context("spawn")
    with ProcessPoolExecutor(many, context, initializer=pin, initargs=(core,)) as pool:
        yield pool


def pin(core: int, process: int = 0) -> None:
    """Keep this process, or another one and its future children, on one core, where there are several."""
    cores = sorted(os.sched_getaffinity(process))
    os.sched_setaffinity(process, {cores[core % len(cores)]})
