"""What SQLite commits and when: many transitions in one commit, each of them all or nothing."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from bot_linking.core.errors import StoreUnavailable
from bot_linking.core.events import AccountLinked, LinkingEvent
from bot_linking.core.links import Account
from bot_linking.stores import open_store
from bot_linking.stores.sqlite.engine import LARGEST_GROUP, SQLiteEngine
from bot_linking.stores.sqlite.file import File
from bot_linking.stores.store import SQLStore
from tests import ready

from .given import HOUR, NOW, PAGE, attempt_for, connection_of, engine_of, link, linked, save_code, unlinked

Answer = object


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file whose commits are flushed, as the product flushes them."""
    monkeypatch.setattr(File, "connect", ready.connect_flushed)
    return tmp_path / "links.db"


@pytest.fixture
def store(sqlite_store: SQLStore) -> SQLStore:
    return sqlite_store


@contextmanager
def commits_of(store: SQLStore) -> Iterator[list[str]]:
    """The transactions that this thread's connection ends in the block."""
    connection = connection_of(store)
    statements = list[str]()
    connection.set_trace_callback(lambda text: statements.append(text) if text == "commit" else None)
    try:
        yield statements
    finally:
        connection.set_trace_callback(None)


def wal_size(path: Path) -> int:
    return path.with_name(path.name + "-wal").stat().st_size


@contextmanager
def held(engine: SQLiteEngine) -> Iterator[None]:
    """Hold the turn, so that all who wait come into one group."""
    engine._hold()
    try:
        yield
    finally:
        engine._let_go()


def in_one_group(engine: SQLiteEngine, works: list[Callable[[Any], Any]]) -> tuple[list[Answer], list[int]]:
    """The result of each thread's transition, and the sizes of the groups that were committed."""
    answers: list[Answer] = [None] * len(works)
    sizes = list[int]()
    commit = engine._commit

    def counted(batch: list[Any]) -> None:
        sizes.append(len(batch))
        commit(batch)

    def run(place: int) -> None:
        try:
            answers[place] = engine.write(works[place])
        except BaseException as problem:
            answers[place] = problem

    engine._commit = counted  # type: ignore[method-assign]
    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(works))]
    with held(engine):
        for thread in threads:
            thread.start()
        while len(engine._queue) < len(works):
            threading.Event().wait(0.001)
    for thread in threads:
        thread.join(30)
    engine._commit = commit  # type: ignore[method-assign]
    return answers, sizes


def _hit(key: str) -> Callable[[Any], Any]:
    return lambda tx: tx.one("hit", key=key, expires_at=NOW + 1, now=NOW)["hits"]


def _failing(key: str, problem: BaseException) -> Callable[[Any], Any]:
    def work(tx: Any) -> None:
        _hit(key)(tx)
        raise problem

    return work


def test_transitions_that_wait_together_are_committed_together(store: SQLStore) -> None:
    answers, sizes = in_one_group(engine_of(store), [_hit("key")] * 40)
    assert sizes == [40]
    assert sorted(map(int, map(str, answers))) == list(range(1, 41))


def test_a_group_has_a_largest_size_and_the_rest_follow(store: SQLStore) -> None:
    _, sizes = in_one_group(engine_of(store), [_hit("key")] * (LARGEST_GROUP + 5))
    assert sizes == [LARGEST_GROUP, 5]
    assert store.find_limit("key", NOW, HOUR)[0] == LARGEST_GROUP + 5


def test_a_failing_transition_undoes_itself_alone_and_raises_at_its_caller(store: SQLStore) -> None:
    problems = {place: ValueError(str(place)) for place in range(0, 30, 3)}
    works = [
        _failing(f"key {place}", problems[place]) if place in problems else _hit(f"key {place}")
        for place in range(30)
    ]
    answers, sizes = in_one_group(engine_of(store), works)
    assert sizes == [30]
    for place, answer in enumerate(answers):
        assert answer is problems.get(place, answer)
        assert store.find_limit(f"key {place}", NOW, HOUR)[0] == (0 if place in problems else 1)


@pytest.mark.parametrize(
    "problem", [RuntimeError("ours"), sqlite3.IntegrityError("a constraint"), KeyError("x")]
)
def test_a_transition_that_fails_alone_leaves_nothing(store: SQLStore, problem: Exception) -> None:
    with pytest.raises(type(problem)) as raised:
        engine_of(store).write(_failing("key", problem))
    assert raised.value is problem
    assert store.find_limit("key", NOW, HOUR)[0] == 0
    assert store.hit("key", NOW + 1, NOW) == 1


def test_a_broken_constraint_in_a_group_breaks_no_other(store: SQLStore) -> None:
    def work(tx: Any) -> None:
        for _ in range(2):
            tx.run("save_code", digest="same", attempt_id="1", page_id=None, psid=None, account_id="1",
                   username=None, email=None, phone_number=None, locale=None, now=NOW,
                   expires_at=NOW, replaces=None, source="login", proof=None, typed=None)  # fmt: skip

    answers, _ = in_one_group(engine_of(store), [_hit("a"), work, _hit("b")])
    assert (answers[0], type(answers[1]), answers[2]) == (1, sqlite3.IntegrityError, 1)
    assert store.account_of_code("same") is None


def test_when_the_commit_fails_every_caller_gets_an_error(store: SQLStore, path: Path) -> None:
    def fill(tx: Any) -> None:
        tx.run("save_resume", page_id="p", psid="big", payload="x" * 2_000_000, now=NOW)

    store.check()
    engine, sizes = engine_of(store), list[int]()
    with closing(sqlite3.connect(path)) as other:
        pages = other.execute("pragma page_count").fetchone()[0]
    make = engine._file.connect

    def small() -> sqlite3.Connection:
        connection = make()
        connection.execute(f"pragma max_page_count = {pages + 20}")
        return connection

    engine._file.connect = small  # type: ignore[method-assign]
    answers, sizes = in_one_group(engine, [_hit("a"), fill, _hit("b")])
    assert sizes == [3]
    assert [type(answer) for answer in answers] == [StoreUnavailable] * 3
    assert store.find_limit("a", NOW, HOUR)[0] == store.find_limit("b", NOW, HOUR)[0] == 0


@pytest.mark.parametrize("problem", [KeyboardInterrupt(), SystemExit(1), MemoryError()])
def test_when_the_committing_thread_is_ended_no_caller_takes_its_transition_for_committed(
    store: SQLStore, problem: BaseException
) -> None:
    answers, sizes = in_one_group(engine_of(store), [_hit("a"), _failing("b", problem), _hit("c")])
    assert sizes == [3]
    stored = [store.find_limit(key, NOW, HOUR)[0] for key in "abc"]
    said = [answer == 1 for answer in answers]
    assert [bool(count) for count in stored] == said
    assert not said[1]
    assert isinstance(answers[1], BaseException)
    assert store.hit("after", NOW + 1, NOW) == 1


def test_every_commit_is_flushed_to_disk(store: SQLStore) -> None:
    connection = connection_of(store)
    assert connection.execute("pragma synchronous").fetchone() == (2,)
    assert connection.execute("pragma journal_mode").fetchone() == ("wal",)


def test_one_post_with_a_hundred_events_is_one_commit(store: SQLStore) -> None:
    codes = [save_code(store, attempt_for(psid=str(number))) for number in range(100)]
    with commits_of(store) as commits:
        outcomes = store.receive([linked(code, psid=str(number)) for number, code in enumerate(codes)], NOW)
    assert len(commits) == 1
    assert all(isinstance(each, AccountLinked) for each in outcomes)


def test_redeeming_a_code_is_one_commit_with_its_message(store: SQLStore) -> None:
    code = save_code(store)
    with commits_of(store) as commits:
        store.receive([linked(code)], NOW)
    assert len(commits) == 1
    assert store.has_due(NOW)


def test_a_redelivery_writes_nothing(store: SQLStore, path: Path) -> None:
    """The same batch ten thousand times: the write-ahead log does not grow by a byte."""
    events: list[LinkingEvent] = []
    for number in range(10):
        psid = str(number)
        events += [
            linked(save_code(store, attempt_for(psid=psid)), psid=psid, at=NOW),
            unlinked(psid=psid, at=NOW + 1),
        ]
    events.append(linked("made up", psid="stranger"))
    store.receive(events, NOW + 2)
    before = wal_size(path)
    for _ in range(500):
        store.receive(events, NOW + 3)
    assert wal_size(path) == before


def test_a_stale_unlink_writes_nothing_the_second_time(store: SQLStore, path: Path) -> None:
    link(store)
    stale = unlinked(at=NOW - 5)
    store.receive([stale], NOW)
    before = wal_size(path)
    store.receive([stale] * 100, NOW)
    assert wal_size(path) == before


def test_looking_up_writes_nothing_and_waits_for_no_writer(store: SQLStore, path: Path) -> None:
    link(store)
    before = wal_size(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        assert store.find_link(PAGE, "nobody") is None
        assert len(store.find_links_of_account("1")) == 1
        assert not store.has_due(0)
        assert store.list_dead() == []
    assert wal_size(path) == before


def test_an_empty_outbox_is_polled_without_writing(store: SQLStore, path: Path) -> None:
    store.check()
    before = wal_size(path)
    for _ in range(50):
        assert not store.has_due(NOW)
        assert store.claim_due(NOW, NOW + 1, {PAGE: 1}) == []
    assert wal_size(path) == before


def test_no_reader_sees_half_a_transition(store: SQLStore, path: Path) -> None:
    seen = list[tuple[int]]()

    def work(tx: Any) -> None:
        _hit("key")(tx)
        with closing(sqlite3.connect(path)) as other:
            seen.extend(other.execute("select count(*) from limits where key = 'key'"))

    engine_of(store).write(work)
    assert seen == [(0,)]
    assert store.find_limit("key", NOW, HOUR)[0] == 1


def test_a_constraint_of_the_database_gives_a_person_of_a_page_one_row(store: SQLStore, path: Path) -> None:
    link(store)
    with closing(sqlite3.connect(path)) as other, pytest.raises(sqlite3.IntegrityError):
        other.execute(
            "insert into links (page_id, psid, source, linked_at, updated_at, code_tick, changed_tick)"
            " select page_id, psid, source, linked_at, updated_at, code_tick, changed_tick from links"
        )


@pytest.mark.parametrize("table", ["links", "codes", "outbox", "attempts", "limits"])
def test_a_column_takes_only_its_own_type(store: SQLStore, path: Path, table: str) -> None:
    """A number is never taken for text, nor text for a number."""
    link(store)
    with closing(sqlite3.connect(path)) as other:
        (text,) = other.execute("select sql from sqlite_master where name = ?", (table,)).fetchone()
    assert text.rstrip().endswith("strict")


def test_each_store_address_opens_its_own_file(tmp_path: Path) -> None:
    first, second = (open_store(f"sqlite:///{tmp_path}/{name}.db") for name in ("a b?c#d%20", "plain"))
    link(first, Account("1"))
    assert list(second.list_links()) == []
    assert (tmp_path / "a b?c#d%20.db").exists()
    first.close()
    second.close()
