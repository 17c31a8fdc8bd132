"""The SQLite engine: one file, WAL, every commit flushed to disk.

The writers of a process stand in one queue. The writer at its head commits for all who wait: one flush for
many transitions, each still all or nothing by a savepoint. The queue is also fair, as SQLite's own busy
handler is not.
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
from bot_linking.stores.sql import SQLITE_WORDS, STORES, load_schema, load_statements
from bot_linking.stores.sqlite.file import File
from bot_linking.stores.sqlite.threads import BUSY_TIMEOUT_S, Handle, Handles, Job, Mine, Row, Transaction

T = TypeVar("T")
LOOK_AT_FILE_S = 1.0  # for readers; writers look each time
LARGEST_GROUP = 64  # transitions in one commit


class SQLiteEngine:
    """Runs named statements against one file; made for `SQLStore`."""

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
        self._handles = Handles()
        self._mine = Mine(self._handles)
        self._reset_after_fork()
        self.extend(OURS, STORES)
        self._find_link = re.sub(r":\w+", "?", self.statements["find_link"])
        mind_forks(self)

    @property
    def path(self) -> Path:
        return self._file.path

    def extend(self, name: str, room: str) -> None:
        self.opening.expect(name, load_schema(SQLITE_WORDS, room=room))
        self.statements.update(load_statements(room=room))

    def read(self, name: str, **values: Any) -> list[Row]:
        handle = self._mine.handle
        try:
            with handle.lock:
                return self._transaction(handle).all(name, **values)
        except UnicodeEncodeError:  # no row can hold half a surrogate pair
            return []
        except (OSError, sqlite3.Error) as problem:
            raise self._file.unavailable(problem) from problem

    def read_link(self, page_id: str, psid: str) -> Any:
        handle = self._mine.handle
        try:
            with handle.lock:
                self._transaction(handle)
                return handle.connection.execute(self._find_link, (page_id, psid)).fetchone()  # type: ignore[union-attr]
        except UnicodeEncodeError:
            return None
        except (OSError, sqlite3.Error) as problem:
            raise self._file.unavailable(problem) from problem

    def write(self, work: Callable[[Transaction], T]) -> T:
        job = Job(work)
        self._queue.append(job)
        while not job.done:
            if self._holders or not self._turn.acquire(blocking=False):
                job.wait()
                continue
            try:
                if not job.done:
                    self._commit([self._queue.popleft() for _ in range(min(len(self._queue), LARGEST_GROUP))])
            finally:
                self._end_turn()
        return job.settle()

    def _end_turn(self) -> None:
        """Let go, and wake the writer that waits longest. It cannot be missed: a writer joins the queue
        before it tries to take a turn."""
        self._turn.release()
        with suppress(IndexError):
            self._queue[0].wake()

    def scrub(self) -> None:
        """Empty the write-ahead log, as far as readers allow; `secure_delete` has overwritten the rows in the
        file."""
        self._hold()
        try:
            self._transaction(handle := self._mine.handle)
            handle.connection.execute("pragma wal_checkpoint(truncate)")  # type: ignore[union-attr]
        except (OSError, sqlite3.Error, StoreUnavailable):
            pass
        finally:
            self._let_go()

    def beside(self) -> Path:

        return self.path

    def close(self) -> None:
        """Close the connections of all threads, once no thread is using one."""
        self._hold()
        self._handles.hold()
        self._handles.close_held()
        self._handles.let_go()
        self._let_go()

    def hold_for_fork(self) -> None:
        """Wait until no transaction is under way and no thread is inside SQLite."""
        self._hold()
        self._handles.hold()
        self.opening.hold()

    def go_on_after_fork(self, *, in_child: bool) -> None:
        """In the child, close the inherited connections before another is opened: while they are open, SQLite
        takes the parent's locks for the child's own, and a commit of the child could be lost."""
        if in_child:
            self._handles.close_held()
        self._handles.let_go()
        if in_child:
            self._reset_after_fork()
            self.opening.reset()
        else:
            self._let_go()
            self.opening.let_go()

    def _hold(self) -> None:
        """Take the turn ahead of the writers, which would otherwise always be faster."""
        self._holders.append(threading.get_ident())
        self._turn.acquire()

    def _let_go(self) -> None:
        self._holders.pop()
        self._end_turn()

    def _reset_after_fork(self) -> None:
        self._holders: list[int] = []
        self._queue: deque[Job[Any]] = deque()
        self._turn = threading.Lock()

    def _commit(self, batch: list[Job[Any]]) -> None:
        try:
            handle = self._mine.handle
            self._drop_if_replaced(handle)
            transaction, connection = self._transaction(handle), handle.connection
            assert connection is not None
            self._begin(connection, min(job.deadline for job in batch))
            try:
                alone = len(batch) == 1  # needs no savepoint: the transaction itself is rolled back
                for job in batch:
                    self._run(job, transaction, alone)
                connection.execute("rollback" if alone and batch[0].error is not None else "commit")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("rollback")
                raise
        except BaseException as problem:
            # However this thread failed, every waiter must hear that its transition was not committed.
            for job in batch:
                job.error = self._error_for_waiters(problem)
            if not isinstance(problem, OSError | sqlite3.Error | StoreUnavailable):
                raise
        finally:
            for job in batch:
                job.done = True
                job.wake()

    def _error_for_waiters(self, problem: BaseException) -> StoreUnavailable:
        if isinstance(problem, StoreUnavailable):
            return type(problem)(str(problem))
        return self._file.unavailable(problem)

    def _begin(self, connection: sqlite3.Connection, deadline: float) -> None:
        """Begin a write transaction, waiting for the file's lock no longer than until `deadline`."""
        left_s = deadline - time.monotonic()
        if left_s > BUSY_TIMEOUT_S - 0.1:
            connection.execute("begin immediate")
            return
        connection.execute(f"pragma busy_timeout = {max(1, int(left_s * 1000))}")
        try:
            connection.execute("begin immediate")
        finally:
            connection.execute(f"pragma busy_timeout = {int(BUSY_TIMEOUT_S * 1000)}")

    def _run(self, job: Job[Any], transaction: Transaction, alone: bool) -> None:
        try:
            work = partial(job.work, transaction)
            job.result = work() if alone else transaction.isolated(work)
        except self.poison as problem:
            job.error = problem
        except sqlite3.Error:
            raise
        except Exception as problem:
            job.error = problem

    def _transaction(self, handle: Handle) -> Transaction:
        if handle.transaction is not None and time.monotonic() > handle.look_at:
            self._drop_if_replaced(handle)
        if not self.opening.is_done:
            self.opening.ensure()
        if handle.transaction is None or handle.pid != os.getpid():
            self._connect(handle)
        return handle.transaction  # type: ignore[return-value]

    def _drop_if_replaced(self, handle: Handle) -> None:
        """Close the connection when another file has taken the place of the one that it opened.

        The write-ahead log is first put into the file that it belongs to: SQLite finds a log by its name
        alone, and would lose it or read it into the new file. The new file may be an older one, so its tables
        are checked before it is used.
        """
        if handle.transaction is not None and handle.inode != self._file.inode():
            with suppress(sqlite3.Error):
                handle.connection.execute("pragma wal_checkpoint(truncate)")  # type: ignore[union-attr]
            handle.close()
            self.opening.begin_again()
        handle.look_at = time.monotonic() + LOOK_AT_FILE_S

    def _connect(self, handle: Handle) -> None:
        handle.close()
        handle.open(self._file.connect(), self.statements)
        handle.pid = os.getpid()
        handle.inode = self._file.inode()
        handle.look_at = time.monotonic() + LOOK_AT_FILE_S
