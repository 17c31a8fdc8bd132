"""Puts a backup in the place of a database, made ready beside it: an erased person stays erased."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bot_linking.core.codes import digest_of
from bot_linking.core.ports.erasures import Erasure
from bot_linking.stores.copying.plan import Table, steps_of, tables_of
from bot_linking.stores.copying.side import Side
from bot_linking.stores.copying.sqlite_side import SQLiteSide
from bot_linking.stores.erasures import list_beside, read_list, write_list
from bot_linking.stores.sql import load_statements, rooms
from bot_linking.stores.sqlite import files
from bot_linking.stores.sqlite.files import FileRefused
from bot_linking.stores.sqlite.holders import holders_of
from bot_linking.stores.store import SQLStore

OpenStore = Callable[[str], SQLStore]

_PEOPLE = ("psid", "consumed_by", "union_id")  # columns that may hold a PSID
_ROOM = "bot_linking.stores.sqlite"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a backup brings. Beside the database that it replaces, where that can be read, else None:
    `come_back` links were ended since and come back, `lost` links were made since, `unsent` messages had been
    sent since and were taken out, `revoked` API keys stay revoked."""

    links: int
    newest_change: int | None
    waiting: int
    erased: int
    unreadable: int
    come_back: int | None = None
    lost: int | None = None
    unsent: int | None = None
    revoked: int | None = None


def refuse_if_open(path: Path) -> None:
    """Raise `FileRefused` while any process, this one too, has the database open, as far as can be seen."""
    named = [path, *(path.with_name(path.name + suffix) for suffix in files.SIDE_FILES)]
    if found := holders_of(*named):
        who = ", ".join("this one" if pid == os.getpid() else str(pid) for pid in found)
        raise FileRefused(f"{path} is open in process {who}: stop the bot and what delivers for it first")


def refuse_if_foreign(file: Path) -> None:
    """Raise `FileRefused` unless the file is a whole database of this bot's, and of no newer release."""
    if not file.is_file():
        raise FileRefused(f"there is no file {file}")
    files.check(file)
    found, known = files.steps_in(file), rooms()
    if "bot_linking" not in found:
        raise FileRefused(f"{file} is a database, but none of this bot's")
    all_known = steps_of(known)
    if any(steps - all_known.get(record, set()) for record, steps in found.items()):
        raise FileRefused(f"{file} was written by a newer release: restore it with that one")


def make_ready(file: Path, path: Path, open_store: OpenStore) -> tuple[Path, Comparison]:
    """A copy of the backup beside the database: up to date, without the people who were erased since, and
    compared. Nothing that is there changes. `open_store` opens a store with all rooms that the app has."""
    ready = path.with_name(path.name + ".restoring")
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
    return ready, comparison


def replace(ready: Path, path: Path) -> None:
    """Put what was made ready in its place. Raises `FileRefused` while the database is in use."""
    refuse_if_open(path)
    with files.reported(path):
        _give_to_owner_of(path, ready)
        files.put_in_place(ready, path)


def keep_list(path: Path, store: SQLStore) -> None:
    """Let the list beside the database say the same as its table."""
    write_list(list_beside(path), store.list_erasures())


def erase_again(store: SQLStore, side: Side, missing: set[Erasure]) -> int:
    """Erase each person in the store whom the list names, and add the list to the store's; how many people
    there were to erase."""
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
    """What the database and the list beside it know, and how many lines of the list cannot be read."""
    found, unreadable = set[Erasure](), 0
    with suppress(FileNotFoundError):
        found, unreadable = read_list(list_beside(path).read_text("utf-8", "replace").splitlines())
    for row in _rows_of(path, "select erased_at, page_id, psid_digest from erasures"):
        found.add(Erasure(*row))
    return found, unreadable


def _rows_of(path: Path, query: str) -> list[Any]:
    """What can be read of a database that may be missing, damaged or older."""
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
    """What the present database says, put into effect in the backup; nothing where it cannot be read."""
    since: dict[str, int] = {}
    if path.exists():
        with suppress(sqlite3.Error):
            connection.execute("attach ? as now", (f"file:{quote(str(path))}?mode=rw",))
            connection.execute("begin immediate")
            for name in ("come_back", "lost"):
                since[name] = connection.execute(statements[f"count_{name}"]).fetchone()[0]
            since["unsent"] = connection.execute(statements["drop_sent"]).rowcount
            since["revoked"] = connection.execute(statements["revoke_again"]).rowcount
            connection.execute("commit")
    if connection.in_transaction:
        connection.execute("rollback")
        since.clear()
    yield since
    with suppress(sqlite3.Error):
        connection.execute("detach now")


def _give_to_owner_of(path: Path, fresh: Path) -> None:
    """Root may restore for the user whom the bot runs as."""
    if hasattr(os, "chown") and path.exists():
        old, new = path.stat(), fresh.stat()
        if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
            os.chown(fresh, old.st_uid, old.st_gid)
