"""Whichever call to the database or to Messenger fails: once the outside has tried again, store, last
message and model agree, and nothing was lost or done twice."""

from __future__ import annotations

import random
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bot_linking import Account
from bot_linking.core.events import AccountLinked, LinkingEvent, Outcome
from bot_linking.stores.outbox import announce
from bot_linking.stores.store import SQLStore
from tests import postgres
from tests.bots import Clock, NewBot
from tests.wire import PAGE, PAGE_TOKEN

from .failing import FailingEngine, FailingGraph, Faults, RandomFaults, fail_redis
from .flows import (
    FLOWS,
    LINKED,
    ORDERS,
    OTHER_PAGE,
    OTHER_PAGE_TOKEN,
    PROMPT,
    UNLINKED,
    Flow,
    LinkByLogin,
    Rows,
    Site,
    UnlinkByPython,
    UpdateByAPI,
    World,
)
from .flows_of_apps import FLOWS_OF_APPS
from .flows_of_operators import FLOWS_OF_OPERATORS
from .flows_of_ways import FLOWS_OF_WAYS

ALL_FLOWS = FLOWS + FLOWS_OF_APPS + FLOWS_OF_OPERATORS + FLOWS_OF_WAYS
MOST_CALLS = 400
NewWorld = Callable[..., World]


@pytest.fixture
def settings_of_flow(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """The settings of this test's flow, with a Redis where it wants one."""
    callspec = getattr(request.node, "callspec", None)
    flow = callspec.params.get("flow", Flow) if callspec else Flow
    if "THROTTLE" not in flow.settings:
        yield flow.settings
        return
    pytest.importorskip("redis", reason="the client of Redis is not installed")
    from tests import redis_server

    with redis_server.running(tmp_path) as server:
        yield flow.settings | {"THROTTLE": server.url}


@pytest.fixture
def new_world(
    new_bot: NewBot, clock: Clock, monkeypatch: pytest.MonkeyPatch, settings_of_flow: dict[str, Any]
) -> NewWorld:
    """Makes a bot over a database and a Graph that fail on demand."""

    def make(
        url: str, rows: Rows, problem: Callable[[], Exception], *, answers_get_lost: bool = True
    ) -> World:
        site, faults, disabled = Site(), Faults(), set[str]()
        graph = FailingGraph(faults, {PAGE_TOKEN: PAGE, OTHER_PAGE_TOKEN: OTHER_PAGE})
        graph.install(monkeypatch)
        bot = new_bot(
            DATABASE=url,
            ADDRESS_LIMIT=10_000,
            EXTERNAL_KEYS="external-key-of-the-tests-0123456789",
            EXTERNAL_ADDRESS_LIMIT=100_000,
            EXTERNAL_APP_LIMIT=100_000,
            **settings_of_flow,
            authenticate=site.authenticate,
            resolve_account=lambda username, _email, _phone_number: Account(username) if username else None,
            may_link=lambda account_id: account_id not in disabled,
            confirmation=lambda link: {"text": f"{LINKED} to {link.account_id}"},
            farewell=lambda page_id, psid: {"text": UNLINKED},
            clock=clock,
        )
        linking = bot.linking

        @linking.login_required(text=PROMPT)
        def orders(event: Any, link: Any) -> None:
            linking.bot.send_text_message(link.psid, f"{ORDERS} of {link.account_id}")

        linking.on_message(orders)
        store = linking.store
        store.engine = FailingEngine(store.engine, faults, problem, answers_get_lost=answers_get_lost)
        if settings_of_flow.get("THROTTLE"):
            fail_redis(linking.core.counters, faults)
        return World(bot, graph, faults, site, rows, disabled=disabled)

    return make


@pytest.fixture
def on_sqlite(new_world: NewWorld) -> Iterator[World]:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        path = f"{folder}/links.db"
        world_rows: list[sqlite3.Connection] = []

        def rows(statement: str, value: str) -> list[tuple[Any, ...]]:
            if not world_rows:
                world_rows.append(sqlite3.connect(path))
            return world_rows[0].execute(statement.replace("{}", "?"), [value]).fetchall()

        yield new_world(f"sqlite:///{path}", rows, lambda: sqlite3.OperationalError("disk I/O error"))
        for connection in world_rows:
            connection.close()


@pytest.fixture
def postgres_rows() -> Iterator[tuple[str, Rows]]:
    psycopg = pytest.importorskip("psycopg", reason="PostgreSQL's driver is not installed")
    with postgres.schema_with_tables() as url, closing(psycopg.connect(url, autocommit=True)) as connection:

        def rows(statement: str, value: str) -> list[tuple[Any, ...]]:
            found: list[tuple[Any, ...]] = connection.execute(
                statement.replace("{}", "%s"), [value]
            ).fetchall()
            return found

        yield url, rows


@pytest.fixture
def on_postgres(new_world: NewWorld, postgres_rows: tuple[str, Rows]) -> World:
    import psycopg

    return new_world(*postgres_rows, lambda: psycopg.OperationalError("server closed the connection"))


def sweep(
    world: World, flow: type[Flow], length: int = 1, *, stride: int = 1, tries: int | None = None
) -> list[str]:
    """Fail the first call, then the second, and so on until the flow meets no failure; returns what
    failed."""
    world.tries = tries or length + 3
    seen = list[str]()
    for n in range(1, MOST_CALLS, stride):
        one, person = flow(world), world.new_person()
        one.prepare(person)
        world.faults.arm(n, length)
        try:
            one.act(person)
            world.faults.disarm()
            one.judge(person)
        except AssertionError as problem:
            raise AssertionError(f"call {n} of {flow.__name__}: {world.faults.failed}") from problem
        if not world.faults.failed:
            return seen
        seen += world.faults.failed
    raise AssertionError(f"{flow.__name__} needs more than {MOST_CALLS} calls")


@pytest.mark.parametrize("flow", ALL_FLOWS, ids=lambda flow: flow.__name__)
def test_any_call_may_fail(on_sqlite: World, flow: type[Flow]) -> None:
    seen = sweep(on_sqlite, flow)
    assert len(seen) >= 5
    assert "commit" in seen


@pytest.mark.parametrize("flow", ALL_FLOWS, ids=lambda flow: flow.__name__)
def test_any_four_calls_in_a_row_may_fail(on_sqlite: World, flow: type[Flow]) -> None:
    assert len(sweep(on_sqlite, flow, 4, stride=3)) >= 5


@pytest.mark.parametrize("flow", ALL_FLOWS, ids=lambda flow: flow.__name__)
def test_calls_may_fail_at_random(on_sqlite: World, flow: type[Flow]) -> None:
    """Up to eight calls, also those that are made because one has failed."""
    for seed in range(15):
        faults = RandomFaults(random.Random(f"{flow.__name__}/{seed}"), one_in=5, most=8)
        use(on_sqlite, faults)
        on_sqlite.tries = 12
        one, person = flow(on_sqlite), on_sqlite.new_person()
        one.prepare(person)
        faults.arm(1, 1)
        one.act(person)
        faults.disarm()
        one.judge(person)


def use(world: World, faults: Faults) -> None:
    """Let these decide from now on what fails."""
    world.faults = world.graph.faults = faults
    engine = world.bot.linking.store.engine
    assert isinstance(engine, FailingEngine)
    engine.faults = faults


@pytest.mark.parametrize("flow", ALL_FLOWS, ids=lambda flow: flow.__name__)
def test_any_call_may_fail_with_postgresql(on_postgres: World, flow: type[Flow]) -> None:
    assert len(sweep(on_postgres, flow, stride=3)) >= 2


@pytest.mark.parametrize("flow", [LinkByLogin, UnlinkByPython, UpdateByAPI], ids=lambda flow: flow.__name__)
@pytest.mark.parametrize("sqlstate", ["DeadlockDetected", "SerializationFailure"])
def test_what_postgresql_undoes_is_done_again_unseen(
    new_world: NewWorld, postgres_rows: tuple[str, Rows], flow: type[Flow], sqlstate: str
) -> None:
    """Every transition is undone at every statement; nobody outside has to do anything twice."""
    from psycopg import errors

    undone = getattr(errors, sqlstate)
    world = new_world(*postgres_rows, lambda: undone("undone, as it was told to be"), answers_get_lost=False)
    world.graph.faults = Faults()
    assert len(sweep(world, flow, stride=2, tries=1)) >= 3


def test_a_message_that_is_queued_after_the_commit_would_be_found_out(
    on_sqlite: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep finds the mistake that it is for: a message outside the link's transaction gets lost."""
    receive = SQLStore.receive

    def queue_afterwards(
        self: SQLStore, events: Sequence[LinkingEvent], now: int, **more: Any
    ) -> list[Outcome]:
        with monkeypatch.context() as quiet:
            quiet.setattr("bot_linking.stores.changes.announce", lambda *given: None)
            outcomes = receive(self, events, now, **more)
        for link in [each.link for each in outcomes if isinstance(each, AccountLinked)]:
            self.engine.write(partial(announce, kind="linked", page_id=link.page_id, psid=link.psid, now=now))
        return outcomes

    monkeypatch.setattr(SQLStore, "receive", queue_afterwards)
    with pytest.raises(AssertionError, match="LinkByLogin"):
        sweep(on_sqlite, LinkByLogin)
