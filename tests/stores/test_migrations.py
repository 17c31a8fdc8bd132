"""Migrations from every earlier version lead to the schema that a new database gets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from bot_linking.core.errors import StoreUnavailable
from bot_linking.stores import open_store, sql

from .given import PLACES, Ask, connected

Columns = dict[str, list[tuple[Any, ...]]]
ROOMS = {"bot_linking": sql.STORES, "bot_linking_external_account": "bot_linking.external_account"}
STEPS = {
    name: list(sql.load_schema({"bigint": "", "serial": "", "strict": ""}, room=room))
    for name, room in ROOMS.items()
}
ENGINES = ("postgres", "sqlite")
RECORDS = {"_sqlite_migrations", "sqlite_sequence", "bot_linking_migrations"}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """The address of an empty database of this engine."""
    with ExitStack() as stack:
        yield lambda engine: stack.enter_context(PLACES[engine](tmp_path))


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[Any, ...]]]:
    """The schema of a new database of each engine."""
    found = {}
    for engine, place in PLACES.items():
        with place(tmp_path_factory.mktemp("fresh")) as url, closing(open_store(url)) as store:
            store.migrate()
            found[engine] = _schema(url)
    return found


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
    with connected(url) as ask:
        return ask(statement)


def _schema(url: str) -> list[tuple[Any, ...]]:
    """The tables, columns, keys and indexes, as the engine describes them."""
    with connected(url) as ask:
        return _schema_of_file(ask) if url.startswith("sqlite") else _schema_on_server(ask)


def _schema_of_file(ask: Ask) -> list[tuple[Any, ...]]:
    found = []
    for name, text in ask("select name, sql from sqlite_master where name not like '\\_sqlite%' escape '\\'"):
        columns = ask(f"pragma table_xinfo({name})")
        found += [(name, *column) for column in columns] or [(name, text)]
    return sorted(found, key=repr)


def _schema_on_server(ask: Ask) -> list[tuple[Any, ...]]:
    columns = ask(
        "select table_name, ordinal_position, column_name, data_type, collation_name, is_nullable,"
        " column_default, is_identity from information_schema.columns where table_schema = current_schema()",
    )
    indexes = ask(
        "select tablename, replace(indexdef, current_schema() || '.', '') from pg_indexes"
        " where schemaname = current_schema()",
    )
    keys = ask(
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
    place: Callable[[str], str], fresh: Any, engine: str, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = place(engine)
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
    assert _schema(old) == fresh[engine]


def _limit(patch: pytest.MonkeyPatch, engine: str, version: int) -> None:
    """Make the engine know only so many steps."""
    load = sql.load_schema

    def first(words: dict[str, str], *, room: str = sql.STORES) -> dict[str, list[str]]:
        return dict(list(load(words, room=room).items())[:version])

    patch.setattr(f"bot_linking.stores.{engine}.engine.load_schema", first)


def test_both_engines_have_the_same_tables_and_columns(place: Callable[[str], str]) -> None:
    urls = [place(engine) for engine in ENGINES]
    for url in urls:
        _open_all_rooms(url)
    ours = _columns(urls[0])
    assert ours == _columns(urls[1])
    assert {"links", "codes", "outbox", "history", "api_keys", "external_accounts"} <= set(ours)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_store_that_is_up_to_date_is_left_alone(place: Callable[[str], str], engine: str) -> None:
    url = place(engine)
    expected = [f"{name} {step}" for name in ROOMS for step in STEPS[name]]
    assert _open_all_rooms(url) == expected
    before = _schema(url)
    assert _open_all_rooms(url) == []
    assert _schema(url) == before


@pytest.mark.parametrize("engine", ENGINES)
def test_a_step_that_fails_leaves_the_version_before_it_and_is_done_at_the_next_start(
    place: Callable[[str], str], engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = place(engine)
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
