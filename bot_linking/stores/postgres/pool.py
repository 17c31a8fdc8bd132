"""A process's connections to PostgreSQL: a few, kept open, each closed when the server stops answering.

A caller that finds no idle connection opens one. So a server that is back is used at once, a server that is
away is noticed at once, and the pool has no thread of its own that a fork could lose.
"""

from __future__ import annotations

import select
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import PipelineStatus

from bot_linking.stores.postgres.sessions import (
    BEGIN,
    BEGIN_WITH_SETTINGS,
    OF_A_SESSION,
    STATEMENT_S,
    insist_on_a_session,
)

Tuple = tuple[Any, ...]
_inherited: list[Any] = []  # kept for ever: freeing them would end the parent's sessions

MOST = 10  # connections of one process
PATIENCE_S = 3.5  # from one answer of the server to the next: a webhook is answered within four seconds
KEEP_IDLE_S = 300.0

_CONNECTING = {
    "connect_timeout": 2,
    "client_encoding": "utf8",
    "application_name": "bot_linking",
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}


class NoneFree(psycopg.OperationalError):
    """Every connection was busy for as long as a caller may wait."""


class Connection(psycopg.Connection[Tuple]):
    """A connection that stops waiting after `PATIENCE_S`, or its own `patience_s`, without an answer, and
    closes itself."""

    heard_at = 0.0  # when the server last answered, or when the wait for a connection began
    used_at = 0.0
    patience_s: float | None = None
    opening = BEGIN  # what begins a transaction

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        patience_s = PATIENCE_S if self.patience_s is None else self.patience_s
        left = self.heard_at + patience_s - time.monotonic() if timeout is None else timeout
        try:
            answer = super().wait(gen, interval, max(left, 0.5))
        except BaseException as problem:
            if _ends_the_talk(problem):
                self.close()  # other statements of the pipeline would otherwise raise a less telling error
            raise
        if self.pgconn.pipeline_status == PipelineStatus.OFF:  # in a pipeline this may be only the sending
            self.heard_at = time.monotonic()
        return answer

    def is_alive(self) -> bool:
        """Whether an idle connection can be used: input without a question means that the server is
        closing it."""
        return not self.closed and not self._look()

    def get_ready(self, *, is_lent: bool) -> None:
        """Make the session's settings, and the cursor for the statement that is run most. A session that
        `is_lent` for one transaction keeps neither settings nor prepared statements."""
        if is_lent:
            self.prepare_threshold, self.opening = None, BEGIN_WITH_SETTINGS
        else:
            self.prepare_threshold, self.prepared_max = 0, 500
            self.execute(OF_A_SESSION, prepare=False)
        self.cursor_for_links = self.cursor()
        self._look = _look_at(self.fileno())


class Connections:
    """The pool: `borrow` a connection, then `give_back` or `discard` it. `conninfo` is an address that libpq
    understands. With `are_lent` a pooler lends the server's sessions for one transaction at a time."""

    def __init__(self, conninfo: str, *, are_lent: bool = False) -> None:
        given = conninfo_to_dict(conninfo)
        self.are_lent = self._is_judged = are_lent
        self._conninfo = conninfo
        ours = _CONNECTING.keys() - given.keys() | {"client_encoding"}  # texts are read as UTF-8
        self._more: Any = {name: _CONNECTING[name] for name in ours}
        self._idle = deque[Connection]()
        self._open = self._waiting = 0
        self._turn = threading.Condition(threading.Lock())

    def start_over(self) -> None:
        """Forget all connections without closing them: after a fork they belong to the parent."""
        _inherited.append(self._idle)
        self._idle = deque[Connection]()
        self._open = self._waiting = 0
        self._turn = threading.Condition(threading.Lock())

    def borrow(self) -> Connection:
        """The connection that was used last, if it is alive, or a new one."""
        asked_at = time.monotonic()
        connection = self._pop() or self._wait_or_connect(asked_at + STATEMENT_S)
        connection.heard_at = asked_at
        return connection

    def give_back(self, connection: Connection) -> None:
        connection.used_at = time.monotonic()
        self._idle.append(connection)
        if self._waiting:
            with self._turn:
                self._turn.notify()
        try:
            is_unused = self._idle[0].used_at < connection.used_at - KEEP_IDLE_S
        except IndexError:  # another thread has taken it again
            return
        if is_unused:
            self._drop(self._idle.popleft)

    def discard(self, connection: Connection) -> None:
        self._drop(lambda: connection)

    def close(self) -> None:
        """Close the idle connections; new ones are opened when they are needed."""
        while self._idle:
            self._drop(self._idle.pop)

    def _pop(self) -> Connection | None:
        try:
            while not (connection := self._idle.pop()).is_alive():
                self.discard(connection)
        except IndexError:
            return None
        return connection

    def _wait_or_connect(self, until: float) -> Connection:
        with self._turn:
            self._waiting += 1
            try:
                while (connection := self._pop_quickly()) is None and self._open >= MOST:
                    if not self._turn.wait(until - time.monotonic()):
                        raise NoneFree(f"all {MOST} connections of this process were busy")
            finally:
                self._waiting -= 1
            if connection is None:
                self._open += 1
        return (
            connection
            if connection is not None and connection.is_alive()
            else self._connect(instead_of=connection)
        )

    def _pop_quickly(self) -> Connection | None:
        with suppress(IndexError):
            return self._idle.pop()
        return None

    def _connect(self, *, instead_of: Connection | None) -> Connection:
        """A new connection, which is counted in `_open` already."""
        try:
            if instead_of is not None:
                instead_of.close()
            connection = self.open_one()
            try:
                if not self._is_judged:
                    insist_on_a_session(connection, self.open_one)
                    self._is_judged = True
                connection.get_ready(is_lent=self.are_lent)
            except BaseException:
                connection.close()
                raise
        except BaseException:
            self._make_room()
            raise
        return connection

    def open_one(self) -> Connection:
        """A connection outside the pool, without settings, which the caller closes."""
        connection = Connection.connect(self._conninfo, autocommit=True, **self._more)
        connection.heard_at = time.monotonic()
        return connection

    def _drop(self, take: Callable[[], Connection]) -> None:
        try:
            connection = take()
        except IndexError:  # another thread was quicker
            return
        with suppress(psycopg.Error):
            connection.close()
        self._make_room()

    def _make_room(self) -> None:
        with self._turn:
            self._open -= 1
            self._turn.notify()


def _ends_the_talk(problem: BaseException) -> bool:
    """Whether a wait ended by a time-out, a lost connection or an interrupt, without an answer of the
    server's."""
    if not isinstance(problem, psycopg.Error):
        return True
    is_silence = isinstance(problem, psycopg.OperationalError) and problem.sqlstate is None
    return is_silence and not isinstance(problem, errors.PipelineAborted)


def _look_at(fileno: int) -> Callable[[], Any]:
    """A callable that says at once whether there is input to read."""
    if not hasattr(select, "poll"):
        return lambda: select.select([fileno], [], [], 0)[0]
    watch = select.poll()
    watch.register(fileno, select.POLLIN)
    return partial(watch.poll, 0)
