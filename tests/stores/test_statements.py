"""The named statements: each is used and valid, and finds its rows by an index."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import pytest

import bot_linking
from bot_linking.stores import open_store
from bot_linking.stores.sql import load_schema, load_statements
from bot_linking.stores.store import SQLStore

from .given import connection_of

PACKAGE = Path(bot_linking.__file__).parent
STATEMENTS = load_statements()
WORDS = {"bigint": "integer", "serial": "integer primary key autoincrement", "strict": " strict"}

# What may read a whole table, and why.
MAY_SCAN = {
    "list_dead": "an operator asks for it, and dead letters are few",
    "find_pauses": "pages that wait are few",
    "outbox_depth": "it counts the whole outbox, for monitoring",
    "look_at_outbox": "it counts the outbox through an index, and touches no row of it",
    "list_api_keys": "an operator asks for it, and a site has a handful",
    "export_history_of_account": "an account's owner asks for it, once",
    "erase_history_of_account": "an account is erased, once",
    "erase_bars_of_account": "an account is erased, once; the table holds a day",
    "export_attempts": "a person asks for it, once; the table holds a quarter of an hour",
    "export_unlinks_seen": "a person asks for it, once; the table holds three days",
    "export_resumes": "a person asks for it, once; the table holds an hour",
    "export_outbox": "a person asks for it, once; the table holds what is not sent yet",
    "find_typed": "it begins with a row of its own making, and joins to it by an index",
    "list_deletions": "an operator asks for it, and requests are few",
    "drop_attempts_of_person": "an undo asks for it; the table holds a quarter of an hour",
    "erase_attempts": "a person asks for it, once; the table holds a quarter of an hour",
    "erase_unlinks_seen": "a person asks for it, once; the table holds three days",
    "erase_resumes": "a person asks for it, once; the table holds an hour",
    "erase_outbox": "a person asks for it, once; the table holds what is not sent yet",
}


# What is walked without being a table; `page` is a page's id in `due_pages`, found by the index, and `newest`
# are the newest dead letters of `count_reasons`, which an index has found and a limit bounds.
_OF_ITS_OWN_MAKING = ("SCAN page", "SCAN newest")
_NO_TABLE = ("VIRTUAL TABLE", "CONSTANT", "(subquery")


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SQLStore]:
    """A store that is only asked how it would run a statement."""
    with closing(open_store(f"sqlite:///{tmp_path_factory.mktemp('planned')}/links.db")) as store:
        yield store


def plan_of(store: SQLStore, name: str) -> list[str]:
    names = re.findall(r"(?<!:):(\w+)", STATEMENTS[name])
    connection = connection_of(store)
    rows = connection.execute("explain query plan " + STATEMENTS[name], dict.fromkeys(names, "1")).fetchall()
    return [str(row[3]) for row in rows]


def tables_read_whole(store: SQLStore, name: str) -> list[str]:
    plan = plan_of(store, name)
    return [
        step
        for step in plan
        if step.startswith("SCAN")
        and not any(word in step for word in _NO_TABLE)
        and step not in _OF_ITS_OWN_MAKING
    ]


@pytest.mark.parametrize("name", sorted(STATEMENTS.keys() - MAY_SCAN))
def test_a_statement_finds_its_rows_by_an_index(planned: SQLStore, name: str) -> None:
    assert tables_read_whole(planned, name) == []


@pytest.mark.parametrize("name", sorted(MAY_SCAN))
def test_each_exception_from_the_rule_still_reads_a_whole_table(planned: SQLStore, name: str) -> None:
    assert tables_read_whole(planned, name)


@pytest.mark.parametrize(
    "name", ["find_link", "claim_of_page", "has_due", "due_pages", "find_code", "consume_code", "find_person"]
)
def test_the_commonest_statements_sort_nothing(planned: SQLStore, name: str) -> None:
    assert not [step for step in plan_of(planned, name) if "TEMP B-TREE" in step]


def test_every_statement_is_named_once_and_called_somewhere() -> None:
    room = files("bot_linking.stores")
    names = re.findall(r"^-- name: (\w+)$", room.joinpath("statements.sql").read_text("utf-8"), re.MULTILINE)
    assert len(names) == len(set(names)) == len(STATEMENTS)
    code = "\n".join(path.read_text("utf-8") for path in (PACKAGE / "stores").rglob("*.py"))
    prefixes = set(re.findall(r'f"(\w+_)\{', code))
    unused = [name for name in names if f'"{name}"' not in code and not name.startswith(tuple(prefixes))]
    assert unused == []


def test_no_statement_is_put_together_from_values() -> None:
    for name, text in STATEMENTS.items():
        assert "{" not in text, name
        assert "%s" not in text, name


def test_every_table_has_a_purge() -> None:
    """Each table has a purge: one that only grows would fill the disk one day."""
    schema = "\n".join("\n".join(step) for step in load_schema(WORDS).values())
    deleted = [
        re.search(r"delete from (\w+)", text)
        for name, text in STATEMENTS.items()
        if name.startswith("purge_")
    ]
    one_row = {"page_changes"}
    tables = set(re.findall(r"create table (\w+)", schema))
    assert {match[1] for match in deleted if match} == tables - one_row


def test_a_database_of_the_first_release_grows_into_a_new_one_and_keeps_its_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new, old = tmp_path / "new.db", tmp_path / "old.db"
    open_store(f"sqlite:///{new}").migrate()
    with monkeypatch.context() as patched:
        patched.setattr("bot_linking.stores.sqlite.engine.load_schema", _first_release)
        open_store(f"sqlite:///{old}").migrate()
    with closing(sqlite3.connect(old)) as connection:
        connection.execute(
            "insert into links"
            " (page_id, psid, account_id, source, linked_at, updated_at, code_tick, changed_tick)"
            " values ('page', 'psid', '1', 'login', 0, 0, 0, 0)"
        )
        connection.commit()
    assert _schema_of(old) != _schema_of(new)
    store = open_store(f"sqlite:///{old}")
    store.migrate()
    assert _schema_of(old) == _schema_of(new)
    found = store.find_link("page", "psid")
    assert found is not None
    assert found.account_id == "1"
    store.close()


def _first_release(words: dict[str, str], **more: str) -> dict[str, list[str]]:
    return dict(list(load_schema(words, **more).items())[:1])


def _schema_of(path: Path) -> set[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as connection:
        return set(connection.execute("select name, sql from sqlite_master where sql is not null"))
