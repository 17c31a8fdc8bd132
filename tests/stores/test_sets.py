"""The events of one POST on PostgreSQL take few statements, and end as if they came one by one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

psycopg = pytest.importorskip("psycopg", reason="PostgreSQL's driver is not installed")

from bot_linking.core.codes import digest_of, mint_code  # noqa: E402
from bot_linking.core.events import AccountLinked, LinkingEvent, LinkingRefused  # noqa: E402
from bot_linking.core.links import Account  # noqa: E402
from bot_linking.stores import open_store  # noqa: E402
from bot_linking.stores.postgres.engine import PostgresEngine  # noqa: E402
from bot_linking.stores.postgres.gathered import WAITING  # noqa: E402
from bot_linking.stores.postgres.sets import for_many, load_sets  # noqa: E402
from bot_linking.stores.sql import load_statements  # noqa: E402
from bot_linking.stores.store import SQLStore  # noqa: E402
from tests import postgres  # noqa: E402

from .given import NOW, PAGE, attempt_for, link, linked, save_code, unlinked  # noqa: E402

COMPARED = ("links", "codes", "outbox", "history", "resumes", "unlinks_seen", "limits", "undos", "attempts")
# What is drawn by lot, or counted by the database.
OWN = {"id", "tick", "change_id", "code_tick", "changed_tick", "unlinked_tick"}


@pytest.fixture
def url() -> Iterator[str]:
    with postgres.schema_with_tables() as address:
        yield address


@pytest.fixture
def store(url: str) -> Iterator[SQLStore]:
    with closing(open_store(url)) as opened:
        yield opened


def statements_for(store: SQLStore, events: list[LinkingEvent], monkeypatch: pytest.MonkeyPatch) -> int:
    """The number of statements that the server got for this POST."""
    count, execute = [0], psycopg.Cursor.execute

    def counted(self: Any, *given: Any, **named: Any) -> Any:
        count[0] += 1
        return execute(self, *given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.Cursor, "execute", counted)
        store.receive(events, NOW)
    return count[0]


def logins(store: SQLStore, count: int) -> list[LinkingEvent]:
    psids = [mint_code()[:16] for _ in range(count)]
    for psid in psids:
        store.save_resume(PAGE, psid, {"order": psid}, NOW)
    return [linked(save_code(store, attempt_for(psid=psid)), psid=psid) for psid in psids]


def log_outs(store: SQLStore, count: int) -> list[LinkingEvent]:
    psids = [mint_code()[:16] for _ in range(count)]
    for psid in psids:
        link(store, psid=psid)
    return [unlinked(psid=psid, at=NOW + 5) for psid in psids]


def wrong_codes(store: SQLStore, count: int) -> list[LinkingEvent]:
    return [linked(mint_code(), psid=mint_code()[:16]) for _ in range(count)]


@pytest.mark.parametrize("kind", [logins, log_outs, wrong_codes])
def test_a_hundred_events_take_as_many_statements_as_two(
    store: SQLStore, monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    few = statements_for(store, kind(store, 2), monkeypatch)
    assert statements_for(store, kind(store, 100), monkeypatch) == few
    assert few < 30


def test_a_hundred_events_of_all_kinds_take_few_statements(
    store: SQLStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [*logins(store, 40), *log_outs(store, 40), *wrong_codes(store, 20)]
    random.Random(7).shuffle(events)
    assert statements_for(store, events, monkeypatch) < 40


@pytest.mark.parametrize("seed", range(12))
def test_a_post_has_the_same_result_as_its_events_one_by_one(seed: int) -> None:
    """A few people and codes in many events: repeated, stolen, stale, of other pages, without timestamps."""
    with postgres.schema_with_tables() as one, postgres.schema_with_tables() as other:
        with closing(open_store(one)) as together, closing(open_store(other)) as apart:
            events = [_prepared(store, random.Random(seed)) for store in (together, apart)]
            assert events[0] == events[1]
            outcomes = together.receive(events[0], NOW + 9)
            singly = [apart.receive([event], NOW + 9)[0] for event in events[1]]
            assert [_plain(each) for each in outcomes] == [_plain(each) for each in singly]
        assert _contents(one) == _contents(other)


def _prepared(store: SQLStore, rng: random.Random) -> list[LinkingEvent]:
    """The state before, and the events of one POST."""
    people = [(page, str(psid)) for page in (PAGE, "7") for psid in range(3)]
    codes = list[str]()
    for number in range(10):
        page, psid = rng.choice(people)
        attempt = attempt_for(
            Account(rng.choice("ab"), rng.choice([None, "name"])), page=page, psid=rng.choice([psid, None]),
            name=f"attempt {rng.randrange(7)}",
        )  # fmt: skip
        code = f"code-{number:032}"
        if store.save_code(digest_of(code), attempt, rng.choice([None, "de"]), NOW, NOW + 60_000):
            codes.append(code)
        if rng.random() < 0.5:
            store.save_resume(rng.choice([page, ""]), psid, number, NOW + number)
    return [_event(rng, people, codes) for _ in range(25)]


def _event(rng: random.Random, people: list[tuple[str, str]], codes: list[str]) -> LinkingEvent:
    (page, psid), at = rng.choice(people), rng.choice([None, NOW - 1, NOW, NOW + 1, NOW + 2])
    if rng.random() < 0.4:
        return LinkingEvent(page, psid, "unlinked", None, at)
    return LinkingEvent(page, psid, "linked", rng.choice([*codes, "x" * 32]), at)


def _plain(outcome: Any) -> str:
    return repr(outcome)


def _contents(url: str) -> dict[str, list[dict[str, Any]]]:
    with postgres.connected(url) as run:
        return {table: _rows(run, table) for table in COMPARED}


def _rows(run: postgres.Run, table: str) -> list[dict[str, Any]]:
    columns = run(
        "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped"
        " order by 1",
        table,
    )
    kept = [name for (name,) in columns if name not in OWN]
    order = "page_id, psid, id" if table in ("outbox", "history") else ", ".join(kept)
    rows = run(f"select {', '.join(kept)} from {table} order by {order}")
    return [dict(zip(kept, row, strict=True)) for row in rows]


def test_events_that_cannot_be_stored_are_buried_and_the_others_are_applied(store: SQLStore) -> None:
    good = logins(store, 3)
    bad = [linked("x" * 32, psid="8", at=-(2**70)), unlinked(psid="9", at=2**63)]
    outcomes = store.receive([good[0], bad[0], good[1], bad[1], good[2]], NOW)
    assert [type(each) for each in outcomes[::2]] == [AccountLinked] * 3
    assert isinstance(outcomes[3], LinkingRefused)


def test_people_are_written_to_in_the_order_of_their_events(store: SQLStore, url: str) -> None:
    events = logins(store, 30)
    store.receive(events, NOW)
    rows = postgres.execute(url, "select psid from outbox where kind = 'linked' order by id")
    assert [psid for (psid,) in rows] == [event.psid for event in events]


def test_each_write_that_may_wait_has_its_statement_for_many(url: str) -> None:
    sets = load_sets(load_statements(), WAITING)
    assert set(WAITING) <= sets.keys()
    with closing(open_store(url)) as opened:
        assert isinstance(opened.engine, PostgresEngine)
        assert opened.engine._sets.keys() == sets.keys()


@pytest.mark.parametrize(
    ("one", "many"),
    [
        (
            "delete from t where a = :a and b <= :now",
            "delete from t using unnest(cast(:a as text[]), cast(:now as bigint[])) with ordinality as given"
            " (p_a, p_now, p_nth) where a = p_a and b <= p_now",
        ),
        (
            "update t set a = :a\nwhere b = :b returning a",
            "update t set a = p_a from unnest(cast(:a as text[]), cast(:b as text[])) with ordinality"
            " as given (p_a, p_b, p_nth) where b = p_b",
        ),
        (
            "-- why\ninsert into t (a, b)\nvalues (:a, :a)\non conflict do nothing",
            "insert into t (a, b) select p_a, p_a from unnest(cast(:a as text[])) with ordinality as given"
            " (p_a, p_nth) order by p_nth on conflict do nothing",
        ),
    ],
)
def test_a_statement_for_one_becomes_one_for_many(one: str, many: str) -> None:
    assert for_many(one) == many
