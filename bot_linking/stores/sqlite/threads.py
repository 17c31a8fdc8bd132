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
LOOK_AGAIN_S = 0.2  # then a waiter looks, in case the thread that should wake it has died


class Transaction:
    """Named statements on one connection, inside one transaction."""

    def __init__(self, connection: sqlite3.Connection, statements: dict[str, str]) -> None:
        self._connection = connection
        self._statements = statements

    def hold(self, **whom: Any) -> None:
        """Nothing to do: a writer has locked the whole file."""

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

        return self._connection.execute(self._statements[name], values).rowcount

    put = run

    def gathered(
        self, events: Sequence[LinkingEvent], now: int, window: int, accounts: Sequence[str] = ()
    ) -> Transaction:
        """The same transaction: without a server there is nothing to gain."""
        return self

    def flush(self) -> None:
        """Nothing to do: `put` has written already."""

    def isolated(self, work: Callable[[], T]) -> T:
        self._connection.execute("savepoint isolated")
        try:
            result = work()
        except BaseException:
            with suppress(sqlite3.OperationalError):  # a full disk may have ended the transaction already
                self._connection.execute("rollback to isolated")
                self._connection.execute("release isolated")
            raise
        self._connection.execute("release isolated")
        return result


class Job(Generic[T]):
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
        """Wait until another thread wakes this one: the work is done, or its turn has come."""
        self._gate.acquire(timeout=LOOK_AGAIN_S)

    def wake(self) -> None:
        with suppress(RuntimeError):  # awake already
            self._gate.release()

    def settle(self) -> T:
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value]


class Handle:
    """One thread's connection, and what it knows of its file. The thread uses it under `lock`."""

    __slots__ = ("__weakref__", "_ending", "connection", "inode", "lock", "look_at", "pid", "transaction")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.pid = self.inode = 0
        self.look_at = 0.0
        self.connection: sqlite3.Connection | None = None
        self.transaction: Transaction | None = None
        self._ending: weakref.finalize[..., Handle] | None = None

    def open(self, connection: sqlite3.Connection, statements: dict[str, str]) -> None:
        """Use this connection from now on."""
        self.connection, self.transaction = connection, Transaction(connection, statements)
        # In a cycle that is dropped, Python may finalize the connection before `__del__` is called.
        self._ending = weakref.finalize(self, _close, connection)
        self._ending.atexit = False

    def close(self) -> None:
        """Close the connection, if there is one. Only while no thread is inside it."""
        connection, self.connection, self.transaction = self.connection, None, None
        if self._ending is not None:
            self._ending.detach()
        if connection is not None:
            connection.close()

    def __del__(self) -> None:
        """A thread that ends, and an engine that is dropped, leave no connection open."""
        with suppress(sqlite3.Error):
            self.close()


def _close(connection: sqlite3.Connection) -> None:
    with suppress(sqlite3.Error):
        connection.close()


class Handles:
    """The handles of all threads. While one thread holds all of them, no other is inside SQLite. A process
    forks only then: otherwise its child could inherit a locked mutex of SQLite's and wait for ever."""

    def __init__(self) -> None:
        self._all: weakref.WeakSet[Handle] = weakref.WeakSet()
        self._joining = threading.Lock()
        self._held: list[Handle] = []

    def join(self) -> Handle:
        """A handle for a new thread."""
        with self._joining:
            self._all.add(handle := Handle())
        return handle

    def hold(self) -> None:
        self._joining.acquire()
        self._held = list(self._all)
        for handle in self._held:
            handle.lock.acquire()

    def close_held(self) -> None:
        """Close the connections of all threads."""
        for handle in self._held:
            with suppress(sqlite3.Error):
                handle.close()

    def let_go(self) -> None:
        while self._held:
            self._held.pop().lock.release()
        self._joining.release()


class Mine(threading.local):
    """The handle of this thread: SQLite's connections are for one thread and one process."""

    def __init__(self, handles: Handles) -> None:
        self.handle = handles.join()
