"""PostgreSQL behind PgBouncer, which lends the server's sessions for one transaction at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

psycopg = pytest.importorskip("psycopg", reason="PostgreSQL's driver is not installed")

from psycopg.conninfo import conninfo_to_dict  # noqa: E402

from bot_linking.core.errors import ConfigurationError, StoreUnavailable  # noqa: E402
from bot_linking.core.events import AccountLinked  # noqa: E402
from bot_linking.stores import open_store  # noqa: E402
from bot_linking.stores.postgres import locks  # noqa: E402
from bot_linking.stores.postgres.database import secrets_in  # noqa: E402
from bot_linking.stores.postgres.engine import PostgresEngine  # noqa: E402
from bot_linking.stores.postgres.sessions import without_pooling  # noqa: E402
from bot_linking.stores.store import SQLStore  # noqa: E402
from tests import pgbouncer, postgres  # noqa: E402
from tests.children import insisting  # noqa: E402

from .given import NOW, PAGE, attempt_for, link, linked, queued, save_code, unlinked  # noqa: E402

SESSIONS = 10
WORKERS = 200


@pytest.fixture
def direct() -> Iterator[str]:
    with postgres.schema_with_tables() as url:
        yield url


@pytest.fixture
def pooled(direct: str) -> Iterator[str]:
    with pgbouncer.running(direct, sessions=SESSIONS) as url:
        yield url


def test_two_hundred_connections_share_ten_sessions_and_each_code_links_once(pooled: str) -> None:
    """Each thread has its own engine, and so its own connection, as a worker has. Four of them redeem each
    code at once."""
    with ExitStack() as stack:
        stores = [
            stack.enter_context(closing(open_store(pooled + "?pooling=transaction"))) for _ in range(WORKERS)
        ]
        codes = [save_code(stores[0], attempt_for(psid=str(number))) for number in range(WORKERS // 4)]
        gate, outcomes, problems = threading.Barrier(WORKERS, timeout=60), list[Any](), list[BaseException]()

        def work(number: int) -> None:
            place = number % len(codes)
            try:
                gate.wait()
                event = linked(codes[place], psid=str(place))
                outcomes.extend(insisting(lambda: stores[number].receive([event], NOW)))
                assert stores[number].find_link(PAGE, str(place)) is not None
            except BaseException as problem:
                problems.append(problem)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(WORKERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(240)
        assert problems == []
        assert sum(isinstance(each, AccountLinked) for each in outcomes) == len(codes)
        assert len(list(stores[0].list_links())) == len(codes)
        assert len(queued(stores[0])) == len(codes)


def test_no_setting_of_ours_reaches_another_program(direct: str) -> None:
    with (
        pgbouncer.running(direct, sessions=1) as url,
        closing(open_store(url + "?pooling=transaction")) as store,
    ):
        asked = (
            "select name, setting from pg_settings where name in ('statement_timeout', 'lock_timeout', 'jit',"
            " 'enable_seqscan', 'default_transaction_isolation', 'synchronous_commit',"
            " 'idle_in_transaction_session_timeout')"
        )
        before = dict(postgres.execute(url, asked))
        link(store)
        store.receive([unlinked()], NOW + 1)
        store.find_links_of_account("1")
        store.check()
        assert dict(postgres.execute(url, asked)) == before
        assert postgres.execute(url, "select name from pg_prepared_statements") == []
        assert postgres.execute(url, "select 1 from pg_locks where locktype = 'advisory'") == []


@pytest.mark.usefixtures("product_waits")
def test_transactions_have_their_limits_and_are_durable_all_the_same(pooled: str) -> None:
    with closing(open_store(pooled + "?pooling=transaction")) as store:
        engine = store.engine
        assert isinstance(engine, PostgresEngine)
        engine.statements["settings"] = (
            "select current_setting('synchronous_commit') as a, current_setting('jit') as e,"
            " current_setting('transaction_isolation') as b, current_setting('statement_timeout') as c,"
            " current_setting('enable_seqscan') as d"
        )
        found = engine.write(lambda tx: tx.one("settings"))
        assert found == {"a": "on", "b": "read committed", "c": "3s", "d": "off", "e": "off"}


@pytest.mark.parametrize("in_turn", [False, True], ids=["the last session", "each in turn"])
@pytest.mark.parametrize(
    ("sessions", "busy"), [(10, 0), (1, 0), (2, 0), (3, 0), (4, 2), (5, 4), (10, 3)], ids=str
)
def test_a_pooler_that_the_address_does_not_name_is_detected(
    direct: str, in_turn: bool, sessions: int, busy: int
) -> None:
    """Also where other programs have had all its sessions opened, and keep some busy."""
    with pgbouncer.running(direct, sessions=sessions, in_turn=in_turn) as url, ExitStack() as stack:
        others = [stack.enter_context(psycopg.connect(url)) for _ in range(sessions)]
        for other in others:
            other.execute("select 1")  # begins a transaction
        for other in others[busy:]:
            other.commit()
        with pytest.raises(ConfigurationError, match=r"\?pooling=transaction"):
            open_store(url)


def test_a_pooler_whose_sessions_were_not_opened_yet_is_detected(pooled: str) -> None:
    with pytest.raises(ConfigurationError, match=r"\?pooling=transaction"):
        open_store(pooled)


def test_locks_that_do_nothing_are_detected_behind_a_pooler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "SESSION_S", 60.0)  # the pooler has a second session, however slow the machine
    with postgres.empty_schema() as url:
        call = "pg_advisory_xact_lock(integer, integer) returns void"
        postgres.execute(url, f"create function {call} language sql as 'select'")
        with (
            pgbouncer.running(url + "%2Cpg_catalog", sessions=2) as pooled,
            pytest.raises(ConfigurationError, match="does not keep its advisory locks"),
        ):
            open_store(pooled + "?pooling=transaction")


def test_a_pooler_that_lends_whole_sessions_needs_no_word(direct: str) -> None:
    with pgbouncer.running(direct, mode="session") as url, closing(open_store(url)) as store:
        assert isinstance(link(store), AccountLinked)


def test_a_direct_connection_may_be_called_pooled(direct: str) -> None:
    with closing(open_store(direct + "&pooling=transaction")) as store:
        assert isinstance(link(store), AccountLinked)


@pytest.mark.parametrize("value", ["", "statement", "Transaction", "transaction&pooling=session"])
def test_another_word_for_the_pooling_is_a_wrong_value(value: str) -> None:
    with pytest.raises(ConfigurationError, match="pooling= must be transaction or session"):
        open_store(f"postgresql://bot@127.0.0.1:1/bot?pooling={value}")


@pytest.mark.parametrize(
    ("url", "plain", "is_lent"),
    [
        ("postgresql://u@h/d", "postgresql://u@h/d", False),
        ("postgresql://u@h/d?pooling=transaction", "postgresql://u@h/d", True),
        (
            "postgresql://u@h/d?port=1&pooling=transaction&application_name=%3D",
            "postgresql://u@h/d?port=1&application_name=%3D",
            True,
        ),
        ("postgresql://u@h,i/d?pooling=session&port=1,2", "postgresql://u@h,i/d?port=1,2", False),
        ("postgresql://u:a?b@h/d?pooling=transaction", "postgresql://u:a?b@h/d", True),
        (
            "postgresql://u@[fe80::1%25eth0]:5,[::1],h_1./d",
            "postgresql://u@[fe80::1%25eth0]:5,[::1],h_1./d",
            False,
        ),
        ("postgresql://h,/d?hostaddr=::1,", "postgresql://h,/d?hostaddr=::1,", False),
        ("postgresql://%40h,i:+1/d?port=%202", "postgresql://%40h,i:+1/d?port=%202", False),
        ("postgresql:///d?host=/run/a@b", "postgresql:///d?host=/run/a@b", False),
        ("postgresql://u:a?pooling@h/d?pooling=transaction", "postgresql://u:a?pooling@h/d", True),
    ],
)
def test_the_word_is_taken_out_of_the_address(url: str, plain: str, is_lent: bool) -> None:
    assert without_pooling(url) == (plain, is_lent)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://bot:a?b@h/bot",
        "postgresql://bot:a=?pooling&b@h,i/bot",
        "postgresql://b?t:p&w@h",
        "postgresql://u:a&password=1@h",
        "postgresql://u:p%3Fx_key=1&pass=b@h",
        "postgresql://u:p@[::1]:5/d%40e",
        "postgresql://u:p@%2Frun%2Fa%40b/d",
        "postgresql:///d",
        "postgresql://h",
    ],
)
def test_the_query_begins_where_it_begins_for_libpq(url: str) -> None:
    """libpq takes a user and a password with a question mark in them."""
    plain = f"{url}?application_name=/x@y?z&sslpassword=p@q"
    given = conninfo_to_dict(plain)
    assert given["application_name"] == "/x@y?z"
    assert without_pooling(f"{plain}&pooling=transaction") == (plain, True)
    assert {given["sslpassword"], given.get("password", plain)} <= set(secrets_in(plain))


def test_a_schema_that_the_address_names_needs_another_word_behind_a_pooler(pooled: str) -> None:
    """As the guide says: PgBouncer refuses `options=`, and a role may have a search path of its own."""
    store = open_store(pooled + "?options=-csearch_path%3Dbot&pooling=transaction")
    with closing(store), pytest.raises(StoreUnavailable, match="unsupported startup parameter: options"):
        store.check()


def test_a_store_is_copied_out_of_and_into_a_pooled_database(direct: str, pooled: str, tmp_path: Any) -> None:
    from bot_linking.stores.copying import copy_store

    with closing(open_store(f"sqlite:///{tmp_path}/links.db")) as store:
        link(store)
    copy_store(f"sqlite:///{tmp_path}/links.db", pooled + "?pooling=transaction")
    with closing(open_store(direct)) as there:
        assert len(list(there.list_links())) == 1
    copy_store(pooled + "?pooling=transaction", f"sqlite:///{tmp_path}/back.db")


def test_the_contract_of_a_whole_life_holds(pooled: str) -> None:
    with closing(open_store(pooled + "?pooling=transaction")) as store:
        assert isinstance(store, SQLStore)
        link(store)
        store.receive([unlinked()], NOW + 1)
        assert [change.what for change in store.history_of(PAGE, attempt_for().psid or "")] == [
            "linked",
            "unlinked",
        ]
        assert store.erase(None, attempt_for().psid or "", NOW) > 0
        store.purge(NOW * 2)
