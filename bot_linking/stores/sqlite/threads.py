"""How the threads of one process share one SQLite file: a queue of transitions, a connection for each thread,
and a way to stop them all while the process forks."""

from __future__ import annotations

import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar

from bot_linking.core.events import LinkingEvent

T = TypeVar("T")
Row = dict[str, Any]

BUSY_TIMEOUT_S = 3.0  # a webhook must be answered within five seconds
LOOK_AGAIN_S = 0.2  # should the thread that was woken have died


class Transaction:
    """Named statements on one connection, inside one transaction."""

    def __init__(self, connection: sqlite3.Connection, statements: dict[str, str]) -> None:
        self._connection = connection
        self._statements = statements

    def hold(self, **whom: Any) -> None:
        """Nothing to do: a writer has the whole file."""

    def all(self, name: str, **values: Any) -> list[Row]:
        cursor = self._connection.execute(self._statements[name], values)
        if cursor.description is None:
            return []
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def one(self, name: str, **values: Any) -> Row | None:
        rows = self.all(name, **values)
        return rows[0] if rows else None

    def run(self, name: str, **values: Any) -> int:
        """The number of rows that changed."""
        return self._connection.execute(self._statements[name], values).rowcount

    put = run

    def gathered(self, events: Sequence[LinkingEvent], now: int, window: int) -> Transaction:
        """The same: a statement costs no journey here."""
        return self

    def flush(self) -> None:
        """Nothing waits."""

    def isolated(self, work: Callable[[], T]) -> T:
        """Do the work behind a savepoint, so that its failure undoes only itself."""
        self._connection.execute("savepoint isolated")
        try:
            result = work()
        except BaseException:
            # A full disk may have rolled the whole transaction back already.
            with suppress(sqlite3.OperationalError):
                self._connection.execute("rollback to isolated")
                self._connection.execute("release isolated")
            raise
        self._connection.execute("release isolated")
        return result


class Ticket(Generic[T]):
    """One transition in the queue, and what became of it."""

    def __init__(self, work: Callable[[Transaction], T]) -> None:
        self.work = work
        self.deadline = time.monotonic() + BUSY_TIMEOUT_S
        self.done = False
        self._gate = threading.Lock()
        self._gate.acquire()
        self.result: T | None = None
        self.error: BaseException | None = None

    def wait(self) -> None:
        """Until another thread wakes this one: it is done, or it is its turn."""
        self._gate.acquire(timeout=LOOK_AGAIN_S)

    def wake(self) -> None:
        with suppress(RuntimeError):  # awake already
            self._gate.release()

    def settle(self) -> T:
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value]


class Seat:
    """One thread's connection, and what it knows of its file. Its thread reads under `lock`."""

    __slots__ = ("__weakref__", "connection", "inode", "lock", "look_at", "pid", "transaction")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.pid = self.inode = 0
        self.look_at = 0.0
        self.connection: sqlite3.Connection | None = None
        self.transaction: Transaction | None = None

    def close(self) -> None:
        """Close the connection, if there is one. Only while no thread is inside it."""
        connection, self.connection, self.transaction = self.connection, None, None
        if connection is not None:
            connection.close()

    def __del__(self) -> None:
        """A thread that ends, and an engine that is dropped, leave no connection open."""
        with suppress(sqlite3.Error):
            self.close()


class Seats:
    """The seats of all threads. A thread that holds them all knows that no thread is inside SQLite: so a
    process can fork, as a child would wait for ever for a mutex of SQLite's that no thread of its holds."""

    def __init__(self) -> None:
        self._all: weakref.WeakSet[Seat] = weakref.WeakSet()
        self._joining = threading.Lock()
        self._held: list[Seat] = []

    def join(self) -> Seat:
        """A seat for a thread that has none."""
        with self._joining:
            self._all.add(seat := Seat())
        return seat

    def hold(self) -> None:
        self._joining.acquire()
        self._held = list(self._all)
        for seat in self._held:
            seat.lock.acquire()

    def close_held(self) -> None:
        """Close the connections of all threads."""
        for seat in self._held:
            with suppress(sqlite3.Error):
                seat.close()

    def let_go(self) -> None:
        while self._held:
            self._held.pop().lock.release()
        self._joining.release()


class Mine(threading.local):
    """The seat of this thread: SQLite's connections are for one thread and one process."""

    def __init__(self, seats: Seats) -> None:
        self.seat = seats.join()
