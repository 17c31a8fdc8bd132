"""The tables to copy, derived from the steps of the schema, so that a new table is never left out."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from graphlib import TopologicalSorter

from bot_linking.stores.sql import SQLITE_WORDS, load_schema


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its columns in order; `counter`, the column that the database numbers automatically, or
    None; and `seeds`, the number of rows that the schema itself inserts."""

    name: str
    columns: tuple[str, ...]
    counter: str | None
    seeds: int


def steps_of(rooms: Mapping[str, str]) -> dict[str, set[str]]:
    """The steps that this release knows, by record of migrations; `rooms` maps its name to a package."""
    return {record: set(load_schema(SQLITE_WORDS, room=room)) for record, room in rooms.items()}


def tables_of(rooms: Iterable[str]) -> list[Table]:
    """The tables of these packages, each after those that its foreign keys name."""
    with closing(sqlite3.connect(":memory:")) as scratch:
        for room in rooms:
            for statements in load_schema(SQLITE_WORDS, room=room).values():
                for statement in statements:
                    scratch.execute(statement)
        return [_table(scratch, name) for name in _in_order(scratch)]


def _in_order(scratch: sqlite3.Connection) -> Iterable[str]:
    names = scratch.execute(
        "select name from sqlite_master where type = 'table' and name not like 'sqlite%' order by name"
    )
    needed = {
        name: {row[2] for row in scratch.execute(f"pragma foreign_key_list({name})")} - {name}
        for (name,) in names.fetchall()
    }
    return TopologicalSorter(needed).static_order()


def _table(scratch: sqlite3.Connection, name: str) -> Table:
    columns = scratch.execute(f"pragma table_info({name})").fetchall()
    (text,) = scratch.execute("select sql from sqlite_master where name = ?", (name,)).fetchone()
    counter = next((row[1] for row in columns if row[5]), None) if "autoincrement" in text else None
    (seeds,) = scratch.execute(f"select count(*) from {name}").fetchone()
    return Table(name, tuple(row[1] for row in columns), counter, seeds)
