"""A database as a file: copy it while it is in use, check it, replace another by it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from bot_linking.core.errors import BotLinkingError, StoreUnavailable
from bot_linking.stores.sqlite.file import address_of, ours_in

SIDE_FILES = ("-wal", "-shm", "-journal")
_WAIT_S = 3.0


class FileRefused(BotLinkingError):
    """A file was not used or not replaced, as data would be lost; the text says which file and why."""

    slug = "file_refused"


def copy_file(source: Path, target: Path) -> None:
    """Copy a database, which may be in use, into a new file with mode 0600: checked, on disk, and without
    side files. A file that was there is replaced.

    Raises `FileRefused`, `StoreUnavailable`, and `OSError` where no target can be made.
    """
    remove(target)
    os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    with reported(source), closing(connect(source)) as old:
        old.execute("begin")
        old.execute("select 1 from sqlite_master").fetchone()  # it can be read: what fails next is the target
        with reported(target), closing(connect(target)) as new:
            old.backup(new)  # in one step: with several, each write of another process would start it again
            new.execute("pragma journal_mode = delete")
    check(target)
    flush(target)


def check(path: Path) -> None:
    """Raise `FileRefused` unless the file is an undamaged SQLite database."""
    try:
        with closing(connect(path)) as connection:
            found = [row[0] for row in connection.execute("pragma integrity_check(3)")]
            found = found if found != ["ok"] else []
            found += [
                f"a reference of {row[0]} leads nowhere"
                for row in connection.execute("pragma foreign_key_check")
            ]
    except sqlite3.Error as problem:
        raise FileRefused(f"{path} is not a whole database: {problem}") from None
    if found:
        raise FileRefused(f"{path} is not a whole database: {found[0]}")


def steps_in(path: Path) -> dict[str, set[str]]:
    """The schema steps of our rooms that a database records, by room; empty for any other file."""
    with suppress(sqlite3.Error), closing(connect(path)) as connection:
        return ours_in(connection)
    return {}


def is_anothers(path: Path) -> bool:
    """Whether a database can be read and holds tables, but none of ours."""
    with suppress(sqlite3.Error), closing(connect(path)) as connection:
        has_tables = connection.execute("select 1 from sqlite_master limit 1").fetchone() is not None
        return has_tables and "bot_linking" not in ours_in(connection)
    return False


def put_in_place(fresh: Path, path: Path) -> None:
    """Replace a database that no process has open by one that has no side files.

    At every moment either the old or the new one is there. Raises `FileRefused` while the old one is in use.
    """
    with _to_itself(path):
        for suffix in SIDE_FILES:
            with suppress(FileNotFoundError):
                path.with_name(path.name + suffix).unlink()
        os.replace(fresh, path)
        flush(path.parent)


@contextmanager
def _to_itself(path: Path) -> Iterator[None]:
    """Lock the file against every other process, with its write-ahead log put into it. A file that is no
    database needs no lock."""
    if not path.exists():
        yield
        return
    connection = connect(path)
    try:
        try:
            connection.execute("pragma journal_mode = delete")  # fails while another process is connected
            connection.execute("begin exclusive")
        except sqlite3.OperationalError as problem:
            if problem.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                raise FileRefused(f"{path} is in use by another process") from None
        except sqlite3.DatabaseError:  # a damaged file may be replaced
            pass
        if os.name == "nt":  # there an open file cannot be replaced
            connection.close()
        yield
    finally:
        connection.close()


def remove(path: Path) -> None:
    """Remove a database with its side files. A missing file is no error, nor a missing folder."""
    for suffix in ("", *SIDE_FILES):
        with suppress(FileNotFoundError, NotADirectoryError):
            path.with_name(path.name + suffix).unlink()


def connect(path: Path) -> sqlite3.Connection:
    """A connection to a file that exists; it makes none."""
    connection = sqlite3.connect(address_of(path), uri=True, timeout=_WAIT_S, isolation_level=None)
    connection.execute("pragma secure_delete = on")
    return connection


def flush(path: Path) -> None:
    """Flush a file, or the names in a folder, to disk."""
    if path.is_dir() and os.name == "nt":
        return
    number = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)  # Windows flushes no read-only file
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextmanager
def reported(path: Path) -> Iterator[None]:
    """Raise errors of SQLite and of the disk as `StoreUnavailable`."""
    try:
        yield
    except (OSError, sqlite3.Error) as problem:
        raise StoreUnavailable(f"the database file {path} does not work: {problem}") from problem
