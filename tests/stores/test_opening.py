"""What a store does and logs when its database is away at the start, lost, or of another release."""

from __future__ import annotations

import logging
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from bot_linking.core.errors import ConfigurationError, StoreUnavailable
from bot_linking.stores import open_store, opening
from bot_linking.stores.opening import only_looking
from bot_linking.stores.postgres import database
from bot_linking.stores.postgres.database import Database
from bot_linking.stores.sqlite import file
from bot_linking.stores.sqlite.file import File
from bot_linking.stores.sqlite.threads import BUSY_TIMEOUT_S
from bot_linking.stores.store import SQLStore
from tests import postgres
from tests.children import insisting

from .given import NOW, PAGE, PSID, link

WEBHOOK_S = 5.0
GENEROUS_S = 40.0  # eight times what a webhook has; where a limit is not kept, the call waits thrice as long


def run(url: str, statement: str) -> None:
    """One statement on a connection of its own."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
            connection.execute(statement)
    else:
        postgres.execute(url, statement)


def record_step(url: str, step: str) -> None:
    """Record a step, as a newer release would have done."""
    if url.startswith("sqlite"):
        run(
            url,
            "insert into _sqlite_migrations (migration_set, name, applied_at)"
            f" values ('bot_linking', '{step}', '2030-01-01')",
        )
    else:
        run(url, f"insert into bot_linking_migrations (room, step) values ('bot_linking', '{step}')")


def lose(url: str) -> None:
    """Delete the database."""
    if url.startswith("sqlite"):
        path = url.removeprefix("sqlite:///")
        for each in Path(path).parent.glob(Path(path).name + "*"):
            each.unlink()
    else:
        (schema,) = postgres.execute(url, "select current_schema()")[0]
        postgres.execute(url, f"drop schema {schema} cascade")
        postgres.execute(url, f"create schema {schema}")


def own_first(url: str) -> str:
    """The address whose schema is asked before the server's own functions."""
    return url + "%2Cpg_catalog"


def is_empty(url: str) -> bool:
    if url.startswith("sqlite"):
        return not Path(url.removeprefix("sqlite:///")).exists()
    return not postgres.execute(
        url, "select 1 from information_schema.tables where table_schema = current_schema()"
    )


@pytest.fixture
def url(new_url: str) -> str:
    return new_url


@pytest.fixture
def opened() -> Iterator[Callable[..., SQLStore]]:
    """`open_store`, closed at the end."""
    stores = list[SQLStore]()

    def make(url: str, **given: Any) -> SQLStore:
        stores.append(open_store(url, **given))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


Opened = Callable[..., SQLStore]


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Forget that this process has had a database open."""
    return lambda: monkeypatch.setattr(opening, "_once_open", set())


# Made, and said so


def test_making_a_database_is_logged_and_opening_one_is_not(
    url: str, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    opened(url)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "made a new database" in record.message
    caplog.clear()
    opened(url)
    assert caplog.records == []


def test_threads_that_open_a_new_database_at_once_make_it_once_and_all_use_it(
    url: str, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    stores = [opened(url, only_look=True) for _ in range(4)]
    assert is_empty(url)
    problems, gate = list[BaseException](), threading.Barrier(8, timeout=30)

    def contact(store: SQLStore) -> None:
        try:
            gate.wait()
            store.check()
            assert store.find_link(PAGE, PSID) is None
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=contact, args=(store,)) for store in stores * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert problems == []
    assert sum("made a new database" in record.message for record in caplog.records) == 1
    assert sum(len(store.engine.opening.applied) for store in stores) == len(opened(url).migrate()) + len(
        stores[0].engine.opening._rooms["bot_linking"]
    )


def test_a_room_that_is_added_while_tables_are_being_made_gets_its_tables(
    url: str, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller stops waiting for the first job; the tables of the second room must still be made."""
    monkeypatch.setattr(opening, "PATIENCE_S", 0.05)
    go = threading.Event()
    kinds: tuple[Any, ...] = (File, Database)
    for tables in kinds:

        def slowly(self: Any, rooms: Any, *, apply: Any = tables.apply, **how: Any) -> Any:
            asked = {}
            for room, steps in rooms.items():  # those that there were when it began, whatever is added
                asked[room] = steps
                assert go.wait(60)
            return apply(self, asked, **how)

        monkeypatch.setattr(tables, "apply", slowly)
    store = opened(url)
    store.engine.extend("bot_linking_external_account", "bot_linking.external_account")
    assert not store.engine.opening.is_done
    go.set()
    monkeypatch.setattr(opening, "PATIENCE_S", GENEROUS_S)
    store.check()
    recorded = store.engine.opening._tables.recorded()
    assert recorded is not None
    assert recorded["bot_linking_external_account"]


# Looking never makes one


def test_a_command_that_only_looks_makes_no_database_and_says_so(url: str, opened: Opened) -> None:
    store = opened(url, only_look=True)
    with only_looking():
        looks: tuple[Callable[[], object], ...] = (
            store.check,
            store.list_dead,
            lambda: store.find_link(PAGE, PSID),
            lambda: list(store.list_links()),
        )
        for look in looks:
            with pytest.raises(StoreUnavailable, match="Nothing was made"):
                look()
    assert is_empty(url)
    store.check()
    assert not is_empty(url)


def test_where_no_database_may_be_made_none_is_made_and_one_that_comes_back_is_used(
    url: str, opened: Opened, caplog: pytest.LogCaptureFixture, forgetful: Callable[[], None]
) -> None:
    store = opened(url, create=False)
    assert "BOT_LINKING_CREATE_DATABASE is false" in caplog.text
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="BOT_LINKING_CREATE_DATABASE"):
            store.hit("key", NOW + 1, NOW)
        with pytest.raises(StoreUnavailable, match="BOT_LINKING_CREATE_DATABASE"):
            store.migrate()
    assert is_empty(url)
    opened(url)  # as the operator would, once
    forgetful()
    assert store.hit("key", NOW + 1, NOW) == 1


def test_a_database_with_other_tables_only_counts_as_missing(url: str, opened: Opened) -> None:
    """By a wrong search_path or a wrong name. Where none may be made, it counts as missing."""
    run(url, "create table customers (id integer)")
    store = opened(url, create=False)
    with pytest.raises(StoreUnavailable, match="holds no tables of bot_linking"):
        store.check()


def test_a_process_makes_no_new_database_in_place_of_one_that_it_had_open(url: str, opened: Opened) -> None:
    store = opened(url)
    link(store)
    lose(url)
    for again in (store, opened(url)):
        with pytest.raises(StoreUnavailable):
            again.hit("key", NOW + 1, NOW)
        with pytest.raises(StoreUnavailable):
            again.check()
    assert is_empty(url)


def test_a_new_process_makes_a_new_database_and_logs_a_warning(
    url: str, opened: Opened, caplog: pytest.LogCaptureFixture, forgetful: Callable[[], None]
) -> None:
    link(opened(url))
    lose(url)
    forgetful()
    caplog.clear()
    assert opened(url).find_link(PAGE, PSID) is None
    assert [each.levelno for each in caplog.records if "made a new database" in each.message] == [
        logging.WARNING
    ]


# Away at the start


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], AbstractContextManager[None]]:
    """`with away(url):` its tables cannot be brought up to date at this moment, and callers wait less long
    for that than usual."""

    @contextmanager
    def block(url: str) -> Iterator[None]:
        with monkeypatch.context() as patch, _held(url):
            patch.setattr(opening, "PATIENCE_S", 0.4)
            patch.setattr(file, "BUSY_TIMEOUT_S", 0.4)
            patch.setattr(opening, "JOB_WAIT_S", 3 * GENEROUS_S)
            yield

    return block


Away = Callable[[str], AbstractContextManager[None]]


@pytest.mark.usefixtures("product_waits")
def test_the_waits_for_a_database_leave_time_to_answer_a_webhook() -> None:
    """What the other tests shorten."""
    assert opening.PATIENCE_S < WEBHOOK_S < opening.JOB_WAIT_S
    assert BUSY_TIMEOUT_S < WEBHOOK_S


@contextmanager
def _held(url: str) -> Iterator[None]:
    if url.startswith("sqlite"):
        path = url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("begin exclusive")
            yield
            other.execute("rollback")
    else:
        import psycopg

        from bot_linking.stores.postgres.locks import LOCKS

        with psycopg.connect(url) as other:  # another process is in the middle of a long step
            other.execute("select pg_advisory_xact_lock(%s, -1)", [LOCKS])
            yield


def test_a_process_starts_while_its_tables_cannot_be_brought_up_to_date_and_works_when_they_can(
    url: str, opened: Opened, caplog: pytest.LogCaptureFixture, away: Away
) -> None:
    with away(url):
        began = time.monotonic()
        store = opened(url)
        assert time.monotonic() - began < GENEROUS_S
        assert "starting without the database" in caplog.text
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            store.hit("key", NOW + 1, NOW)
        assert time.monotonic() - began < GENEROUS_S
    assert insisting(lambda: store.hit("key", NOW + 1, NOW)) >= 1


class WatchedLock:
    """A lock that tells who asks for it, and is waited for long."""

    def __init__(self, asked: threading.Semaphore) -> None:
        self._lock, self._asked = threading.Lock(), asked

    def acquire(self, timeout: float) -> bool:
        self._asked.release()
        return self._lock.acquire(timeout=GENEROUS_S)

    def release(self) -> None:
        self._lock.release()


def test_threads_that_wait_for_one_opening_wait_side_by_side(
    url: str, opened: Opened, away: Away, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one's failure is the answer to all that came meanwhile: none begins a wait of its own."""
    with away(url):
        store, refused, opens = opened(url), list[str](), list[int]()
        asked, open_ = threading.Semaphore(0), store.engine.opening._open

        def open_when_all_have_asked(patience_s: float | None, *, is_looking: bool) -> None:
            opens.append(1)
            assert all(asked.acquire(timeout=GENEROUS_S) for _ in range(6))
            open_(patience_s, is_looking=is_looking)

        monkeypatch.setattr(store.engine.opening, "_turn", WatchedLock(asked))
        monkeypatch.setattr(store.engine.opening, "_open", open_when_all_have_asked)

        def contact() -> None:
            with pytest.raises(StoreUnavailable) as caught:
                store.find_link(PAGE, PSID)
            refused.append(str(caught.value))

        threads = [threading.Thread(target=contact) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(2 * GENEROUS_S)
    assert len(refused) == 6
    assert len(set(refused)) == len(opens) == 1


def test_tables_of_another_room_are_brought_up_to_date_when_the_database_is_back(
    url: str, opened: Opened, away: Away
) -> None:
    with away(url):
        store = opened(url)
        store.engine.extend("bot_linking_external_account", "bot_linking.external_account")
    assert insisting(lambda: len(store.engine.read("external_list_apps"))) == 0


def test_a_room_that_is_added_late_finds_its_tables_in_every_thread(url: str, opened: Opened) -> None:
    """A delivery thread has its connection before the room is added."""
    store = opened(url)
    store.check()
    store.engine.extend("bot_linking_external_account", "bot_linking.external_account")
    assert store.engine.read("external_list_apps") == []


def test_work_for_an_open_database_runs_now_or_when_it_is_back(url: str, opened: Opened) -> None:
    done = threading.Event()
    late = opened(url, only_look=True)
    late.engine.opening.afterwards(done.set)
    assert not done.is_set()
    late.check()
    assert done.wait(20)
    done.clear()
    late.engine.opening.afterwards(done.set)
    assert done.is_set()


def test_a_folder_in_the_place_of_the_file_is_a_wrong_value(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"BOT_LINKING_DATABASE .* is a folder"):
        open_store(f"sqlite:///{tmp_path}")


# Other releases


def test_steps_of_a_newer_release_are_named_and_the_store_works(
    url: str, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    opened(url)
    record_step(url, "schema_9998")
    caplog.clear()
    store = opened(url)
    assert store.engine.opening.unknown == ["bot_linking schema_9998"]
    assert "schema_9998" in caplog.text
    store.check()
    assert store.migrate() == []


def test_a_step_marked_as_needed_stops_a_release_that_does_not_know_it(url: str, opened: Opened) -> None:
    running = opened(url)
    record_step(url, "schema_9999_needed")
    with pytest.raises(ConfigurationError, match=r"needs a newer release .*schema_9999_needed"):
        opened(url)
    running.check()  # it was there before; only a start is stopped


def test_a_needed_step_is_found_at_first_contact_where_the_database_was_away_at_the_start(
    url: str, opened: Opened, away: Away
) -> None:
    opened(url)
    with away(url):
        store = opened(url, only_look=True)
    store.engine.opening.begin_again()
    record_step(url, "schema_9999_needed")
    with pytest.raises(StoreUnavailable, match="schema_9999_needed"):
        store.check()


def test_steps_only_ever_add(url: str) -> None:
    """During a rolling deployment the former release works on the same tables."""
    steps = sorted(Path(opening.__file__).parent.rglob("schema_*.sql"))
    steps += sorted(Path(opening.__file__).parent.parent.joinpath("external_account").glob("schema_*.sql"))
    assert len(steps) >= 6
    for step in steps:
        text = "\n".join(
            line for line in step.read_text("utf-8").lower().splitlines() if not line.startswith("--")
        )
        assert not re.search(r"\brename\b|\bdrop (?!index)|\balter column\b", text), step.name


def answer(url: str, call: str, body: str, language: str = "sql") -> None:
    """Let a function in our schema answer this call, for an address that asks our schema first."""
    postgres.execute(url, f"create function {call} language {language} as $$ {body} $$")


def test_an_engine_that_only_speaks_like_postgresql_is_refused_with_the_reason() -> None:
    """Its advisory locks may do nothing, and then one code would link two people."""
    with postgres.empty_schema() as url:
        answer(url, "version() returns text", "select 'CockroachDB CCL v23.1.11 (x86_64-pc-linux-gnu)'")
        with pytest.raises(ConfigurationError, match="CockroachDB, which only speaks like PostgreSQL"):
            open_store(own_first(url))


@pytest.mark.parametrize(
    "version", ["PostgreSQL 15.2-YB-2.25.1.0-b0 on x86_64", "PostgreSQL 16.1-Other-2.0.0", "PostgreSQL 18.1"]
)
@pytest.mark.parametrize(
    "is_free", [True, False], ids=["both locks do nothing", "the wait alone does nothing"]
)
def test_an_engine_that_keeps_no_lock_is_refused_whatever_it_calls_itself(
    version: str, is_free: bool
) -> None:
    with postgres.empty_schema() as url:
        answer(url, "version() returns text", f"select '{version}'")
        answer(url, "pg_advisory_xact_lock(integer, integer) returns void", "select")
        if is_free:
            answer(url, "pg_try_advisory_xact_lock(integer, integer) returns boolean", "select true")
        with pytest.raises(ConfigurationError, match="does not keep its advisory locks"):
            open_store(own_first(url))
        assert is_empty(url)


@pytest.mark.parametrize("problem", ["undefined_function", "feature_not_supported"])
def test_an_engine_without_advisory_locks_is_refused(problem: str) -> None:
    with postgres.empty_schema() as url:
        call = "pg_advisory_xact_lock(integer, integer) returns void"
        answer(url, call, f"begin raise {problem}; end", "plpgsql")
        with pytest.raises(ConfigurationError, match="has no advisory locks"):
            open_store(own_first(url))


def test_connections_to_two_servers_tell_nothing_of_their_locks(opened: Opened) -> None:
    """An address of several, as of standbys that are read: a lock of one is free at the other."""
    with postgres.schema_with_tables() as url:
        answer(url, "pg_try_advisory_xact_lock(integer, integer) returns boolean", "select true")
        answer(url, "pg_postmaster_start_time() returns timestamptz", "select clock_timestamp()")
        link(opened(own_first(url)))


def test_an_engine_that_keeps_its_locks_is_used_whatever_it_calls_itself(opened: Opened) -> None:
    with postgres.empty_schema() as url:
        answer(url, "version() returns text", "select 'PostgreSQL 15.2-YB-2.25.1.0-b0 on x86_64'")
        link(opened(own_first(url)))


def test_where_there_is_no_second_connection_the_locks_are_taken_for_good(opened: Opened) -> None:
    with postgres.schema_with_tables() as url:
        ((name,),) = postgres.execute(url, "select current_schema()")
        postgres.execute(url, "create role alone login connection limit 1")
        try:
            for what in (f"schema {name}", f"all tables in schema {name}", f"all sequences in schema {name}"):
                postgres.execute(url, f"grant all on {what} to alone")
            store = opened(url.replace("//postgres:", "//alone:"))
            link(store)
            assert ("alone",) in postgres.execute(url, "select usename from pg_stat_activity")
            store.close()
        finally:
            postgres.execute(url, "drop owned by alone")
            postgres.execute(url, "drop role alone")


def test_a_server_that_is_too_old_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "OLDEST", 99)
    with (
        postgres.empty_schema() as url,
        pytest.raises(ConfigurationError, match="PostgreSQL 99 or newer is needed, and this is"),
    ):
        open_store(url)
