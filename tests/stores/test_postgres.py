"""Failures that only PostgreSQL has: locks, slow and dying servers, deadlocks, addresses with passwords."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any, TypeVar

import pytest

psycopg: Any = pytest.importorskip("psycopg", reason="PostgreSQL's driver is not installed")

from bot_linking.config.reading import read_settings  # noqa: E402
from bot_linking.core.codes import digest_of  # noqa: E402
from bot_linking.core.conflicts import Policy  # noqa: E402
from bot_linking.core.errors import ConfigurationError, StoreUnavailable  # noqa: E402
from bot_linking.core.events import AccountLinked, AccountUnlinked, EventIgnored  # noqa: E402
from bot_linking.core.identifiers import Identifiers  # noqa: E402
from bot_linking.core.links import Account  # noqa: E402
from bot_linking.doors.redaction import guard_logs  # noqa: E402
from bot_linking.stores import attempts as room_of_attempts  # noqa: E402
from bot_linking.stores import open_store  # noqa: E402
from bot_linking.stores.copying.postgres_side import PostgresSide  # noqa: E402
from bot_linking.stores.postgres import pool as connections  # noqa: E402
from bot_linking.stores.postgres.engine import PostgresEngine, Transaction, to_psycopg  # noqa: E402
from bot_linking.stores.postgres.sessions import LOCK_S, STATEMENT_S  # noqa: E402
from bot_linking.stores.sql import STORES, load_statements  # noqa: E402
from bot_linking.stores.store import SQLStore  # noqa: E402
from tests import postgres  # noqa: E402

from .given import (  # noqa: E402
    ADA,
    DAY,
    MINUTE,
    NOW,
    PAGE,
    PSID,
    attempt_for,
    claim,
    link,
    linked,
    save_code,
    unlinked,
)
from .test_erasure import PSID as PERSON  # noqa: E402
from .test_erasure import TRACES, leave_traces_everywhere  # noqa: E402
from .test_races import at_once  # noqa: E402
from .test_statements import MAY_SCAN  # noqa: E402

T = TypeVar("T")
GENEROUS_S = 32.0  # eight times what a webhook has; where a limit is not kept, the call waits for ever
WEBHOOK_S = 4.0
EXTERNAL = "bot_linking.external_account"


@pytest.fixture
def url() -> Iterator[str]:
    with postgres.schema_with_tables() as address:
        yield address


@pytest.fixture
def store(url: str) -> Iterator[SQLStore]:
    store = open_store(url)
    store.migrate()
    yield store
    store.close()


PLACES = """
select cast(hashtextextended(psid, 1) & 65535 as integer) as place
from unnest(cast(:psids as text[])) with ordinality as given (psid, nth) order by nth
"""


@pytest.fixture
def engine(store: SQLStore) -> PostgresEngine:
    assert isinstance(store.engine, PostgresEngine)
    store.engine.statements["places"] = to_psycopg(PLACES)
    return store.engine


@contextmanager
def session(url: str) -> Iterator[Any]:
    """Another program's transaction; it is rolled back unless the test commits it."""
    with psycopg.connect(url) as connection:
        yield connection
        connection.rollback()


def seconds(work: Callable[[], object]) -> float:
    """How many seconds it took until the store refused."""
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        work()
    return time.monotonic() - began


@contextmanager
def limits(store: SQLStore, **limits_ms: int) -> Iterator[None]:
    """Shorter limits in the session that the store uses next."""
    assert isinstance(store.engine, PostgresEngine)
    pool = store.engine._connections
    line = pool.borrow()
    for name, limit in limits_ms.items():
        line.execute(f"set {name} = {limit}", prepare=False)
    pool.give_back(line)
    yield
    pool.close()


@pytest.mark.usefixtures("product_waits")
def test_the_limits_of_a_session_leave_time_to_answer_a_webhook(engine: PostgresEngine) -> None:
    """What the other tests shorten."""
    names = ("lock_timeout", "statement_timeout")
    engine.statements["limits"] = "select " + ", ".join(
        f"current_setting('{name}') as {name}" for name in names
    )
    assert engine.read("limits") == [{"lock_timeout": "2500ms", "statement_timeout": "3s"}]
    assert engine.write(lambda tx: tx.all("limits")) == engine.read("limits")
    assert LOCK_S == 2.5
    assert STATEMENT_S == 3
    assert LOCK_S < STATEMENT_S < connections.PATIENCE_S < WEBHOOK_S


# Locks


def test_a_person_held_by_another_session_is_waited_for_until_the_limit(url: str, store: SQLStore) -> None:
    link(store)
    with session(url) as other:
        other.execute("select * from links for update")
        with limits(store, lock_timeout=500):
            assert 0.4 < seconds(lambda: store.receive([unlinked()], NOW)) < GENEROUS_S
        assert store.find_link(PAGE, PSID) is not None  # reading waits for nobody
        link(store, psid="another")
    assert isinstance(store.receive([unlinked()], NOW)[0], AccountUnlinked)


def test_a_table_that_is_locked_whole_makes_even_reading_unavailable_in_time(
    url: str, store: SQLStore
) -> None:
    with session(url) as other, limits(store, lock_timeout=500):
        other.execute("lock table links in access exclusive mode")
        assert 0.4 < seconds(lambda: store.find_link(PAGE, PSID)) < GENEROUS_S
    assert store.find_link(PAGE, PSID) is None


def test_a_change_that_committed_during_the_wait_is_seen(url: str, store: SQLStore) -> None:
    """What the former holder committed decides, not what was there when the wait began."""
    code = save_code(store, attempt_for(psid=None))
    works = [partial(store.receive, [linked(code, psid=str(number))], NOW) for number in range(8)]
    outcomes = [outcome for each in at_once(works) if isinstance(each, list) for outcome in each]
    assert sum(isinstance(each, AccountLinked) for each in outcomes) == 1
    assert len(outcomes) == 8


def test_batches_about_the_same_people_in_any_order_never_deadlock(url: str, store: SQLStore) -> None:
    people = [str(number) for number in range(40)]
    before = _deadlocks(url)

    def deliver(order: int) -> Callable[[], object]:
        codes = [(psid, save_code(store, attempt_for(psid=psid))) for psid in people]
        events = [linked(code, psid=psid) for psid, code in codes][:: 1 if order % 2 else -1]
        return lambda: [store.receive(events, NOW), store.receive(events[::-1], NOW)]

    at_once([deliver(order) for order in range(8)])
    assert _deadlocks(url) == before
    assert {each.psid for each in store.list_links()} == set(people)


def test_codes_are_dropped_and_redeemed_at_once_without_a_deadlock(url: str, store: SQLStore) -> None:
    before = _deadlocks(url)
    for _ in range(10):
        attempts = [attempt_for(ADA, psid=str(number)) for number in range(6)]
        codes = [(attempt.psid or "", save_code(store, attempt)) for attempt in attempts for _ in range(2)]
        events = [linked(code, psid=psid) for psid, code in codes]
        drop = partial(store.drop_pending, ADA.id)
        at_once([partial(store.receive, events, NOW), drop, partial(store.receive, events[::-1], NOW), drop])
    assert _deadlocks(url) == before


def _deadlocks(url: str) -> int:
    postgres.execute(url, "select pg_stat_force_next_flush()")
    ((count,),) = postgres.execute(
        url, "select deadlocks from pg_stat_database where datname = current_database()"
    )
    return int(count)


def test_a_batch_of_a_thousand_events_makes_few_other_people_wait(url: str, engine: PostgresEngine) -> None:
    """Fewer than one in twenty of two thousand other people has to wait."""
    places = engine.read("places", psids=[digest_of(str(number)) for number in range(3000)])
    taken, others = {row["place"] for row in places[:1000]}, [row["place"] for row in places[1000:]]
    assert len(taken) > 980
    assert sum(place in taken for place in others) < len(others) / 20


def test_a_chat_that_joins_an_account_before_it_is_held_is_held_with_the_others(
    url: str, store: SQLStore, engine: PostgresEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another transaction would change the chat while this one ends it."""
    write, joining = engine.write, list[str]()

    def write_after_another_chat_joins(work: Any) -> Any:
        while joining:
            psid = joining.pop()
            link(store, Account(psid.split()[0]), psid=psid)
        return write(work)

    def one_chat_while_all_are_held(case: Any) -> str:
        places = engine.read("places", psids=[digest_of(other.psid) for other in case.other_chats])
        with session(url) as another:
            for row in places:
                tried = another.execute("select pg_try_advisory_xact_lock(25196, %s)", [row["place"]])
                free.append(tried.fetchone()[0])
        return "one_chat"

    free: list[bool] = []
    monkeypatch.setattr(engine, "write", write_after_another_chat_joins)
    for how in ("event", "api"):
        account, psid = Account(how), f"{how} first"
        code = save_code(store, attempt_for(account, psid=psid))
        joining[:] = [f"{how} third", f"{how} second"]
        policy = Policy(one_chat_while_all_are_held)
        if how == "event":
            outcomes = store.receive([linked(code, psid=psid)], NOW, policy=policy)
        else:
            outcomes = store.bind(PAGE, psid, Identifiers(how), "api", NOW, account=account, policy=policy)
        assert [type(each) for each in outcomes] == [AccountLinked, AccountUnlinked, AccountUnlinked]
        assert [each.psid for each in store.find_links_of_account(account.id)] == [psid]
    assert free == [False] * 4


def test_an_undo_holds_the_account_that_it_puts_back(url: str, store: SQLStore) -> None:
    """Or the chat would join the account while all that are known are ended."""
    link(store)
    link(store, Account("2"), now=NOW + 1)
    undo = store.find_undo(PAGE, PSID)
    assert undo is not None
    with session(url) as another:
        another.execute(
            "select pg_advisory_xact_lock(25196,"
            " cast((hashtextextended(%s, 3) & 65535) - 131072 as integer))",
            [digest_of(ADA.id)],
        )
        with limits(store, lock_timeout=500):
            seconds(lambda: store.undo(PAGE, PSID, undo.change_id, NOW + 2))
    assert [type(each) for each in store.undo(PAGE, PSID, undo.change_id, NOW + 2)] == [AccountLinked]


def test_a_bind_whose_account_changes_while_it_waits_holds_the_other_one(
    store: SQLStore, engine: PostgresEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call with an e-mail address alone means the account that the chat has, if it has one."""
    write, held = engine.write, list[Any]()

    def write_after_the_link_ended(work: Any) -> Any:
        monkeypatch.setattr(engine, "write", write)
        store.unlink(PAGE, PSID, "python", NOW + 1)
        return write(work)

    hold = Transaction.hold

    def noted(tx: Transaction, **whom: Any) -> None:
        held.append(whom)
        hold(tx, **whom)

    link(store)
    given = Identifiers(email="new@example.com")
    store.bind(PAGE, "another", given, "api", NOW)
    monkeypatch.setattr(engine, "write", write_after_the_link_ended)
    monkeypatch.setattr(Transaction, "hold", noted)
    outcomes = store.bind(PAGE, PSID, given, "api", NOW + 2, policy=Policy("one_chat"))
    assert [type(each) for each in outcomes] == [AccountLinked, AccountUnlinked]
    assert held[-2:] == [
        {"accounts": ["email:new@example.com"]},
        {"psids": [PSID, "another"], "codes": ()},
    ]


def test_more_locks_than_the_server_has_room_for_are_one_error_and_harm_nothing(
    url: str, store: SQLStore, engine: PostgresEngine
) -> None:
    def hold_all(tx: Any) -> None:
        tx.hold(psids=map(str, range(60_000)))
        tx.one("find_code", digest="")  # takes it along

    with pytest.raises(StoreUnavailable):
        engine.write(hold_all)
    assert isinstance(link(store), AccountLinked)


def test_an_entry_that_another_worker_is_claiming_is_passed_over(url: str, store: SQLStore) -> None:
    for psid in ("1", "2"):
        link(store, psid=psid)
    with session(url) as other:
        other.execute("select * from outbox where psid = '1' for update")
        assert [entry.psid for entry in claim(store)] == ["2"]  # waiting would have ended in an error


# Ticks


def test_a_code_that_was_being_committed_while_an_unlink_was_processed_links(
    url: str, store: SQLStore
) -> None:
    link(store)
    code = "code-in-the-making"
    with session(url) as other:
        other.execute(
            "insert into codes (digest, attempt_id, page_id, psid, account_id, minted_at, expires_at)"
            " values (%s, 'a', %s, %s, '1', %s, %s)", [digest_of(code), PAGE, PSID, NOW, NOW + MINUTE],
        )  # fmt: skip
        assert isinstance(store.receive([unlinked(at=NOW + 5)], NOW)[0], AccountUnlinked)
        other.commit()
    assert isinstance(store.receive([linked(code, at=NOW + 6)], NOW)[0], AccountLinked)


def test_a_code_committed_after_one_with_a_greater_tick_is_judged_by_the_timestamps(
    url: str, store: SQLStore
) -> None:
    """By its tick the code was minted before the unlink, which is one possible order."""
    for late, outcome in ((NOW + 6, AccountLinked), (NOW + 4, EventIgnored)):
        code = f"slow-{late}"
        with session(url) as other:
            other.execute(
                "insert into codes (digest, attempt_id, page_id, psid, account_id, minted_at, expires_at)"
                " values (%s, %s, %s, %s, '1', %s, %s)",
                [digest_of(code), code, PAGE, PSID, NOW, NOW + MINUTE],
            )
            link(store)  # mints a code with a greater tick
            store.unlink(PAGE, PSID, "python", NOW + 5)
            other.commit()
        assert isinstance(store.receive([linked(code, at=late)], NOW)[0], outcome)


# Time-outs


def test_a_statement_is_stopped_at_the_limit(store: SQLStore, engine: PostgresEngine) -> None:
    engine.statements["slow"] = "select pg_sleep(200)"
    with limits(store, statement_timeout=500):
        assert 0.4 < seconds(lambda: engine.read("slow")) < GENEROUS_S
    with limits(store, statement_timeout=500):
        assert 0.4 < seconds(lambda: engine.write(lambda tx: tx.run("slow"))) < GENEROUS_S
    assert engine.read("find_pages")


def test_a_server_that_falls_silent_is_given_up_in_time(
    url: str, store: SQLStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's own time limits do not help when no answer comes."""
    link(store)
    ((process,),) = store.engine.write(lambda tx: [tuple(row.values()) for row in _backend(store, tx)])
    os.kill(process, signal.SIGSTOP)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(connections, "PATIENCE_S", 1.0)
            assert 0.9 < seconds(lambda: store.receive([unlinked()], NOW)) < GENEROUS_S
        assert store.find_link(PAGE, PSID) is not None  # on another connection
    finally:
        os.kill(process, signal.SIGCONT)
    assert isinstance(store.receive([unlinked()], NOW)[0], AccountUnlinked)


def _backend(store: SQLStore, tx: Any) -> list[dict[str, Any]]:
    tx._statements["backend"] = "select pg_backend_pid() as process"
    rows: list[dict[str, Any]] = tx.all("backend")
    return rows


def test_when_all_connections_are_busy_a_caller_waits_and_is_then_refused(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MOST", 2)
    monkeypatch.setattr(connections, "STATEMENT_S", 0.3)
    store = open_store(url)
    release, busy = threading.Event(), threading.Barrier(3, timeout=30)

    def occupy(tx: Any) -> None:
        busy.wait()
        release.wait(60)

    threads = [threading.Thread(target=store.engine.write, args=(occupy,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    busy.wait()
    assert 0.2 < seconds(lambda: store.find_link(PAGE, PSID)) < GENEROUS_S
    monkeypatch.setattr(connections, "STATEMENT_S", 60)
    threading.Timer(0.1, release.set).start()
    assert store.find_link(PAGE, PSID) is None  # whoever waits is served when one is free
    for thread in threads:
        thread.join(10)
    store.close()


def test_a_process_opens_no_more_than_its_connections(url: str, store: SQLStore) -> None:
    at_once([lambda: store.hit("key", NOW + 1, NOW)] * 40)
    assert _sessions(url, at_most=connections.MOST) <= connections.MOST
    store.close()
    assert _sessions(url, at_most=0) == 0


def test_a_connection_that_is_not_needed_any_more_is_closed(
    url: str, store: SQLStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once([lambda: store.hit("key", NOW + 1, NOW)] * 40)
    monkeypatch.setattr(connections, "KEEP_IDLE_S", -1.0)
    for _ in range(connections.MOST):
        store.check()
    assert _sessions(url, at_most=1) <= 1


def _sessions(url: str, *, at_most: int) -> int:
    count = 0
    for _ in range(3000):  # a session ends a moment after it was closed
        rows = postgres.execute(
            url, "select count(*) from pg_stat_activity where application_name = 'bot_linking'"
        )
        if (count := rows[0][0]) <= at_most:
            break
        time.sleep(0.02)
    return int(count)


# Statements that travel with the next


def test_a_login_is_two_round_trips(store: SQLStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """One for all that it reads, one for all that it writes, with the commit."""
    code, journeys = save_code(store), list[str]()
    look, send = Transaction.look_up_sets, Transaction._send

    def looked(tx: Transaction, *asked: Any) -> Any:
        journeys.append("look")
        return look(tx, *asked)

    def sent(tx: Transaction, statement: str, values: Any = None) -> Any:
        journeys.append(statement)
        return send(tx, statement, values)

    monkeypatch.setattr(Transaction, "look_up_sets", looked)
    monkeypatch.setattr(Transaction, "_send", sent)
    assert isinstance(store.receive([linked(code)], NOW)[0], AccountLinked)
    assert journeys == ["look", "commit"]


@pytest.mark.parametrize("then", ["more", "commit"])
def test_an_error_of_a_statement_sent_with_the_next_is_raised_and_undoes_all(
    engine: PostgresEngine, url: str, then: str
) -> None:
    engine.statements["fill"] = to_psycopg(
        "insert into limits (key, hits, expires_at) values (:key, :hits, 1)"
    )
    engine.statements["see"] = "select key from limits"

    def work(tx: Any) -> None:
        tx.put("fill", key="good", hits=1)
        tx.put("fill", key="bad", hits=None)
        tx.put("fill", key="never", hits=1)
        if then == "more":
            tx.all("see")

    for _ in range(3):
        with pytest.raises(psycopg.errors.NotNullViolation):
            engine.write(work)
    assert engine.read("see") == []
    assert _sessions(url, at_most=1) == 1  # the connection is as good as before


@pytest.mark.parametrize("bad", [{"key": "bad", "hits": None}, {"key": "never sent: \0", "hits": 1}])
def test_an_error_behind_a_savepoint_undoes_that_work_only(
    engine: PostgresEngine, bad: dict[str, Any]
) -> None:
    engine.statements["fill"] = to_psycopg(
        "insert into limits (key, hits, expires_at) values (:key, :hits, 1)"
    )
    engine.statements["see"] = "select key from limits order by key"

    def work(tx: Any) -> None:
        tx.put("fill", key="before", hits=1)
        with pytest.raises((psycopg.DataError, psycopg.IntegrityError)):
            tx.isolated(lambda: tx.put("fill", **bad))
        tx.put("fill", key="later", hits=1)

    engine.write(work)
    assert engine.read("see") == [{"key": "before"}, {"key": "later"}]


def test_an_error_before_sending_behind_a_savepoint_spoils_nothing(engine: PostgresEngine) -> None:
    engine.statements["fill"] = to_psycopg(
        "insert into limits (key, hits, expires_at) values (:key, :hits, 1)"
    )
    engine.statements["see"] = "select key from limits order by key"

    def fail_twice(tx: Any) -> None:
        tx.put("fill", key="bad", hits=None)
        raise ValueError("and the code beside it")

    def work(tx: Any) -> None:
        with suppress(ValueError):
            tx.isolated(lambda: fail_twice(tx))
        tx.put("fill", key="later", hits=1)

    engine.write(work)
    assert engine.read("see") == [{"key": "later"}]


def test_no_row_reaches_the_log_whatever_fails_at_once(
    engine: PostgresEngine, caplog: pytest.LogCaptureFixture
) -> None:
    """psycopg logs the server's errors of which it can raise only one; they may quote a row."""
    guard_logs()
    engine.statements["fill"] = to_psycopg(
        "insert into limits (key, hits, expires_at) values (:key, :hits, 1)"
    )

    def work(tx: Any) -> None:
        tx.put("fill", key="somebody", hits=None)
        tx.one("find_code", digest="not a digest: \0")

    with pytest.raises(psycopg.Error):
        engine.write(work)
    assert "somebody" not in caplog.text


def test_the_wait_for_a_connection_is_a_part_of_the_wait_for_an_answer(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left for the server's answer is less by the time that a connection was waited for."""
    monkeypatch.setattr(connections, "MOST", 1)
    monkeypatch.setattr(connections, "STATEMENT_S", 60)
    monkeypatch.setattr(connections, "PATIENCE_S", 1.6)
    store = open_store(url)
    assert isinstance(store.engine, PostgresEngine)
    pool = store.engine._connections
    only = pool.borrow()

    def freeze_and_give_back() -> None:
        os.kill(only.info.backend_pid, signal.SIGSTOP)
        pool.give_back(only)

    process, wait, left = only.info.backend_pid, psycopg.Connection.wait, list[float]()

    def watched(self: Any, gen: Any, *interval_and_limit: float) -> Any:
        left.extend(interval_and_limit[1:])
        return wait(self, gen, *interval_and_limit)

    monkeypatch.setattr(psycopg.Connection, "wait", watched)
    threading.Timer(1.0, freeze_and_give_back).start()
    try:
        assert 1.5 < seconds(lambda: store.receive([unlinked()], NOW)) < GENEROUS_S
    finally:
        os.kill(process, signal.SIGCONT)
    assert left[0] < 0.7
    monkeypatch.setattr(connections, "PATIENCE_S", GENEROUS_S)
    assert isinstance(store.receive([unlinked()], NOW)[0], EventIgnored)
    store.close()


# Deadlocks and serialization failures


@pytest.mark.parametrize("kind", ["DeadlockDetected", "SerializationFailure"])
def test_a_transition_that_the_server_undid_is_tried_again_three_times(
    engine: PostgresEngine, kind: str
) -> None:
    tried = list[int]()

    def work(tx: Any) -> str:
        tried.append(len(tried))
        tx.run("save_resume", page_id=PAGE, psid=str(len(tried)), payload="1", now=NOW)
        if len(tried) < 4:
            raise getattr(psycopg.errors, kind)("forced")
        return "done"

    assert engine.write(work) == "done"
    assert len(tried) == 4
    engine.statements["resumes"] = "select psid from resumes"
    assert engine.read("resumes") == [{"psid": "4"}]


def test_a_transition_that_is_undone_again_and_again_is_store_unavailable(engine: PostgresEngine) -> None:
    tried = list[int]()

    def work(tx: Any) -> None:
        tried.append(1)
        raise psycopg.errors.DeadlockDetected("forced")

    assert seconds(lambda: engine.write(work)) < GENEROUS_S
    assert len(tried) == 4


def test_a_real_deadlock_with_another_program_is_survived(url: str, store: SQLStore) -> None:
    codes = {psid: save_code(store, attempt_for(psid=psid)) for psid in ("1", "2")}
    first, second = threading.Event(), threading.Event()
    with session(url) as other:
        other.execute("set deadlock_timeout = '60s'")  # so that it is us whom the server chooses
        other.execute("select * from codes where psid = '2' for update")
        engine, receive = store.engine, store._receive_one

        def work(tx: Any) -> list[Any]:
            outcomes = receive(tx, linked(codes["1"], psid="1"), NOW, Policy())
            first.set()
            assert second.wait(GENEROUS_S)
            return [*outcomes, *receive(tx, linked(codes["2"], psid="2"), NOW, Policy())]

        def cross() -> None:
            other.execute("select * from codes where psid = '1' for update")
            other.commit()

        found: list[Any] = []
        threads = [threading.Thread(target=lambda: found.extend(engine.write(work)))]
        threads.append(threading.Thread(target=cross))
        threads[0].start()
        assert first.wait(GENEROUS_S)
        threads[1].start()
        waiting = "select 1 from pg_locks where not granted"
        while threads[1].is_alive() and not postgres.execute(url, waiting):
            threads[1].join(0.01)
        second.set()
        for thread in threads:
            thread.join(GENEROUS_S)
    assert [type(each) for each in found] == [AccountLinked, AccountLinked]


# What goes wrong with the data


def test_an_error_of_a_transition_undoes_it_and_is_raised(engine: PostgresEngine) -> None:
    def work(tx: Any) -> None:
        tx.run("save_resume", page_id=PAGE, psid=PSID, payload="1", now=NOW)
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        engine.write(work)
    assert engine.write(lambda tx: tx.all("take_resumes", page_id=PAGE, psid=PSID)) == []


def test_a_schema_that_is_missing_is_no_fault_of_the_events(url: str, store: SQLStore) -> None:
    """Events must not be buried for it: Messenger sends them again."""
    code = save_code(store)
    postgres.execute(url, "alter table links rename to elsewhere")
    with pytest.raises(StoreUnavailable):
        store.receive([linked(code)], NOW)
    postgres.execute(url, "alter table elsewhere rename to links")
    assert isinstance(store.receive([linked(code)], NOW)[0], AccountLinked)


# Sessions


@pytest.mark.usefixtures("product_waits")
def test_sessions_are_durable_and_read_what_is_committed_whatever_the_server_prefers(url: str) -> None:
    url += "%20-csynchronous_commit%3Doff%20-cdefault_transaction_isolation%3Dserializable"
    store = open_store(url)
    engine = store.engine
    assert isinstance(engine, PostgresEngine)
    engine.statements["settings"] = (
        "select current_setting('synchronous_commit') as a, current_setting('transaction_isolation') as b,"
        " current_setting('statement_timeout') as c"
    )
    assert engine.write(lambda tx: tx.one("settings")) == {"a": "on", "b": "read committed", "c": "3s"}
    store.close()


def test_named_parameters_become_the_drivers_and_casts_and_percent_signs_stay() -> None:
    assert to_psycopg("select :a_b::text, a::int, '%' where b = :b") == (
        "select %(a_b)s::text, a::int, '%%' where b = %(b)s"
    )


def test_statements_of_postgresqls_own_take_the_same_parameters() -> None:
    shared, own = load_statements(), load_statements("statements_postgres.sql")
    assert set(own) - set(shared) <= {"hold", "save_person"}
    for name in set(own) & set(shared):
        values = [set(re.findall(r"(?<!:):([a-z_]+)", statements[name])) for statements in (shared, own)]
        assert values[0] == values[1], name


@pytest.mark.parametrize("room", [STORES, "bot_linking.external_account"])
def test_every_statement_is_understood_by_the_server(engine: PostgresEngine, room: str) -> None:
    """Also with NULL for every value, whose types the server must derive."""
    if room != STORES:
        engine.extend("bot_linking_external_account", room)
    for name, statement in engine.statements.items():
        values = dict.fromkeys(re.findall(r"%\((\w+)\)s", statement))

        def work(tx: Any, name: str = name, values: Any = values) -> None:
            with suppress(psycopg.IntegrityError):  # a column that must not be empty
                tx.isolated(lambda: tx.run(name, **values))

        engine.write(work)


# Addresses


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:top@secret@host/db", "postgresql://u:top/secret@host/db",
        "postgresql://u:top#secret@host/db", "postgresql://u:top?secret@host/db",
        "postgresql://u:top:secret@host/db", "postgresql:/u:topsecret@host", "mysql://u:topsecret@host/db",
        "postgresql://host:topsecret/db?x", "postgresql://h/db?topsecret", "postgresql://h/db?topsecret=1",
        "postgresql://[topsecret/db",
    ],
)  # fmt: skip
def test_an_address_that_cannot_be_right_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises((ConfigurationError, StoreUnavailable)) as caught:
        open_store(_setting(url)).check()
    assert "BOT_LINKING_DATABASE" in str(caught.value) or isinstance(caught.value, StoreUnavailable)
    assert "secret" not in _chain(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:top%zzsecret@127.0.0.1:1/db", "postgresql://u:top/secret@127.0.0.1:1/db",
        "postgresql://127.0.0.1:1/db?password=top%zzsecret", "postgresql://[topsecret/db",
        "postgresql://u:a?b@topsecret@127.0.0.1:1/db", "postgresql://u:a@topsecret@h,i/db",
        "postgresql://u:a@topsecret/x@127.0.0.1:1/db", "postgresql://u:a@topsecret,@127.0.0.1:1/db",
        "postgresql://u:/topsecret@127.0.0.1:1/db", "postgresql://u:12/topsecret@127.0.0.1:1/db",
        "postgresql://127.0.0.1?user=u&password=top@secret", "postgresql://h:1?x=y@z&sslpassword=topsecret",
        "postgresql://h?dbname=d&password=top@secret&user=u", "postgresql://u%3Atopsecret%40127.0.0.1/db",
        "postgresql:///db?host=u:topsecret@127.0.0.1", "postgresql://i,u%3Atopsecret%40h:1/db",
        "postgresql:///db?hostaddr=u:topsecret@127.0.0.1", "postgresql://u:topsecret@.internal/db",
        "postgresql://u:topsecret@db..internal,h/db", f"postgresql://u:topsecret@{'h' * 64}/db",
        "postgresql://u:topsecret@h/d?sslmode=disable?pooling=transaction",
        "postgresql://u:topsecret@h/d?schema=public", "postgresql://u%3Atopsecret/db",
        "postgresql:///db?host=u:topsecret", "postgresql://u%3Atopsecret@127.0.0.1/db",
        "postgresql://127.0.0.1?user=u&pwd=top@secret", "postgresql://127.0.0.1?user=u&Password=top@secret",
        "postgresql://h:1,i:2?user=u&passw%6Frd=top@secret", "postgresql://[::1]:5?user=u&password=top@secret",
        "postgresql://?user=u&password=top@secret", "postgresql://h,[::1]?a=b&password=top@secret",
        "postgresql://fe80::1?user=u&password=top@secret", "postgresql://h?sslmode&user=u&password=top@secret",
        "postgresql://h?&user=u&password=top@secret", "postgresql://h:PORT?user=u&password=top@secret",
        "postgresql://[::1]5432?user=u&password=top@secret", "postgresql://h;pw=top@secret/db",
        "postgresql://h&user=u&password=topsecret", "postgresql://h;password=topsecret/db",
        "postgresql://h:1/db&password=topsecret", "postgresql://h/db%3Fpassword=topsecret",
        "postgresql://h/db,password=topsecret", "postgresql://h/db%20password=topsecret",
        "postgresql://h/db|password=topsecret", "postgresql://u,password=topsecret@h/db",
        "postgresql://h/db?user=u%20password%3Dtopsecret", "postgresql://h%20password=topsecret/db",
        "postgresql://u:a?pooling=topsecret@h/d", "postgresql://bot:a?pooling=session&topsecret@h,i/bot",
    ],
)  # fmt: skip
def test_no_part_of_an_address_that_libpq_does_not_understand_is_shown(url: str) -> None:
    """libpq quotes what it does not understand, which may be a part of a password."""
    for use in (open_store, PostgresSide):
        with pytest.raises(ConfigurationError) as caught:
            use(url)
        assert "top" not in (text := _chain(caught.value))
        assert "secret" not in text


def test_texts_are_read_as_utf8_whatever_encoding_the_address_names(url: str) -> None:
    store = open_store(f"{url}{'&' if '?' in url else '?'}client_encoding=sql_ascii")
    with closing(store):
        store.check()
        link(store, Account("1", username="Zoë 你"))
        found = store.find_link(PAGE, PSID)
        assert found is not None
        assert found.username == "Zoë 你"


def test_a_server_that_is_not_there_is_known_at_once_and_the_password_stays_hidden() -> None:
    began = time.monotonic()
    with pytest.raises(StoreUnavailable) as caught:
        open_store("postgresql://bot:top%2Dsecret@127.0.0.1:1/db?sslpassword=hushhush").check()
    assert time.monotonic() - began < GENEROUS_S
    text = _chain(caught.value)
    assert not [word for word in ("top%2Dsecret", "top-secret", "hushhush") if word in text]


def test_the_address_is_in_no_repr(url: str, store: SQLStore) -> None:
    settings = read_settings(_config("postgresql://bot:topsecret@host/db"), {}, {})
    assert settings.database == "postgresql://bot:topsecret@host/db"
    assert "topsecret" not in repr(settings)
    assert url not in repr(store) + repr(store.engine) + repr(vars(store))


def _setting(url: str) -> str:
    return read_settings(_config(url), {}, {}).database


def _config(url: str) -> dict[str, str]:
    keys = {
        "PAGE_ACCESS_TOKEN": "a-page-token",
        "APP_SECRET": "an-app-secret",
        "VERIFY_TOKEN": "a-verify-token",
        "SECRET_KEY": "a-secret-key-of-the-tests",
        "PUBLIC_URL": "https://bot.example.com",
        "DATABASE": url,
    }
    return {f"BOT_LINKING_{name}": value for name, value in keys.items()}


def _chain(problem: BaseException | None) -> str:
    """The text of an error and of its causes, as a traceback shows it."""
    text = ""
    while problem is not None:
        text += f"{problem} {problem!r}\n"
        problem = problem.__cause__ or (None if problem.__suppress_context__ else problem.__context__)
    return text


# Upkeep


def test_purging_skips_rows_that_another_transaction_has_locked(url: str, store: SQLStore) -> None:
    for psid in ("1", "2"):
        store.save_resume(PAGE, psid, "order", NOW)
    with session(url) as other:
        other.execute("select * from resumes where psid = '1' for update")
        store.purge(NOW + DAY)  # waiting would have ended in an error
    assert (store.take_resume(PAGE, "1"), store.take_resume(PAGE, "2")) == ("order", None)


# The server's own death


@pytest.fixture(scope="module")
def own_server() -> Iterator[postgres.Server]:
    """A server that only the tests of this section use."""
    postgres.server()
    mine = postgres.start()
    assert isinstance(mine, postgres.Server)
    yield mine
    mine.stop()


@pytest.fixture
def own_url(own_server: postgres.Server, request: pytest.FixtureRequest) -> str:
    """A schema of its own there."""
    schema = f"of_{request.node.name[:40]}"
    postgres.execute(own_server.url, f"create schema {schema}")
    return own_server.url_of(schema)


def test_a_restart_under_load_loses_nothing_and_doubles_nothing(
    own_server: postgres.Server, own_url: str
) -> None:
    """Refused calls are repeated, as by people and by Messenger, and all succeed soon. A commit whose answer
    was lost may have happened, so a person who comes again gets another code."""
    store = open_store(own_url)
    stop, done, refused = threading.Event(), dict[str, float](), list[float]()

    def consent(psid: str) -> str:
        return save_code(store, attempt_for(psid=psid))

    def deliver(worker: int) -> None:
        for number in count():
            psid = f"{worker}-{number}"
            code = _until_it_works(partial(consent, psid), refused)
            _until_it_works(partial(store.receive, [linked(code, psid=psid)], NOW), refused)
            done[psid] = time.monotonic()
            if stop.is_set():
                return

    threads = [threading.Thread(target=deliver, args=(worker,)) for worker in range(6)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        _until_more_than(len(done) + 3 * len(threads), done)
        own_server.control("restart", "-m", "immediate")
        _until_more_than(len(done) + len(threads), done)
    stop.set()
    for thread in threads:
        thread.join(2 * GENEROUS_S)
    assert refused
    assert {each.psid for each in store.list_links()} == set(done)
    waiting = postgres.execute(own_url, "select psid from outbox where kind = 'linked'")
    assert sorted(psid for (psid,) in waiting) == sorted(done)
    store.close()


def _until_more_than(number: int, done: dict[str, float]) -> None:
    until = time.monotonic() + 2 * GENEROUS_S
    while len(done) <= number:
        assert time.monotonic() < until
        time.sleep(0.01)


def _until_it_works(work: Callable[[], T], refused: list[float]) -> T:
    for _ in range(2000):
        try:
            return work()
        except StoreUnavailable:
            refused.append(time.monotonic())
            time.sleep(0.02)
    raise AssertionError("it never worked again")


def test_calls_are_refused_at_once_while_the_server_is_away_and_served_when_it_is_back(
    own_server: postgres.Server, own_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One look for the server ends each call."""
    store = open_store(own_url)
    link(store)
    own_server.control("stop", "-m", "fast")
    looks, look = list[int](), connections.Connections.open_one

    def counted(pool: connections.Connections) -> Any:
        looks.append(1)
        return look(pool)

    monkeypatch.setattr(connections.Connections, "open_one", counted)
    for _ in range(3):
        assert seconds(lambda: store.find_link(PAGE, PSID)) < GENEROUS_S
        assert seconds(lambda: store.receive([unlinked()], NOW)) < GENEROUS_S
    assert len(looks) == 6
    with pytest.raises(StoreUnavailable):
        open_store(own_url).check()
    own_server.control("start", "-o", f'-h "" -k {own_server.folder}')
    assert store.find_link(PAGE, PSID) is not None
    store.close()


# Erasing


def test_nothing_of_an_erased_person_is_in_any_table(url: str, store: SQLStore) -> None:
    leave_traces_everywhere(store)
    tables = [
        table
        for (table,) in postgres.execute(
            url, "select table_name from information_schema.tables where table_schema = current_schema()"
        )
    ]

    def found() -> set[str]:
        rows = {table: repr(postgres.execute(url, f"select * from {table}")) for table in tables}
        return {table for table, text in rows.items() if any(trace in text for trace in TRACES)}

    assert found() >= {"links", "codes", "attempts", "unlinks_seen", "resumes", "outbox", "history"}
    assert store.erase(None, PERSON, NOW) > 0
    assert found() == set()


# Statements


@pytest.mark.parametrize("room", [STORES, EXTERNAL])
def test_statements_find_their_rows_by_an_index_before_any_statistics(
    engine: PostgresEngine, room: str
) -> None:
    """The planner takes a table that was empty a minute ago for small, and would read all of it for each
    login."""
    engine.extend("bot_linking" if room == STORES else "bot_linking_external_account", room)
    engine.opening.finish()
    plans = {name: plan_of(engine, name) for name in load_statements(room=room)}
    read_whole = {name for name, plan in plans.items() if any("Seq Scan" in line for line in plan)}
    # retry_dead is a command of operators, a few thousand rows at a time
    assert read_whole - MAY_SCAN.keys() - {"retry_dead"} == (
        {"external_list_apps"} if room == EXTERNAL else set()
    )


def test_accounts_are_found_by_the_person_before_any_statistics(url: str, engine: PostgresEngine) -> None:
    """An application may have a million accounts on one platform: no statement about a person walks through
    them, for one person or for many at once."""
    engine.extend("bot_linking_external_account", EXTERNAL)
    engine.opening.finish()
    with session(url) as another:
        another.execute(
            "with shop as (insert into external_apps (app_key, created_at) values ('s', 1) returning app_key)"
            " insert into external_accounts (app_key, user_id, platform, union_id, platform_name, avatar,"
            "  data, enabled, page_id, psid, created_at, updated_at)"
            " select app_key, n, 'facebook', n, '', '', '', 1, 'page', n, 1, 1"
            " from shop, generate_series(1, 2000) as n"
        )
        another.commit()
    for name in load_statements("sets_postgres.sql", room=EXTERNAL):
        for statement in (engine.statements[name], engine._sets[name]):
            conditions = [line for line in explain(engine, statement) if "Index Cond" in line]
            assert conditions, name
            assert [line for line in conditions if "psid" not in line and "union_id" not in line] == [], name


def test_a_statement_without_an_index_would_be_found(engine: PostgresEngine) -> None:
    engine.statements["by_language"] = to_psycopg("select 1 from links where locale = :name")
    assert [line for line in plan_of(engine, "by_language") if "Seq Scan on links" in line]


def plan_of(engine: PostgresEngine, name: str) -> list[str]:
    return explain(engine, engine.statements[name])


def explain(engine: PostgresEngine, statement: str) -> list[str]:
    names = re.findall(r"%\((\w+)\)s", statement)
    lists = {"psids", "codes", "attempts"} | set(re.findall(r"%\((\w+)\)s as \w+\[\]", statement))
    values: dict[str, Any] = {each: ["1"] if each in lists else "1" for each in names}
    values |= {each: "[]" for each in names if f"cast(%({each})s as json)" in statement}
    line = engine._connections.borrow()
    try:
        return [str(row[0]) for row in line.execute("explain " + statement, values).fetchall()]
    finally:
        engine._connections.give_back(line)


def test_a_proof_of_a_chat_links_once_when_two_consents_cross(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second consent has seen the proof unused before the first one's code comes back."""
    store = open_store(url)
    proof = digest_of("signed_request")
    one = replace(attempt_for(ADA), way="menu", proof=proof)
    two = replace(attempt_for(Account("666", username="mallory")), way="menu", proof=proof)
    ends = NOW + 5 * MINUTE
    assert store.save_code(digest_of("a" * 32), one, None, NOW, ends)
    reached, go, real = threading.Event(), threading.Event(), room_of_attempts._codes_of

    def slowly(tx: Any, attempt_id: str) -> int:
        reached.set()
        assert go.wait(30)
        return real(tx, attempt_id)

    monkeypatch.setattr(room_of_attempts, "_codes_of", slowly)
    outcomes: list[Any] = []
    consent = threading.Thread(target=store.save_code, args=(digest_of("b" * 32), two, None, NOW, ends))
    redeem = threading.Thread(target=lambda: outcomes.extend(store.receive([linked("a" * 32, at=NOW)], NOW)))
    consent.start()
    assert reached.wait(30)
    redeem.start()
    waiting = "select 1 from pg_locks where locktype = 'advisory' and not granted"
    while redeem.is_alive() and not postgres.execute(url, waiting):
        redeem.join(0.01)
    go.set()
    consent.join()
    redeem.join()
    outcomes += store.receive([linked("b" * 32, at=NOW + 1)], NOW + 1)
    store.close()
    assert [isinstance(each, AccountLinked) for each in outcomes] == [True, False]
