"""A process's connections to PostgreSQL: few, kept ready, each given up when the server stops answering.

A caller that finds no ready connection opens one. So a server that is back is used at once, a server that is
away is known at once, and there is no thread of the pool's own that a fork could lose.
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
_inherited: list[Any] = []  # kept for ever: to let go of them would end the parent's sessions

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
    """Every connection was busy for as long as one may wait."""


class Line(psycopg.Connection[Tuple]):
    """A connection that does not wait for ever, on the server or on the way to it."""

    heard_at = 0.0  # when the server last answered, or when the wait for a connection began
    used_at = 0.0
    opening = BEGIN  # what begins a transaction

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        left = self.heard_at + PATIENCE_S - time.monotonic() if timeout is None else timeout
        try:
            answer = super().wait(gen, interval, max(left, 0.5))
        except BaseException as problem:
            if _ends_the_talk(problem):
                self.close()  # what else is under way in a pipeline would hide why
            raise
        if self.pgconn.pipeline_status == PipelineStatus.OFF:  # else it may only have been sent
            self.heard_at = time.monotonic()
        return answer

    def is_alive(self) -> bool:
        """Whether nothing has come in while it lay idle: anything says that the server is going."""
        return not self.closed and not self._look()

    def get_ready(self, *, is_lent: bool) -> None:
        """Settings, and the cursor of the statement that is run most. A session that is `is_lent` for a
        transaction keeps neither settings nor prepared statements."""
        if is_lent:
            self.prepare_threshold, self.opening = None, BEGIN_WITH_SETTINGS
        else:
            self.prepare_threshold, self.prepared_max = 0, 500
            self.execute(OF_A_SESSION, prepare=False)
        self.cursor_for_links = self.cursor()
        self._look = _look_at(self.fileno())


class Connections:
    """`borrow` one, `give_back` or `discard` it. `conninfo` is an address that libpq understands; the
    server's sessions behind it may be `are_lent` for a transaction at a time."""

    def __init__(self, conninfo: str, *, are_lent: bool = False) -> None:
        given = conninfo_to_dict(conninfo)
        self._are_lent = self._is_judged = are_lent
        self._conninfo = conninfo
        self._more: Any = {name: value for name, value in _CONNECTING.items() if name not in given}
        self._idle = deque[Line]()
        self._open = self._waiting = 0
        self._turn = threading.Condition(threading.Lock())

    def start_over(self) -> None:
        """Know of no connection any more, without a word to the server: in a process that was just forked,
        they are the parent's."""
        _inherited.append(self._idle)
        self._idle = deque[Line]()
        self._open = self._waiting = 0
        self._turn = threading.Condition(threading.Lock())

    def borrow(self) -> Line:
        """The one that was used last, when it still lives, or a new one."""
        asked_at = time.monotonic()
        line = self._pop() or self._wait_or_connect(asked_at + STATEMENT_S)
        line.heard_at = asked_at
        return line

    def give_back(self, line: Line) -> None:
        line.used_at = time.monotonic()
        self._idle.append(line)
        if self._waiting:
            with self._turn:
                self._turn.notify()
        try:
            is_unused = self._idle[0].used_at < line.used_at - KEEP_IDLE_S
        except IndexError:  # taken again already
            return
        if is_unused:
            self._drop(self._idle.popleft)

    def discard(self, line: Line) -> None:
        self._drop(lambda: line)

    def close(self) -> None:
        """Close what is idle; it opens again when it is needed."""
        while self._idle:
            self._drop(self._idle.pop)

    def _pop(self) -> Line | None:
        try:
            while not (line := self._idle.pop()).is_alive():
                self.discard(line)
        except IndexError:
            return None
        return line

    def _wait_or_connect(self, until: float) -> Line:
        with self._turn:
            self._waiting += 1
            try:
                while (line := self._pop_quickly()) is None and self._open >= MOST:
                    if not self._turn.wait(until - time.monotonic()):
                        raise NoneFree(f"all {MOST} connections of this process were busy")
            finally:
                self._waiting -= 1
            if line is None:
                self._open += 1
        return line if line is not None and line.is_alive() else self._connect(instead_of=line)

    def _pop_quickly(self) -> Line | None:
        with suppress(IndexError):
            return self._idle.pop()
        return None

    def _connect(self, *, instead_of: Line | None) -> Line:
        """A new one, for which there is room already."""
        try:
            if instead_of is not None:
                instead_of.close()
            line = self._open_one()
            try:
                if not self._is_judged:
                    insist_on_a_session(line, self._open_one)
                    self._is_judged = True
                line.get_ready(is_lent=self._are_lent)
            except BaseException:
                line.close()
                raise
        except BaseException:
            self._make_room()
            raise
        return line

    def _open_one(self) -> Line:
        line = Line.connect(self._conninfo, autocommit=True, **self._more)
        line.heard_at = time.monotonic()
        return line

    def _drop(self, take: Callable[[], Line]) -> None:
        try:
            line = take()
        except IndexError:  # another thread was quicker
            return
        with suppress(psycopg.Error):
            line.close()
        self._make_room()

    def _make_room(self) -> None:
        with self._turn:
            self._open -= 1
            self._turn.notify()


def _ends_the_talk(problem: BaseException) -> bool:
    """Whether a wait ended by a time-out or from outside, and not by what was said or could not be."""
    if not isinstance(problem, psycopg.Error):
        return True
    is_silence = isinstance(problem, psycopg.OperationalError) and problem.sqlstate is None
    return is_silence and not isinstance(problem, errors.PipelineAborted)


def _look_at(fileno: int) -> Callable[[], Any]:
    """Says whether something could be read there, without waiting."""
    if not hasattr(select, "poll"):
        return lambda: select.select([fileno], [], [], 0)[0]
    watch = select.poll()
    watch.register(fileno, select.POLLIN)
    return partial(watch.poll, 0)
