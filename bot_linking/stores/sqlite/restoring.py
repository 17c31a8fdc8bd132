"""Restores a backup: makes it ready beside the database, then replaces the database. Erased people stay
erased."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot_linking.core.codes import digest_of
from bot_linking.core.ports.erasures import Erasure
from bot_linking.stores.copying.plan import Table, steps_of, tables_of
from bot_linking.stores.copying.side import Side
from bot_linking.stores.copying.sqlite_side import SQLiteSide
from bot_linking.stores.erasures import list_beside, read_list, write_list
from bot_linking.stores.sql import load_statements, rooms
from bot_linking.stores.sqlite import files
from bot_linking.stores.sqlite.file import address_of
from bot_linking.stores.sqlite.files import FileRefused
from bot_linking.stores.sqlite.holders import holders_of
from bot_linking.stores.store import SQLStore

OpenStore = Callable[[str], SQLStore]

_PEOPLE = ("psid", "consumed_by", "union_id")  # columns that may hold a PSID
_ROOM = "bot_linking.stores.sqlite"
_MAGIC = b"SQLite format 3\0"  # what every file of SQLite's begins with


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a backup holds, and how it differs from the database that it replaces.

    The last five are None where that database cannot be read: `come_back` counts links that have ended since
    and come back, `lost` links that were made since, `unsent` messages that were sent since and are taken out
    of the backup, `revoked` API keys that stay revoked, `kept` pages that were changed, tokens that were
    ended and second factors that were set up since, which stay so.
    """

    links: int
    newest_change: int | None
    waiting: int
    erased: int
    unreadable: int
    come_back: int | None = None
    lost: int | None = None
    unsent: int | None = None
    revoked: int | None = None
    kept: int | None = None


def refuse_if_open(path: Path) -> None:
    """Raise `FileRefused` when a process, this one included, is seen to have the database open."""
    named = [path, *(path.with_name(path.name + suffix) for suffix in files.SIDE_FILES)]
    if found := holders_of(*named):
        who = ", ".join("this one" if pid == os.getpid() else str(pid) for pid in found)
        raise FileRefused(f"{path} is open in process {who}: stop the bot and what delivers for it first")


def refuse_if_foreign(file: Path) -> None:
    """Raise `FileRefused` unless the file is an undamaged database of this bot, of this release or older."""
    if not file.is_file():
        raise FileRefused(f"{file} is no regular file" if file.exists() else f"there is no file {file}")
    files.check(file)
    found, known = files.steps_in(file), rooms()
    if "bot_linking" not in found:
        raise FileRefused(f"{file} is a database, but none of this bot's")
    all_known = steps_of(known)
    if any(steps - all_known.get(record, set()) for record, steps in found.items()):
        raise FileRefused(f"{file} was written by a newer release: restore it with that one")


def refuse_to_replace_another(path: Path) -> None:
    """Raise `FileRefused` where the database's file is another program's. One of ours that is damaged is
    replaced; so is an empty file."""
    if not path.exists() or (path.is_file() and not path.stat().st_size):
        return
    if not path.is_file():
        raise FileRefused(f"{path} is there and is no file: is BOT_LINKING_DATABASE right?")
    with files.reported(path), open(path, "rb") as opened:
        is_sqlite = opened.read(len(_MAGIC)) == _MAGIC
    if not is_sqlite or files.is_anothers(path):
        raise FileRefused(
            f"{path} is there and is no database of this bot's: is BOT_LINKING_DATABASE right? If it may go,"
            " move it away first"
        )


def make_ready(file: Path, path: Path, open_store: OpenStore) -> tuple[Path, Comparison]:
    """Make a copy of the backup beside the database: with its tables up to date, without the people who were
    erased since, and compared. The backup and the database stay as they are; a missing folder is made.
    `open_store` opens a store with all rooms of the app. When it raises, it leaves no copy behind."""
    ready = path.with_name(path.name + ".restoring")
    try:
        return ready, _make_ready(file, path, ready, open_store)
    except BaseException:
        with suppress(OSError):
            files.remove(ready)
        raise


def _make_ready(file: Path, path: Path, ready: Path, open_store: OpenStore) -> Comparison:
    path.parent.mkdir(parents=True, exist_ok=True)
    files.copy_file(file, ready)
    listed, unreadable = _erasures(path)
    store = open_store(f"sqlite:///{ready}")
    try:
        missing = listed - set(store.list_erasures())
        erased = erase_again(store, SQLiteSide(ready), missing)
    finally:
        store.close()
        list_beside(ready).unlink(missing_ok=True)
    with files.reported(ready), closing(files.connect(ready)) as connection:
        comparison = _compare(connection, path, erased, unreadable)
        connection.execute("pragma journal_mode = delete")
    files.flush(ready)
    return comparison


def replace(ready: Path, path: Path) -> None:
    """Replace the database by the copy that was made ready. Raises `FileRefused` while it is in use."""
    refuse_if_open(path)
    with files.reported(path):
        _give_to_owner_of(path, ready)
        files.put_in_place(ready, path)


def keep_list(path: Path, store: SQLStore) -> None:
    """Write the table of erasures into the list beside the database."""
    write_list(list_beside(path), store.list_erasures())


def erase_again(store: SQLStore, side: Side, missing: set[Erasure]) -> int:
    """Erase each person in the store whom the list names, and add the list to the store's. Returns the number
    of people who were erased."""
    by_digest: dict[str, list[Erasure]] = {}
    for each in missing:
        by_digest.setdefault(each.psid_digest, []).append(each)
    with closing(side):
        found = {psid for psid in _people(side) if digest_of(psid) in by_digest} if missing else set()
    for psid in found:
        for each in by_digest[digest_of(psid)]:
            store.erase(each.page_id or None, psid, each.erased_at)
    store.add_erasures(missing)
    return len(found)


def _erasures(path: Path) -> tuple[set[Erasure], int]:
    """The erasures of the database and of the list beside it, and how many lines cannot be read."""
    found, unreadable = set[Erasure](), 0
    with suppress(FileNotFoundError):
        found, unreadable = read_list(list_beside(path).read_text("utf-8", "replace").splitlines())
    for row in _rows_of(path, "select erased_at, page_id, psid_digest from erasures"):
        found.add(Erasure(*row))
    return found, unreadable


def _rows_of(path: Path, query: str) -> list[Any]:
    """The rows of a query; empty where the database is missing, damaged or older than the table."""
    if path.exists():
        with suppress(sqlite3.Error), closing(files.connect(path)) as connection:
            return connection.execute(query).fetchall()
    return []


def _people(side: Side) -> Iterator[str]:
    for table in tables_of(rooms().values()):
        for column in set(_PEOPLE) & set(table.columns):
            if side.count(table):
                for chunk in side.rows(Table(table.name, (column,), None, 0)):
                    yield from (value for (value,) in chunk if isinstance(value, str))


def _compare(connection: sqlite3.Connection, path: Path, erased: int, unreadable: int) -> Comparison:
    statements = load_statements("restoring.sql", room=_ROOM)

    def ask(name: str) -> Any:
        return connection.execute(statements[name]).fetchone()[0]

    with _beside(connection, path, statements) as since:
        return Comparison(
            ask("count_links"), ask("newest_change"), ask("count_waiting"), erased, unreadable, **since
        )


@contextmanager
def _beside(
    connection: sqlite3.Connection, path: Path, statements: dict[str, str]
) -> Iterator[dict[str, int]]:
    """Take what was sent, revoked and replaced since from the present database into the backup, and count the
    differences; an empty dict where the present database cannot be read."""
    since: dict[str, int] = {}
    if path.exists():
        with suppress(sqlite3.Error):
            connection.execute("attach ? as now", (address_of(path),))
            connection.execute("begin immediate")
            for name in ("come_back", "lost"):
                since[name] = connection.execute(statements[f"count_{name}"]).fetchone()[0]
            since["unsent"] = connection.execute(statements["drop_sent"]).rowcount
            since["revoked"] = connection.execute(statements["revoke_again"]).rowcount
            since["kept"] = sum(_keep(connection, room) for room in rooms().values())
            connection.execute("commit")
    if connection.in_transaction:
        connection.execute("rollback")
        since.clear()
    yield since
    with suppress(sqlite3.Error):
        connection.execute("detach now")


def _keep(connection: sqlite3.Connection, room: str) -> int:
    """Keep what the present database has made of a room's tokens and secrets since, and count that; 0 where
    it is older than their tables."""
    kept = 0
    try:
        for name, statement in load_statements("keeping.sql", room=room).items():
            found = connection.execute(statement)
            if name == "count_kept":
                kept = found.fetchone()[0]
    except sqlite3.OperationalError as problem:
        if problem.sqlite_errorcode != sqlite3.SQLITE_ERROR:
            raise
    return kept


def _give_to_owner_of(path: Path, fresh: Path) -> None:
    """Keep the file's owner: root may restore for the user that the bot runs as."""
    if hasattr(os, "chown") and path.exists():
        old, new = path.stat(), fresh.stat()
        if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
            os.chown(fresh, old.st_uid, old.st_gid)
