"""Erasing a person reaches every table that has a PSID, including tables that are added later."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from bot_linking.stores.store import SQLStore

from .given import NOW, PAGE, PSID

OTHER = "24680135792468"


def _columns(connection: sqlite3.Connection, table: str) -> list[tuple[str, str]]:
    return [(name, kind) for _, name, kind, *_ in connection.execute(f"pragma table_info({table})")]


def _tables_of_persons(connection: sqlite3.Connection) -> list[str]:
    tables = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
    return [table for table in tables if "psid" in dict(_columns(connection, table))]


def _insert_row_about(connection: sqlite3.Connection, table: str, psid: str, number: int) -> None:
    """Insert a row with a value in every column, which names the page and the person."""
    values: dict[str, object] = {}
    for name, kind in _columns(connection, table):
        values[name] = number if kind.upper() == "INTEGER" else f"text {number}"
    values |= {"page_id": PAGE, "psid": psid}
    names, marks = ", ".join(values), ", ".join("?" for _ in values)
    connection.execute(f"insert into {table} ({names}) values ({marks})", tuple(values.values()))


def test_erasing_covers_every_table_with_a_psid_and_no_other_person(
    sqlite_store: SQLStore, path: Path
) -> None:
    with closing(sqlite3.connect(path)) as connection:
        tables = _tables_of_persons(connection)
        for table in tables:
            _insert_row_about(connection, table, PSID, 1)
            _insert_row_about(connection, table, OTHER, 2)
        connection.commit()
        assert {"links", "codes", "attempts", "outbox", "resumes", "unlinks_seen", "history"} <= set(tables)
        sqlite_store.erase(None, PSID, NOW)
        for table in tables:
            rows = connection.execute(f"select count(*) from {table} where psid = ?", (PSID,)).fetchone()
            others = connection.execute(f"select count(*) from {table} where psid = ?", (OTHER,)).fetchone()
            assert (rows, others) == ((0,), (1,)), table
