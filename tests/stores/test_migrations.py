"""Migrations from every earlier version lead to the schema that a new database gets."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bot_linking.core.errors import StoreUnavailable
from bot_linking.stores import open_store, sql
from tests import postgres

Columns = dict[str, list[tuple[Any, ...]]]
ROOMS = {"bot_linking": sql.STORES, "bot_linking_external_account": "bot_linking.external_account"}
STEPS = {
    name: list(sql.load_schema({"bigint": "", "serial": "", "strict": ""}, room=room))
    for name, room in ROOMS.items()
}
ENGINES = ("postgres", "sqlite")
RECORDS = {"_sqlite_migrations", "sqlite_sequence", "bot_linking_migrations"}


@pytest.fixture
def two(tmp_path: Path) -> Iterator[dict[str, list[str]]]:
    """Two empty databases of each engine."""
    with postgres.empty_schema() as one, postgres.empty_schema() as other:
        yield {
            "postgres": [one, other],
            "sqlite": [f"sqlite:///{tmp_path}/one.db", f"sqlite:///{tmp_path}/other.db"],
        }


def _open_all_rooms(url: str) -> list[str]:
    """Open every room's tables, and return the steps that were applied."""
    store = open_store(url)
    for name, room in ROOMS.items():
        if room != sql.STORES:
            store.engine.extend(name, room)
    try:
        return store.migrate()
    finally:
        store.close()


def run(url: str, statement: str) -> list[tuple[Any, ...]]:
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
            return connection.execute(statement).fetchall()
    return postgres.execute(url, statement)


def _schema(url: str) -> list[tuple[Any, ...]]:
    """The tables, columns, keys and indexes, as the engine describes them."""
    if url.startswith("sqlite"):
        found = []
        for name, text in run(
            url, "select name, sql from sqlite_master where name not like '\\_sqlite%' escape '\\'"
        ):
            columns = run(url, f"pragma table_xinfo({name})")
            found += [(name, *column) for column in columns] or [(name, text)]
        return sorted(found, key=repr)
    columns = run(
        url,
        "select table_name, ordinal_position, column_name, data_type, collation_name, is_nullable,"
        " column_default, is_identity from information_schema.columns where table_schema = current_schema()",
    )
    indexes = run(
        url,
        "select tablename, replace(indexdef, current_schema() || '.', '') from pg_indexes"
        " where schemaname = current_schema()",
    )
    keys = run(
        url,
        "select conrelid::regclass::text, pg_get_constraintdef(oid) from pg_constraint"
        " where connamespace = current_schema()::regnamespace and contype <> 'n'",
    )
    return sorted([*columns, *indexes, *keys], key=repr)


def _columns(url: str) -> Columns:
    """Table to (column, is it a number, may it be null), in order."""
    tables: Columns = {}
    if url.startswith("sqlite"):
        for (table,) in run(url, "select name from sqlite_master where type = 'table'"):
            tables[table] = [
                (name, kind.upper() == "INTEGER", not needed and not key)
                for _, name, kind, needed, _, key in run(url, f"pragma table_info({table})")
            ]
    else:
        rows = run(
            url,
            "select table_name, column_name, data_type = 'bigint', is_nullable = 'YES'"
            " from information_schema.columns where table_schema = current_schema()"
            " order by 1, ordinal_position",
        )
        for table, *column in rows:
            tables.setdefault(table, []).append(tuple(column))
    return {table: columns for table, columns in tables.items() if table not in RECORDS}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("version", range(1, len(STEPS["bot_linking"])))
def test_a_database_of_each_earlier_version_becomes_what_a_new_one_is(
    two: dict[str, list[str]], engine: str, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh, old = two[engine]
    steps = STEPS["bot_linking"]
    with monkeypatch.context() as patch:
        _limit(patch, engine, version)
        store = open_store(old)
        assert store.migrate() == [f"bot_linking {step}" for step in steps[:version]]
        store.close()
        assert _schema(old)
    store = open_store(old)
    assert store.migrate() == [f"bot_linking {step}" for step in steps[version:]]
    store.close()
    open_store(fresh).migrate()
    assert _schema(old) == _schema(fresh)


def _limit(patch: pytest.MonkeyPatch, engine: str, version: int) -> None:
    """Make the engine know only so many steps."""
    load = sql.load_schema

    def first(words: dict[str, str], *, room: str = sql.STORES) -> dict[str, list[str]]:
        return dict(list(load(words, room=room).items())[:version])

    patch.setattr(f"bot_linking.stores.{engine}.engine.load_schema", first)


def test_both_engines_have_the_same_tables_and_columns(two: dict[str, list[str]]) -> None:
    for url in (two["postgres"][0], two["sqlite"][0]):
        _open_all_rooms(url)
    ours = _columns(two["postgres"][0])
    assert ours == _columns(two["sqlite"][0])
    assert {"links", "codes", "outbox", "history", "api_keys", "external_accounts"} <= set(ours)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_store_that_is_up_to_date_is_left_alone(two: dict[str, list[str]], engine: str) -> None:
    url = two[engine][0]
    expected = [f"{name} {step}" for name in ROOMS for step in STEPS[name]]
    assert _open_all_rooms(url) == expected
    before = _schema(url)
    assert _open_all_rooms(url) == []
    assert _schema(url) == before


@pytest.mark.parametrize("engine", ENGINES)
def test_a_step_that_fails_leaves_the_version_before_it_and_is_done_at_the_next_start(
    two: dict[str, list[str]], engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = two[engine][0]
    with monkeypatch.context() as patch:
        _limit(patch, engine, 1)
        open_store(url).migrate()
    before = _schema(url)
    load = sql.load_schema

    def broken(words: dict[str, str], *, room: str = sql.STORES) -> dict[str, list[str]]:
        return load(words, room=room) | {
            "schema_9999": ["create table half (a text)", "select broken from nowhere"]
        }

    with monkeypatch.context() as patch:
        patch.setattr(f"bot_linking.stores.{engine}.engine.load_schema", broken)
        with pytest.raises(StoreUnavailable):
            open_store(url).migrate()
    assert _schema(url) == before
    store = open_store(url)
    assert store.migrate() == [f"bot_linking {step}" for step in STEPS["bot_linking"][1:]]
    store.close()
