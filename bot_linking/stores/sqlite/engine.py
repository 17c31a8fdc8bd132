"""The SQLite engine: one file, WAL, every commit flushed to disk.

Writers of one process stand in one queue, and the one at its head commits for all who wait: one
flush for many transitions, and no writer starves behind SQLite's unfair busy handler. Each transition is
still all or nothing, by a savepoint.
"""

from __future__ import annotations

import os
import re
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from bot_linking.core.errors import StoreUnavailable
from bot_linking.stores.forks import mind_forks
from bot_linking.stores.opening import OURS, Opening
from bot_linking.stores.sql import STORES, load_schema, load_statements
from bot_linking.stores.sqlite.file import File
from bot_linking.stores.sqlite.threads import BUSY_TIMEOUT_S, Mine, Row, Seat, Seats, Ticket, Transaction

T = TypeVar("T")
LOOK_FOR_GHOST_S = 1.0  # for readers; writers look each time
LARGEST_GROUP = 64  # transitions in one commit
_WORDS = {"bigint": "integer", "serial": "integer primary key autoincrement", "strict": " strict"}


class SQLiteEngine:
    """Runs named statements against one file; made for `SQLStore`."""

    #: Errors of the data in one transition, as opposed to those of the database.
    poison = (
        sqlite3.IntegrityError,
        sqlite3.ProgrammingError,
        sqlite3.InterfaceError,
        sqlite3.DataError,
        ValueError,
        OverflowError,
    )

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self._file = File(path)
        self.opening = Opening(self._file, create=create)
        self.statements: dict[str, str] = {}
        self._seats = Seats()
        self._mine = Mine(self._seats)
        self._reset_after_fork()
        self.extend(OURS, STORES)
        self._find_link = re.sub(r":\w+", "?", self.statements["find_link"])
        mind_forks(self)

    @property
    def path(self) -> Path:
        return self._file.path

    def extend(self, name: str, room: str) -> None:
        self.opening.expect(name, load_schema(_WORDS, room=room))
        self.statements.update(load_statements(room=room))

    def read(self, name: str, **values: Any) -> list[Row]:
        seat = self._mine.seat
        try:
            with seat.lock:
                return self._transaction(seat).all(name, **values)
        except UnicodeEncodeError:  # no row can hold what is no text
            return []
        except (OSError, sqlite3.Error) as problem:
            raise self._file.unavailable(problem) from problem

    def read_link(self, page_id: str, psid: str) -> Any:
        seat = self._mine.seat
        try:
            with seat.lock:
                self._transaction(seat)
                return seat.connection.execute(self._find_link, (page_id, psid)).fetchone()  # type: ignore[union-attr]
        except UnicodeEncodeError:
            return None
        except (OSError, sqlite3.Error) as problem:
            raise self._file.unavailable(problem) from problem

    def write(self, work: Callable[[Transaction], T]) -> T:
        ticket = Ticket(work)
        self._queue.append(ticket)
        while not ticket.done:
            if self._holders or not self._turn.acquire(blocking=False):
                ticket.wait()
                continue
            try:
                if not ticket.done:
                    self._commit([self._queue.popleft() for _ in range(min(len(self._queue), LARGEST_GROUP))])
            finally:
                self._end_turn()
        return ticket.settle()

    def _end_turn(self) -> None:
        """Let go, and wake the writer that waits longest: it is in the queue before it looks for a turn."""
        self._turn.release()
        with suppress(IndexError):
            self._queue[0].wake()

    def scrub(self) -> None:
        """Leave nothing of deleted rows in the write-ahead log, as far as readers allow."""
        self._hold()
        try:
            self._transaction(seat := self._mine.seat)
            seat.connection.execute("pragma wal_checkpoint(truncate)")  # type: ignore[union-attr]
        except (OSError, sqlite3.Error, StoreUnavailable):
            pass
        finally:
            self._let_go()

    def beside(self) -> Path:
        """The database's file, beside which more may be kept."""
        return self.path

    def close(self) -> None:
        """Close the connections of all threads, when none is inside one."""
        self._hold()
        self._seats.hold()
        self._seats.close_held()
        self._seats.let_go()
        self._let_go()

    def hold_for_fork(self) -> None:
        """No transaction may be under way while the process forks, and no thread inside SQLite."""
        self._hold()
        self._seats.hold()
        self.opening.hold()

    def go_on_after_fork(self, *, in_child: bool) -> None:
        """Inherited connections are closed before another is opened: as long as they stand, SQLite takes the
        parent's locks for the child's own, and what the child commits could be lost."""
        if in_child:
            self._seats.close_held()
        self._seats.let_go()
        if in_child:
            self._reset_after_fork()
            self.opening.reset()
        else:
            self._let_go()
            self.opening.let_go()

    def _hold(self) -> None:
        """Keep writers from taking turns; one of them would always be quicker than we."""
        self._holders.append(threading.get_ident())
        self._turn.acquire()

    def _let_go(self) -> None:
        self._holders.pop()
        self._end_turn()

    def _reset_after_fork(self) -> None:
        self._holders: list[int] = []
        self._queue: deque[Ticket[Any]] = deque()
        self._turn = threading.Lock()

    def _commit(self, batch: list[Ticket[Any]]) -> None:
        try:
            seat = self._mine.seat
            self._leave_ghost(seat)
            transaction, connection = self._transaction(seat), seat.connection
            assert connection is not None
            self._begin(connection, min(ticket.deadline for ticket in batch))
            try:
                alone = len(batch) == 1  # then the transaction itself is what a failure undoes
                for ticket in batch:
                    self._run(ticket, transaction, alone)
                connection.execute("rollback" if alone and batch[0].error is not None else "commit")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("rollback")
                raise
        except BaseException as problem:
            # No waiter may take for committed what was not, however this thread's work ended.
            for ticket in batch:
                ticket.error = self._error_for_waiters(problem)
            if not isinstance(problem, OSError | sqlite3.Error | StoreUnavailable):
                raise
        finally:
            for ticket in batch:
                ticket.done = True
                ticket.wake()

    def _error_for_waiters(self, problem: BaseException) -> StoreUnavailable:
        if isinstance(problem, StoreUnavailable):
            return type(problem)(str(problem))
        return self._file.unavailable(problem)

    def _begin(self, connection: sqlite3.Connection, deadline: float) -> None:
        """Wait for the file's lock no longer than the one who has waited longest still may."""
        left_s = deadline - time.monotonic()
        if left_s > BUSY_TIMEOUT_S - 0.1:
            connection.execute("begin immediate")
            return
        connection.execute(f"pragma busy_timeout = {max(1, int(left_s * 1000))}")
        try:
            connection.execute("begin immediate")
        finally:
            connection.execute(f"pragma busy_timeout = {int(BUSY_TIMEOUT_S * 1000)}")

    def _run(self, ticket: Ticket[Any], transaction: Transaction, alone: bool) -> None:
        try:
            work = partial(ticket.work, transaction)
            ticket.result = work() if alone else transaction.isolated(work)
        except self.poison as problem:
            ticket.error = problem
        except sqlite3.Error:
            raise
        except Exception as problem:
            ticket.error = problem

    def _transaction(self, seat: Seat) -> Transaction:
        if seat.transaction is not None and time.monotonic() > seat.look_at:
            self._leave_ghost(seat)
        if not self.opening.is_done:
            self.opening.ensure()
        if seat.transaction is None or seat.pid != os.getpid():
            self._connect(seat)
        return seat.transaction  # type: ignore[return-value]

    def _leave_ghost(self, seat: Seat) -> None:
        """Never write to a file that was moved away or deleted under us, nor believe it for long.

        What was committed is put into the file it belongs to first: SQLite knows the log by its name only,
        and would lose it or read it into the file that has taken the place. The new file may be an older one:
        its tables are looked at before it is used.
        """
        if seat.transaction is not None and seat.inode != self._file.inode():
            with suppress(sqlite3.Error):
                seat.connection.execute("pragma wal_checkpoint(truncate)")  # type: ignore[union-attr]
            seat.close()
            self.opening.begin_again()
        seat.look_at = time.monotonic() + LOOK_FOR_GHOST_S

    def _connect(self, seat: Seat) -> None:
        seat.close()
        seat.connection = connection = self._file.connect()
        seat.transaction = Transaction(connection, self.statements)
        seat.pid = os.getpid()
        seat.inode = self._file.inode()
        seat.look_at = time.monotonic() + LOOK_FOR_GHOST_S
