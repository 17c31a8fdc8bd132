"""The SQLite engine: one file, WAL, every commit flushed to disk.

Writers of one process stand in one queue, and whoever reaches its head commits for all who wait: one
flush for many transitions, and nobody starves behind SQLite's unfair busy handler. Each transition is
still all or nothing, by a savepoint.
"""

from __future__ import annotations

import os
import re
import sqlite3
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from bot_linking.core.errors import StoreUnavailable
from bot_linking.stores.sql import STORES, load_schema, load_statements
from bot_linking.stores.sqlite.threads import BUSY_TIMEOUT_S, Connections, Readers, Row, Ticket, Transaction

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

    def __init__(self, path: str) -> None:
        self.path = Path(path).absolute()
        self.applied: list[str] = []
        self.statements = load_statements()
        self._find_link = re.sub(r":\w+", "?", self.statements["find_link"])
        self._readers = Readers()
        self._local = Connections(self._readers)
        self._reset_after_fork()
        self._migrate("bot_linking", STORES)
        _mind_forks(weakref.ref(self))

    def extend(self, name: str, room: str) -> None:
        """Take in the tables and statements of another room, under a record of migrations of their own."""
        self._migrate(name, room)
        self.statements.update(load_statements(room=room))

    def read(self, name: str, **values: Any) -> list[Row]:
        """The rows of one statement, as last committed."""
        try:
            with self._local.lock:
                return self._transaction().all(name, **values)
        except UnicodeEncodeError:  # no row can hold what is no text
            return []
        except (OSError, sqlite3.Error) as problem:
            raise self._unavailable(problem) from problem

    def read_link(self, page_id: str, psid: str) -> Any:
        """One link as a bare tuple: what a bot asks on every message."""
        local = self._local
        try:
            with local.lock:
                self._transaction()
                return local.connection.execute(self._find_link, (page_id, psid)).fetchone()  # type: ignore[union-attr]
        except UnicodeEncodeError:
            return None
        except (OSError, sqlite3.Error) as problem:
            raise self._unavailable(problem) from problem

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Run one transition and return when it is on disk.

        What it raises undoes it alone and comes out here. Raises `StoreUnavailable` when nothing could
        be committed.
        """
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
        """Let go, and wake whoever has waited longest: it is in the queue before it looks for a turn."""
        self._turn.release()
        with suppress(IndexError):
            self._queue[0].wake()

    def scrub(self) -> None:
        """Leave nothing of deleted rows in the write-ahead log, as far as readers allow."""
        self._hold()
        try:
            self._transaction()
            self._local.connection.execute("pragma wal_checkpoint(truncate)")  # type: ignore[union-attr]
        except sqlite3.Error:
            pass
        finally:
            self._let_go()

    def beside(self) -> Path:
        """The database's file, beside which more may be kept."""
        return self.path

    def close(self) -> None:
        """Close this thread's connection; those of other threads close with them."""
        with self._local.lock:
            self._drop()

    def _drop(self) -> None:
        if self._local.connection is not None and self._local.pid == os.getpid():
            self._local.connection.close()
        self._local.connection = self._local.transaction = None

    def hold_for_fork(self) -> None:
        """No transaction may be under way while the process forks, and no thread inside SQLite."""
        self._hold()
        self._readers.hold()

    def go_on_after_fork(self, *, in_child: bool) -> None:
        """An inherited connection is closed before another is opened: as long as it stands, SQLite takes
        the parent's locks for the child's own, and what the child commits could be lost."""
        self._readers.let_go()
        if in_child:
            if self._local.connection is not None:
                self._local.connection.close()
                self._local.connection = self._local.transaction = None
            self._reset_after_fork()
        else:
            self._let_go()

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
            self._leave_ghost()
            transaction = self._transaction()
            connection = self._local.connection
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
            # Nobody may take for committed what was not, whatever ended this thread's work.
            for ticket in batch:
                ticket.error = self._unavailable(problem)
            if not isinstance(problem, OSError | sqlite3.Error):
                raise
        finally:
            for ticket in batch:
                ticket.done = True
                ticket.wake()

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

    def _transaction(self) -> Transaction:
        local = self._local
        if local.transaction is not None and time.monotonic() > local.look_at:
            self._leave_ghost()
        if local.transaction is None or local.pid != os.getpid():
            self._connect()
        return local.transaction  # type: ignore[return-value]

    def _leave_ghost(self) -> None:
        """Never write to a file that was moved away or deleted under us, nor believe it for long.

        What was committed is put into the file it belongs to first: SQLite knows the log by its name only,
        and would lose it or read it into whatever file has taken the place.
        """
        local = self._local
        if local.transaction is not None and local.inode != os.stat(self.path).st_ino:
            with suppress(sqlite3.Error):
                local.connection.execute("pragma wal_checkpoint(truncate)")  # type: ignore[union-attr]
            self._drop()
        local.look_at = time.monotonic() + LOOK_FOR_GHOST_S

    def _connect(self) -> None:
        local = self._local
        local.connection = connection = self._open()
        local.transaction = Transaction(connection, self.statements)
        local.pid = os.getpid()
        local.inode = os.stat(self.path).st_ino

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"file:{_quoted(self.path)}?mode=rw",
            uri=True,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
            cached_statements=256,
        )
        try:
            _use_wal(connection)
            connection.execute("pragma synchronous = full")
            connection.execute("pragma foreign_keys = on")
            connection.execute("pragma secure_delete = on")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _migrate(self, name: str, room: str) -> None:
        """Create the file with mode 0600 and bring its schema up to date, whoever else starts now."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._create()
            connection = self._open()
        except (OSError, sqlite3.Error) as problem:
            raise self._unavailable(problem) from problem
        try:
            steps = load_schema(_WORDS, room=room)
            if not _recorded(connection, name) >= steps.keys():
                self.applied += _apply(connection, name, steps)
        except sqlite3.Error as problem:
            raise self._unavailable(problem) from problem
        finally:
            connection.close()

    def _create(self) -> None:
        """An empty file for its owner alone, unless there is one.

        One that is there is never opened here, as closing it would take away the locks that SQLite holds on
        it for other connections of this process: another process, closing its own, would then believe to be
        the last and delete the write-ahead log under them.
        """
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            if not os.access(self.path, os.R_OK | os.W_OK):
                raise PermissionError(f"{self.path} is not readable and writable") from None

    def _unavailable(self, problem: BaseException) -> StoreUnavailable:
        return StoreUnavailable(f"the database file {self.path} does not work: {problem}")


def _use_wal(connection: sqlite3.Connection) -> None:
    """Only the first who opens a file has to change it; SQLite lets nobody wait who comes meanwhile."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("pragma journal_mode = wal")
            return
        except sqlite3.OperationalError as problem:
            if problem.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _mind_forks(engine: weakref.ref[SQLiteEngine]) -> None:
    """See to the engine's connections when this process forks, for as long as the engine lives."""
    held: list[SQLiteEngine] = []

    def before() -> None:
        if (here := engine()) is not None:
            here.hold_for_fork()
            held.append(here)

    def after(*, in_child: bool) -> None:
        while held:
            held.pop().go_on_after_fork(in_child=in_child)

    os.register_at_fork(
        before=before,
        after_in_parent=lambda: after(in_child=False),
        after_in_child=lambda: after(in_child=True),
    )


def _recorded(connection: sqlite3.Connection, of: str) -> set[str]:
    """The schema steps that were applied. Asked without sqlite-utils, which takes longer to load than all
    the rest of a start, and is only needed when there is a step to apply."""
    try:
        found = connection.execute("select name from _sqlite_migrations where migration_set = ?", (of,))
        return {name for (name,) in found}
    except sqlite3.OperationalError:  # a new file has no such table
        return set()


def _apply(connection: sqlite3.Connection, of: str, steps: dict[str, list[str]]) -> list[str]:
    """Apply the pending steps as sqlite-utils migrations, which keep the record of what was applied."""
    import sqlite_utils

    migrations = sqlite_utils.Migrations(of)
    for name, statements in steps.items():

        def apply(database: Any, statements: list[str] = statements) -> None:
            for statement in statements:
                database.conn.execute(statement)

        migrations(name=name)(apply)
    database = sqlite_utils.Database(connection, recursive_triggers=False, execute_plugins=False)
    connection.execute("begin immediate")
    missing = [f"{of} {step.name}" for step in migrations.pending(database)]
    migrations.apply(database)
    connection.execute("commit")
    return missing


def _quoted(path: Path) -> str:
    from urllib.parse import quote

    return quote(str(path))
