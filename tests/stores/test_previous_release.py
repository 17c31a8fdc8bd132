"""During a rolling deployment, processes of the previous release work on the tables of this one. `previous/`
holds that release's statements; a new release replaces them."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bot_linking.stores import open_store
from tests import postgres

PREVIOUS = Path(__file__).parent / "previous"
ROOMS = {"stores": "bot_linking", "external_account": "bot_linking_external_account"}
NUMBERS = {
    *(
        "now",
        "at",
        "before",
        "most",
        "until",
        "limit",
        "id",
        "window",
        "user_id",
        "enabled",
        "failures",
        "step",
    ),
    *("step", "expires_at", "opened_at", "next_at", "event_ms", "code_tick", "unlinked_ms", "last_step"),
}
LISTS = {"psids", "codes", "attempts"}
TEXT_IDS = {"external_save_token", "external_revoke_token", "save_api_key", "touch_api_key"}


def statements_of(room: str, *filenames: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for filename in filenames:
        text = (PREVIOUS / room / filename).read_text("utf-8")
        parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)
        found |= dict(zip(parts[1::2], (part.strip() for part in parts[2::2]), strict=True))
    return found


def values_for(name: str, statement: str) -> dict[str, Any]:
    """A value of the right type for each parameter."""
    values: dict[str, Any] = {}
    for each in re.findall(r"(?<!:):([a-z_]+)\b", statement):
        is_number = each in NUMBERS and not (each == "id" and name in TEXT_IDS)
        values[each] = ["1"] if each in LISTS else 1 if is_number else '["1"]'
        if each in ("account_id",) and name.startswith("external_"):
            values[each] = None
    return values


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/links.db"


@pytest.fixture
def postgres_url() -> Iterator[str]:
    with postgres.schema_with_tables() as url:
        yield url


def bring_up_to_date(url: str) -> None:
    store = open_store(url)
    store.engine.extend("bot_linking_external_account", "bot_linking.external_account")
    store.close()


@pytest.mark.parametrize("room", ROOMS)
def test_each_statement_of_the_previous_release_runs_on_the_tables_of_this_one(
    sqlite_url: str, room: str
) -> None:
    bring_up_to_date(sqlite_url)
    statements = statements_of(room, "statements.sql")
    assert len(statements) > 30
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
        for name, statement in statements.items():
            connection.execute(statement, values_for(name, statement)).fetchall()


@pytest.mark.parametrize("room", ROOMS)
def test_each_statement_of_the_previous_release_runs_on_postgresql_too(postgres_url: str, room: str) -> None:
    import psycopg

    bring_up_to_date(postgres_url)
    statements = statements_of(room, "statements.sql", "statements_postgres.sql")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")  # rows that others would point to
        for name, statement in statements.items():
            theirs = re.sub(r"(?<!:):([a-z_]+)\b", r"%(\1)s", statement.replace("%", "%%"))
            cursor = connection.execute(theirs, values_for(name, statement))
            if cursor.description:
                cursor.fetchall()
