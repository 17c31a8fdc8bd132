"""In every order, with doubles and delays, the store ends in the state of a model of the rules."""

from __future__ import annotations

import random
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import pytest

from bot_linking.core.events import AccountLinked, AccountUnlinked, LinkingEvent
from bot_linking.core.ports import Store
from bot_linking.stores.sqlite.engine import SQLiteEngine
from bot_linking.stores.store import SQLStore

from .histories import History, Stage

CHUNKS, HISTORIES = 20, 500
Outbox = list[tuple[Any, ...]]


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_ten_thousand_random_histories_end_where_the_model_ends(store: Store, chunk: int) -> None:
    stage, rng = Stage(store), random.Random(chunk)
    histories = [History(f"h{chunk}-{n}", random.Random(f"{chunk}/{n}")) for n in range(HISTORIES)]
    jump = rng.choice((2, 40, 500))  # some never see a code expire, some see nothing but late arrivals
    for _ in range(rng.choice((8, 12, 20))):
        stage.now_s += rng.choice((0, 0.3, 1, 20, jump))
        stage.deliver([event for each in histories if (event := each.step(stage)) is not None])
    rest = [each.last_deliveries() for each in histories]
    for place in range(max(map(len, rest))):
        stage.deliver([events[place] for events in rest if place < len(events)])

    linked = 0
    for each in histories:
        for who in each.people:
            expected = stage.model.account_of(who)
            linked += expected is not None
            story = f"{each.clock} clock, {who}\n" + "\n".join(each.log)
            assert stage.account_of(who) == expected, story
    assert linked > HISTORIES / 20  # the histories are worth telling: a good part ends linked


@pytest.mark.parametrize("order", ["as it was", "backwards", "shuffled"])
@pytest.mark.parametrize("seed", range(3))
def test_a_whole_history_delivered_again_changes_nothing_and_queues_nothing(
    store: Store, seed: int, order: str
) -> None:
    stage, rng = Stage(store), random.Random(seed)
    events = _live_through(stage, rng, people=60)
    before, queued, told = _links(store), _outbox(store), len(stage.told)
    assert queued
    again = (
        events if order == "as it was" else events[::-1] if order == "backwards" else _shuffled(rng, events)
    )
    for start in range(0, len(again), 100):
        stage.linking.receive(again[start : start + 100])
    assert _links(store) == before
    assert _outbox(store) == queued
    assert not any(isinstance(each, AccountLinked | AccountUnlinked) for each in stage.told[told:])


@pytest.mark.parametrize("seed", range(3))
def test_a_storm_after_an_outage_ends_in_the_order_of_the_timestamps(store: Store, seed: int) -> None:
    """Events come hours late, in any order, some twice: the newest event of each person decides."""
    stage, rng = Stage(store), random.Random(seed)
    events, expected = _taps_during_an_outage(stage, rng, people=200)
    stage.now_s += 2 * 3600
    storm = _shuffled(rng, events + rng.sample(events, len(events) // 3))
    for start in range(0, len(storm), 250):
        stage.linking.receive(storm[start : start + 250])
    assert {psid: stage.account_of(("page", psid)) for psid in expected} == expected


def test_parallel_delivery_ends_in_the_order_of_the_timestamps(store: Store) -> None:
    """Eight threads deliver what eight proxies held back, each its own share and a part of the others'."""
    stage, rng = Stage(store), random.Random(7)
    events, expected = _taps_during_an_outage(stage, rng, people=60)
    shares = [_shuffled(rng, events[n::8] + rng.sample(events, 20)) for n in range(8)]
    ready, problems = threading.Barrier(8, timeout=60), list[BaseException]()

    def deliver(share: Sequence[LinkingEvent]) -> None:
        try:
            ready.wait()
            for start in range(0, len(share), 5):
                stage.linking.receive(share[start : start + 5])
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=deliver, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not problems
    assert {psid: stage.account_of(("page", psid)) for psid in expected} == expected


def test_every_link_of_a_history_has_its_event_and_its_message_once(store: Store) -> None:
    """One message for each change, without those that a newer one replaced before they were sent."""
    stage, rng = Stage(store), random.Random(3)
    _live_through(stage, rng, people=100)
    changed = {(each.link.page_id, each.link.psid) for each in stage.told if isinstance(each, AccountLinked)}
    waiting = [row for row in _outbox(store) if row[3] in ("linked", "unlinked")]
    assert {(row[1], row[2]) for row in waiting} == changed
    assert len(waiting) == len(changed)
    for _, page_id, psid, kind, *_rest in waiting:
        assert kind == ("linked" if store.find_link(page_id, psid) else "unlinked")


def test_the_model_is_right_about_the_easy_cases(new_store: Callable[[], Store]) -> None:
    """Log in, log out, log in: the model and the product end as anyone would expect."""
    stage = Stage(new_store())
    who = ("page", "ada")
    for expected in ("1815", None, "1816", None):
        if expected:
            code = stage.mint(f"attempt-{expected}", *who, expected)
            stage.deliver([LinkingEvent(*who, "linked", code, stage.now)])
        else:
            stage.deliver([LinkingEvent(*who, "unlinked", None, stage.now)])
        assert stage.account_of(who) == stage.model.account_of(who) == expected
        stage.now_s += 1


def _live_through(stage: Stage, rng: random.Random, people: int) -> list[LinkingEvent]:
    """Minutes of logging in and out, all delivered, by a clock that never repeats a time."""
    held, done = list[LinkingEvent](), list[LinkingEvent]()
    for step in range(people * 8):
        stage.now_s += 0.07
        psid = f"p{rng.randrange(people)}"
        if rng.random() < 0.6:
            code = stage.mint(f"attempt-{step}", "page", psid, rng.choice(("ada", "grace")))
            stage.now_s += 0.07
            held.append(LinkingEvent("page", psid, "linked", code, stage.now))
        else:
            held.append(LinkingEvent("page", psid, "unlinked", None, stage.now))
        if len(held) > 20:
            done.append(held.pop(rng.randrange(20)))
            stage.deliver([done[-1]])
    stage.deliver(held)
    return done + held


def _taps_during_an_outage(
    stage: Stage, rng: random.Random, people: int
) -> tuple[list[LinkingEvent], dict[str, str | None]]:
    """The taps of an outage, and the state that each person's last tap asks for."""
    events, expected = list[LinkingEvent](), dict[str, str | None]()
    for tap in range(people * 6):
        stage.now_s += 0.2
        psid = f"p{rng.randrange(people)}"
        if rng.random() < 0.6:
            expected[psid] = rng.choice(("ada", "grace"))
            code = stage.mint(f"attempt-{tap}", "page", psid, expected[psid] or "")
            events.append(LinkingEvent("page", psid, "linked", code, stage.now + 50))
        else:
            expected[psid] = None
            events.append(LinkingEvent("page", psid, "unlinked", None, stage.now))
    return events, expected


def _shuffled(rng: random.Random, events: Sequence[LinkingEvent]) -> list[LinkingEvent]:
    return rng.sample(events, len(events))


def _links(store: Store) -> dict[tuple[str, str], str]:
    return {(link.page_id, link.psid): link.account_id for link in store.list_links()}


def _outbox(store: Store) -> Outbox:
    assert isinstance(store, SQLStore)
    assert isinstance(store.engine, SQLiteEngine)
    with closing(sqlite3.connect(store.engine.path)) as connection:
        return connection.execute("select id, page_id, psid, kind, attempts from outbox").fetchall()
