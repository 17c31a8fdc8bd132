"""A SQLite file as source or target of a copy."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from bot_linking.core.errors import StoreUnavailable
from bot_linking.stores.copying.plan import Table
from bot_linking.stores.copying.side import CHUNK, Rows
from bot_linking.stores.paths import real_path
from bot_linking.stores.sqlite.file import address_of, ours_in
from bot_linking.stores.sqlite.files import SIDE_FILES, reported

Marks = tuple[int, int, int]  # that a write changes

WAIT_S = 5.0
_OF_SQLITE = ("sqlite_", "_sqlite_migrations")  # its own tables, and the record of sqlite-utils
_CACHE_KIB = 64 * 1024


class SQLiteSide:
    """One file. A missing one has no tables."""

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._connection: sqlite3.Connection | None = None
        self._marks: Marks | None = None  # of a file that is read without a lock
        with reported(self._path):
            if self._path.exists():
                self._marks = _marks_of(self._path) if _is_at_rest(self._path) else None
                self._connection = _open(self._path, is_at_rest=self._marks is not None)

    def identity(self) -> tuple[Any, ...]:
        with reported(self._path):
            return ("sqlite", str(real_path(self._path)))

    def steps(self) -> dict[str, set[str]]:
        if not self._has("_sqlite_migrations"):
            return {}
        with reported(self._path):
            return ours_in(self._here())

    def hold_still(self, tables: Sequence[Table]) -> None:
        try:
            self._ask("begin immediate")
        except StoreUnavailable as problem:
            if not _is_read_only(problem.__cause__):
                raise
            self._ask("begin")  # then no process of this system writes there

    def take(self, tables: Sequence[Table]) -> None:
        self._ask("begin immediate")
        self._ask("pragma defer_foreign_keys = on")

    def count(self, table: Table) -> int:
        if not self._has(table.name):
            return 0
        ((count,),) = self._ask(f"select count(*) from {table.name}")
        return int(count)

    def others(self, ours: Collection[str]) -> list[str]:
        if self._connection is None:
            return []
        found = self._ask("select name from sqlite_master where type = 'table' order by name")
        return [name for (name,) in found if name not in ours and not name.startswith(_OF_SQLITE)]

    def rows(self, table: Table) -> Iterator[Rows]:
        with reported(self._path):
            cursor = self._here().execute(f"select {_listed(table)} from {table.name}")
            while chunk := cursor.fetchmany(CHUNK):
                yield chunk
        if self._marks not in (None, _marks_of(self._path)):
            raise StoreUnavailable(
                f"{self._path} was written to meanwhile: stop what does that, and copy again"
            )

    def clear(self, table: Table) -> None:
        self._ask(f"delete from {table.name}")

    def fill(self, table: Table, chunks: Iterable[Rows]) -> None:
        places = ", ".join("?" * len(table.columns))
        insert = f"insert into {table.name} ({_listed(table)}) values ({places})"
        for chunk in chunks:
            with reported(self._path):
                self._here().executemany(insert, chunk)

    def last_number(self, table: Table) -> int:
        rows = self._ask("select seq from sqlite_sequence where name = ?", table.name)
        return int(rows[0][0]) if rows else 0

    def set_last_number(self, table: Table, number: int) -> None:
        self._ask("delete from sqlite_sequence where name = ?", table.name)
        self._ask("insert into sqlite_sequence (name, seq) values (?, ?)", table.name, number)

    def commit(self) -> None:
        self._ask("commit")
        with suppress(StoreUnavailable):
            self._ask("pragma wal_checkpoint(truncate)")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _has(self, name: str) -> bool:
        if self._connection is None:
            return False
        return bool(self._ask("select 1 from sqlite_master where type = 'table' and name = ?", name))

    def _here(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreUnavailable(f"there is no database file {self._path}")
        return self._connection

    def _ask(self, statement: str, *values: Any) -> Rows:
        with reported(self._path):
            return self._here().execute(statement, values).fetchall()


def _open(path: Path, *, is_at_rest: bool) -> sqlite3.Connection:
    address = _address_without_side_files(path) if is_at_rest else address_of(path)
    connection = sqlite3.connect(address, uri=True, timeout=WAIT_S, isolation_level=None)
    connection.execute(f"pragma cache_size = -{_CACHE_KIB}")
    connection.execute("pragma synchronous = full")
    connection.execute("pragma foreign_keys = on")
    return connection


def _is_at_rest(path: Path) -> bool:
    """Whether this user can make no side files, and needs none: no process has the database open, and none
    that had it was killed."""
    if os.access(path.parent, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        return False
    beside = (path.with_name(path.name + suffix) for suffix in SIDE_FILES)
    return not any(each.exists() and each.stat().st_size for each in beside)


def _marks_of(path: Path) -> Marks:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _address_without_side_files(path: Path) -> str:
    """The address by which SQLite reads a file and makes none beside it, not even those of the WAL mode."""
    return address_of(path).replace("?mode=rw", "?mode=ro&immutable=1")


def _listed(table: Table) -> str:
    return ", ".join(table.columns)


def _is_read_only(problem: BaseException | None) -> bool:
    return isinstance(problem, sqlite3.Error) and problem.sqlite_errorcode & 0xFF == sqlite3.SQLITE_READONLY
