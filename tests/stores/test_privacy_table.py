"""The guide's table of what is stored about a person names each column of each table, in both databases."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import bot_linking
from bot_linking.stores import sql
from bot_linking.stores.exports import EXPORTED
from bot_linking.stores.links import ERASED_WHOLE
from bot_linking.stores.store import SQLStore
from bot_linking.stores.upkeep import RETENTION

GUIDE = Path(bot_linking.__file__).parent / "webview" / "README.md"
OF_THE_DATABASE = {"_sqlite_migrations", "sqlite_sequence", "bot_linking_migrations"}
Columns = set[tuple[str, str]]


def rows() -> dict[str, list[str]]:
    """Table to the cells of its row."""
    text = GUIDE.read_text("utf-8").split("<!-- privacy -->\n")[1].split("<!-- end -->")[0]
    found = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in text.splitlines()[2:]]
    return {re.findall(r"`([^`]+)`", cells[1])[0]: cells for cells in found}


def named() -> Columns:
    return {
        (table, column)
        for table, cells in rows().items()
        for column in re.findall(r"`([^`]+)`", cells[1])[1:]
    }


def columns_of(url: str) -> Columns:
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            return _columns(connection)
    import psycopg

    question = (
        "select table_name, column_name from information_schema.columns where table_schema = current_schema()"
    )
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        return {(str(table), str(column)) for table, column in connection.execute(question)}


def _columns(connection: sqlite3.Connection) -> Columns:
    tables = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
    return {
        (table, str(row[1])) for table in tables for row in connection.execute(f"pragma table_info({table})")
    }


def missing(columns: Columns) -> Columns:
    return {each for each in columns - named() if each[0] not in OF_THE_DATABASE}


def test_no_column_of_a_store_is_left_out(store: SQLStore, url: str) -> None:
    assert store.find_pages() == []
    assert len(columns_of(url)) > 100
    assert missing(columns_of(url)) == set()


def test_no_column_of_the_optional_room_is_left_out() -> None:
    words = {"bigint": "integer", "serial": "integer primary key", "strict": ""}
    with closing(sqlite3.connect(":memory:")) as connection:
        for room in ("bot_linking.stores", "bot_linking.external_account"):
            for statements in sql.load_schema(words, room=room).values():
                for statement in statements:
                    connection.execute(statement)
        assert missing(_columns(connection)) == set()


def test_a_column_that_no_row_names_would_be_found() -> None:
    assert missing({("links", "shoe_size"), ("links", "psid")}) == {("links", "shoe_size")}


def test_each_row_says_how_long_and_how_it_is_erased_and_exported() -> None:
    for table, cells in rows().items():
        assert len(cells) == 5, table
        assert all(cells), table


@pytest.mark.parametrize("table", sorted(ERASED_WHOLE))
def test_columns_that_the_table_calls_erased_are_erased(table: str) -> None:
    assert rows()[table][3] == "yes"


def test_columns_that_the_table_calls_exported_are_exported() -> None:
    said = {table for table, cells in rows().items() if cells[4] == "yes" or cells[4].startswith("without")}
    assert said - {"external_accounts"} == set(EXPORTED)


def test_tables_that_the_table_gives_an_age_are_purged() -> None:
    purged = {statement.removeprefix("purge_") for statement in RETENTION} | {
        "links",
        "outbox",
        "page_pauses",
    }
    for table, cells in rows().items():
        if re.search(r"\b(400|30|seven|three) days|an hour|a day\b", cells[2]) and not table.startswith(
            "external_"
        ):
            assert table in purged, table
