"""The database file itself: how it is opened, made, and brought up to date."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bot_linking.core.errors import StoreUnavailable
from bot_linking.stores.opening import Recorded, Steps, Unfit
from bot_linking.stores.sqlite.threads import BUSY_TIMEOUT_S


def address_of(path: Path) -> str:
    """The address by which SQLite opens a file that exists, and makes none."""
    return f"file:{quote(str(path.absolute()))}?mode=rw"


class File:
    """One SQLite file as `stores.opening.Tables`."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.where = self.identity = f"the database file {self.path}"

    def inode(self) -> int:
        """The number by which a file that takes this one's place is recognised. Raises `OSError` when the
        file is gone."""
        return os.stat(self.path).st_ino

    def connect(self) -> sqlite3.Connection:
        """A connection with the settings that every transition needs. It makes no file. Raises
        `sqlite3.Error`."""
        connection = self._connect()
        try:
            _use_wal(connection)
            connection.execute("pragma synchronous = full")
            connection.execute("pragma foreign_keys = on")
            connection.execute("pragma secure_delete = on")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(
            address_of(self.path),
            uri=True,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
            cached_statements=256,
            check_same_thread=False,  # another thread may close it; `threads` has the locks for that
        )

    def recorded(self) -> Recorded | None:
        try:
            if not self.path.exists():
                return None
            if self.path.is_dir():
                raise Unfit(f"{self.path} is a folder, not a database file")
            with closing(self._connect()) as connection:
                return steps_in(connection)
        except (OSError, sqlite3.Error) as problem:
            raise self.unavailable(problem) from problem

    def apply(self, missing: Mapping[str, Steps], *, wait_s: float | None) -> list[str]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._create()
            with closing(self.connect()) as connection:
                if wait_s is not None:
                    connection.execute(f"pragma busy_timeout = {int(wait_s * 1000)}")
                return [each for room, steps in missing.items() for each in _apply(connection, room, steps)]
        except (OSError, sqlite3.Error) as problem:
            raise self.unavailable(problem) from problem

    def _create(self) -> None:
        """Make an empty file with mode 0600, unless there is one.

        A file that exists is not opened here: closing it again would drop the locks that SQLite holds on it
        for other connections of this process. Another process that closes its connection would then take
        itself for the last one, and delete the write-ahead log that is still in use.
        """
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            if not os.access(self.path, os.R_OK | os.W_OK):
                raise PermissionError(f"{self.path} is not readable and writable") from None

    def unavailable(self, problem: BaseException) -> StoreUnavailable:
        """The error for the store's callers."""
        return StoreUnavailable(f"{self.where} does not work: {problem}")


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch the file to WAL. While another connection does so, SQLite fails at once: try again."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("pragma journal_mode = wal")
            return
        except sqlite3.OperationalError as problem:
            if problem.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def steps_in(connection: sqlite3.Connection) -> dict[str, set[str]]:
    """The schema steps that were applied, by room. Read without sqlite-utils: its import takes longer than
    the rest of a start, and is needed only to apply a step."""
    found: dict[str, set[str]] = {}
    if not connection.execute(
        "select 1 from sqlite_master where name = '_sqlite_migrations' and type = 'table'"
    ).fetchone():
        return found
    for room, name in connection.execute("select migration_set, name from _sqlite_migrations"):
        found.setdefault(room, set()).add(name)
    return found


def ours_in(connection: sqlite3.Connection) -> dict[str, set[str]]:
    """The same of our own rooms alone: other users of sqlite-utils record their steps in the same table."""
    found = steps_in(connection).items()
    return {record: steps for record, steps in found if record.startswith("bot_linking")}


def _apply(connection: sqlite3.Connection, room: str, steps: Steps) -> list[str]:
    """Apply the pending steps as sqlite-utils migrations, which keep the record of what was applied."""
    import sqlite_utils

    migrations = sqlite_utils.Migrations(room)
    for name, statements in steps.items():

        def apply(database: Any, statements: list[str] = statements) -> None:
            for statement in statements:
                database.conn.execute(statement)

        migrations(name=name)(apply)
    database = sqlite_utils.Database(connection, recursive_triggers=False, execute_plugins=False)
    connection.execute("begin immediate")
    missing = [f"{room} {step.name}" for step in migrations.pending(database)]
    migrations.apply(database)
    connection.execute("commit")
    return missing
