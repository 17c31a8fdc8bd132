"""A store is copied whole or not at all, from each kind of database into each."""

from __future__ import annotations

import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from bot_linking.core.errors import StoreUnavailable
from bot_linking.core.identifiers import Identifiers
from bot_linking.core.ports import ApiKey
from bot_linking.stores import open_store, sql
from bot_linking.stores.copying import CopyRefused, copier, copy_store
from bot_linking.stores.copying.plan import Table, tables_of
from bot_linking.stores.copying.sqlite_side import SQLiteSide
from bot_linking.stores.store import SQLStore
from tests.children import LIMIT_S
from tests.unprivileged import bound_by_modes
from tests.waits import short_waits

from .copying import copy_and_die
from .given import (
    DATABASES,
    GRACE,
    NOW,
    PAGE,
    PLACES,
    Ask,
    attempt_for,
    bury,
    claim,
    connected,
    link,
    linked,
    save_code,
    unlinked,
)
from .processes import one_process

PAIRS = [("sqlite", "postgres"), ("postgres", "sqlite"), ("sqlite", "sqlite"), ("postgres", "postgres")]
STRANGE = "Ada \\N \t \\ 'q\" \n 阿达 👩🏽‍🔬 =1+1"

NewDatabase = Callable[[str], str]


@pytest.fixture
def new_folder(tmp_path: Path) -> Callable[[], Path]:
    numbers = count()

    def make() -> Path:
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        return folder

    return make


@pytest.fixture
def new_database(new_folder: Callable[[], Path]) -> Iterator[NewDatabase]:
    """Makes addresses at which there are no tables yet, by kind."""
    with ExitStack() as stack:
        yield lambda kind: stack.enter_context(PLACES[kind](new_folder()))


@pytest.fixture
def empty(new_folder: Callable[[], Path]) -> Iterator[NewDatabase]:
    """Makes databases whose tables have no rows, by kind."""
    with ExitStack() as stack:
        yield lambda kind: stack.enter_context(DATABASES[kind](new_folder()))


@pytest.fixture
def filled(empty: NewDatabase) -> NewDatabase:
    """Makes databases in which every table has rows, by kind."""

    def make(kind: str) -> str:
        url = empty(kind)
        fill(url)
        return url

    return make


def fill(url: str) -> None:
    """Fill every table, mostly by the store's own methods."""
    store = open_store(url)
    for name, room in sql.rooms().items():
        store.engine.extend(name, room)
    for number in range(7):
        link(store, psid=f"1000{number}")
    link(store, GRACE, psid="2000")
    store.receive([unlinked(psid="2000")], NOW + 1)
    store.receive([linked("nobody's")], NOW)
    store.save_attempt(replace(attempt_for(), session_digest="session", expires_at=NOW + 60_000))
    save_code(store)
    store.save_resume(PAGE, "1000", {"text": STRANGE}, NOW)
    store.bind(PAGE, "1001", Identifiers(username="\\N \\t '阿达 👩🏽 =1+1"), "api", NOW)
    bury(store, claim(store)[0], STRANGE)
    store.save_api_key(ApiKey("key", "newsletter", "digest", (PAGE,), NOW, None, None))
    store.add_page(PAGE, "sealed", NOW)
    store.close()
    with connected(url) as ask:
        for statement in OF_APPS:
            ask(statement)
        _fill_what_is_empty(ask)


def _fill_what_is_empty(ask: Ask) -> None:
    """Put a row into each table that is still empty."""
    kinds = {"integer": "1", "text": "'x'"}
    with closing(sqlite3.connect(":memory:")) as scratch:
        for room in sql.rooms().values():
            for step in sql.load_schema(
                {"bigint": "integer", "serial": "integer primary key", "strict": ""}, room=room
            ).values():
                for statement in step:
                    scratch.execute(statement)
        for table in tables():
            if not ask(f"select 1 from {table.name}"):
                columns = scratch.execute(f"pragma table_info({table.name})").fetchall()
                values = ", ".join(kinds[kind.lower()] for _, _, kind, *_ in columns)
                ask(f"insert into {table.name} ({', '.join(table.columns)}) values ({values})")


OF_APPS = (
    "insert into external_apps (app_key, created_at, opened_at) values ('shop', 1, 2)",
    "insert into external_accounts (app_key, user_id, platform, union_id, platform_name, avatar, data,"
    " enabled, page_id, created_at, updated_at)"
    " values ('shop', 7, 'messenger', '1000', '', '', '', 1, null, 1, 1)",
    "insert into external_tokens (id, digest, app_key, user_id, account_id, scopes, created_at, expires_at)"
    " values ('t', 'd', 'shop', 7, 1, 'bind', 1, 2)",
    "insert into external_second_factors (app_key, user_id, secret, last_step, failures, failed_at,"
    " enrolled_at) values ('shop', 7, 'sealed', 0, 0, '[]', 1)",
    "insert into external_recovery_codes (app_key, user_id, digest) values ('shop', 7, 'd')",
)


def run(url: str, statement: str) -> list[tuple[Any, ...]]:
    with connected(url) as ask:
        return ask(statement)


@cache
def tables() -> list[Table]:
    return tables_of(sql.rooms().values())


def contents(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table of ours."""
    with connected(url) as ask:
        return {
            table.name: sorted(ask(f"select {', '.join(table.columns)} from {table.name}"), key=repr)
            for table in tables()
        }


def is_empty(url: str) -> bool:
    """Whether no table holds a row, or there are none."""
    with closing(copier.side_of(url)) as side:
        return not any(side.count(table) for table in tables())


def test_a_database_whose_tables_are_locked_is_given_up_and_makes_no_target(
    empty: NewDatabase, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The lock is met while the target is checked, before anything is copied."""
    import psycopg

    from bot_linking.stores.copying import postgres_side

    monkeypatch.setattr(postgres_side, "LOCK_WAIT_MS", 200)
    source, target = empty("postgres"), tmp_path / "target.db"
    for table in ("links", "bot_linking_migrations"):
        with psycopg.connect(source) as other:
            other.execute(f"lock table {table} in access exclusive mode")
            with pytest.raises(StoreUnavailable, match="lock timeout"):
                copy_store(source, f"sqlite:///{target}")
        assert not target.exists()


def test_every_table_of_every_room_is_in_the_plan_after_those_it_refers_to() -> None:
    names = [table.name for table in tables()]
    assert {"links", "history", "outbox", "api_keys", "external_accounts", "external_second_factors"} <= set(
        names
    )
    for child, parent in (("external_tokens", "external_accounts"), ("external_accounts", "external_apps")):
        assert names.index(parent) < names.index(child)
    assert {table.name: table.counter for table in tables()}["codes"] == "tick"


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_every_row_of_every_table_arrives(
    new_database: NewDatabase, filled: NewDatabase, source: str, target: str
) -> None:
    old, new = filled(source), new_database(target)
    before = contents(old)
    assert [name for name, rows in before.items() if not rows] == [], "a table has nothing to be copied"
    copied = copy_store(old, new)
    assert contents(new) == before == contents(old)
    assert {each.table: each.rows for each in copied} == {name: len(rows) for name, rows in before.items()}


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_counters_go_on_from_the_sources_numbers_even_without_the_newest_rows(
    empty: NewDatabase, filled: NewDatabase, source: str, target: str
) -> None:
    """A code of tomorrow must have a greater tick than every change of today, even when all codes are
    purged."""
    old, new = filled(source), empty(target)
    ((newest,),) = run(old, "select max(tick) from codes")
    run(old, "delete from codes")
    copy_store(old, new)
    store = open_store(new)
    save_code(store)
    store.close()
    assert run(new, "select tick from codes") == [(newest + 1,)]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_store_without_rows_is_copied_too_and_then_counts_from_one(
    new_database: NewDatabase, empty: NewDatabase, source: str, target: str
) -> None:
    old, new = empty(source), new_database(target)
    copy_store(old, new)
    store = open_store(new)
    save_code(store)
    store.close()
    assert run(new, "select tick from codes") == [(1,)]


@pytest.mark.parametrize(("source", "target"), PAIRS)
@pytest.mark.parametrize("table", ["links", "history", "api_keys"])
def test_a_target_that_holds_a_row_is_refused_and_left_alone(
    filled: NewDatabase, source: str, target: str, table: str
) -> None:
    old, new = filled(source), filled(target)
    with connected(new) as ask:
        for each in reversed(tables()):
            if each.name != table:
                ask(f"delete from {each.name}")
    before = contents(new)
    with pytest.raises(CopyRefused, match=rf"not empty: its table {table} has \d+ row"):
        copy_store(old, new)
    assert contents(new) == before


def test_a_file_of_another_program_is_refused_and_left_alone(
    empty: NewDatabase, new_database: NewDatabase
) -> None:
    old, new = empty("sqlite"), new_database("sqlite")
    run(new, "create table orders (number integer primary key autoincrement)")
    with pytest.raises(CopyRefused, match=r"not empty: it holds tables .*: orders$"):
        copy_store(old, new)
    with connected(new) as ask:
        assert ask("select name from sqlite_master where name not like 'sqlite%'") == [("orders",)]


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_database_is_not_copied_into_itself(empty: NewDatabase, kind: str) -> None:
    url = empty(kind)
    with pytest.raises(CopyRefused, match="is the database that is to be copied"):
        copy_store(url, url)


def test_a_database_without_our_tables_is_refused(new_database: NewDatabase) -> None:
    old, new = new_database("sqlite"), new_database("sqlite")
    run(old, "create table links (whose text)")
    with pytest.raises(CopyRefused, match="no tables of ours"):
        copy_store(old, new)
    with pytest.raises(CopyRefused, match="no tables of ours"):
        copy_store(new_database("sqlite"), new)
    assert not Path(new.removeprefix("sqlite:///")).exists()


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_source_of_a_newer_release_is_refused(
    new_database: NewDatabase, empty: NewDatabase, kind: str
) -> None:
    old, new = empty(kind), new_database("sqlite")
    record = {
        "sqlite": "_sqlite_migrations (migration_set, name, applied_at) values ('bot_linking', 'x', '')",
        "postgres": "bot_linking_migrations (room, step) values ('bot_linking', 'x')",
    }[kind]
    run(old, f"insert into {record}")
    with pytest.raises(CopyRefused, match="newer release"):
        copy_store(old, new)


def test_a_target_of_a_newer_release_is_refused_and_named(empty: NewDatabase) -> None:
    old, new = empty("sqlite"), empty("sqlite")
    run(new, "insert into _sqlite_migrations (migration_set, name, applied_at)"
             " values ('bot_linking', 'x_needed', '')")  # fmt: skip
    with pytest.raises(CopyRefused, match=r"the target cannot be used: .* needs a newer release"):
        copy_store(old, new)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_copy_that_differs_from_the_source_is_not_kept(
    empty: NewDatabase, filled: NewDatabase, source: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = filled(source), empty(target)
    digest = copier._digest
    monkeypatch.setattr(copier, "_digest", lambda chunks, seen: digest(_less(chunks), seen))
    with pytest.raises(CopyRefused, match="not the same"):
        copy_store(old, new)
    assert is_empty(new)


def _less(chunks: Any) -> Iterator[list[tuple[Any, ...]]]:
    """Rows of which one was changed."""
    for chunk in chunks:
        yield [(*chunk[0][:-1], "another"), *chunk[1:]]


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_no_other_process_writes_into_the_source_during_a_copy(
    new_database: NewDatabase, filled: NewDatabase, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = filled(kind), new_database("sqlite")
    said: list[type[BaseException] | None] = []

    def write(_: int) -> None:
        def once() -> None:
            short_waits(kind, monkeypatch)
            store = open_store(old)
            try:
                link(store, psid="3000")
                said.append(None)
            except StoreUnavailable as problem:
                said.append(type(problem))
            finally:
                store.close()

        thread = threading.Thread(target=once)
        thread.start()
        thread.join()

    before = contents(old)
    copy_store(old, new, on_start=write)
    assert said == [StoreUnavailable]
    assert contents(new) == before


@contextmanager
def only_readable(path: Path) -> Iterator[None]:
    """In this `with` block the file and its folder can be read, and nothing is written there."""
    path.chmod(0o400)
    path.parent.chmod(0o500)
    try:
        with bound_by_modes():
            yield
    finally:
        path.parent.chmod(0o700)
        path.chmod(0o600)


@pytest.mark.parametrize("beside", ["", "-wal"])
def test_a_source_that_can_only_be_read_is_copied(
    empty: NewDatabase, filled: NewDatabase, beside: str
) -> None:
    """As on a volume that is mounted to be read; an empty log may lie beside it."""
    old, new = filled("sqlite"), empty("sqlite")
    path, before = path_of(old), contents(old)
    Path(f"{path}{beside}").touch()
    names = sorted(path.parent.iterdir())
    with only_readable(path):
        copy_store(old, new)
        assert sorted(path.parent.iterdir()) == names
    assert contents(new) == before


def test_a_source_of_a_running_bot_is_copied_with_what_is_in_its_log(
    empty: NewDatabase, filled: NewDatabase
) -> None:
    old, new = filled("sqlite"), empty("sqlite")
    with closing(sqlite3.connect(path_of(old))) as running:
        running.execute("update links set account_id = 'late'")
        running.commit()
        with only_readable(path_of(old)):
            copy_store(old, new)
        assert contents(new) == contents(old)


def test_a_source_that_is_read_without_a_lock_and_written_to_meanwhile_is_not_copied(
    empty: NewDatabase, filled: NewDatabase
) -> None:
    """Another user, who may write there, does not wait for the copy."""
    old, new = filled("sqlite"), empty("sqlite")
    before = contents(new)

    def write() -> None:
        with closing(sqlite3.connect(path_of(old))) as other, other:
            other.execute("update links set account_id = 'late'")

    with ThreadPoolExecutor(1) as another:
        another.submit(int).result()  # its thread begins with every right
        with only_readable(path_of(old)), pytest.raises(StoreUnavailable, match="written to meanwhile"):
            copy_store(old, new, on_start=lambda _rows: another.submit(write).result())
    assert contents(new) == before


def path_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


@pytest.mark.parametrize(("source", "target"), [("sqlite", "postgres"), ("postgres", "sqlite")])
def test_a_copy_that_is_killed_half_way_has_copied_nothing_and_can_be_repeated(
    new_database: NewDatabase, filled: NewDatabase, source: str, target: str
) -> None:
    """The copy is killed before its first call of the target, then before its second, until one finishes."""
    old, new = filled(source), new_database(target)
    kills = 0
    for calls in range(0, 500, 17):
        with one_process(copy_and_die, old, new, calls) as process:
            process.join(LIMIT_S)
            exit_code = process.exitcode
        if exit_code == 0:
            break
        assert exit_code == -signal.SIGKILL
        kills += 1
        if not is_empty(new):  # killed after the commit: the whole copy is there
            break
    assert kills > 2
    assert exit_code == 0 or contents(new) == contents(old)
    if is_empty(new):
        copy_store(old, new)
    assert contents(new) == contents(old)


def test_the_copied_store_serves(empty: NewDatabase, filled: NewDatabase) -> None:
    old, new = filled("sqlite"), empty("postgres")
    copy_store(old, new)
    store = open_store(new)
    try:
        _serve(store)
    finally:
        store.close()


def _serve(store: SQLStore) -> None:
    found = store.find_link(PAGE, "10002")
    assert found is not None
    assert store.unlink(PAGE, "10002", "python", NOW + 5)
    assert [change.what for change in store.history_of(PAGE, "10002")] == ["linked", "unlinked"]
    link(store, GRACE, psid="10002", now=NOW + 10)
    again = store.find_link(PAGE, "10002")
    assert again is not None
    assert again.account_id == GRACE.id


def test_a_missing_sqlite_file_has_no_tables_and_is_not_made(tmp_path: Path) -> None:
    with closing(SQLiteSide(tmp_path / "none.db")) as side:
        assert side.steps() == {}
        assert side.count(tables()[0]) == 0
    assert not list(tmp_path.iterdir())
