"""The same calls with a thousand links and with many more, side by side, on each store: target 8.

Linked people have every tenth number; new ones come at random in between. Look-ups, too, are of people at
random.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from bot_linking import AccountLinking
from bot_linking.core.events import AccountLinked, LinkingEvent

from . import payloads
from .databases import Database, each_store, fill
from .measure import Finding, Round, Rounds, alternate, waiting
from .ours import our_app, seed_ours
from .serve import on_server_core
from .webhook import Call, caller, one_after_another

SIZES = (1_000, 100_000, 1_000_000)
LARGEST = 10_000_000
STEP = 10
WRITES = 50  # in a round


def run(folder: Path, quick: bool, *, large: bool = False) -> Iterator[Finding]:
    sizes = SIZES[:2] if quick else SIZES
    if large:
        sizes = (*sizes, LARGEST)
    with on_server_core():
        for name, new in each_store(folder):
            yield from _growth(name, new, folder, sizes, 5 if quick else 15)


@dataclass(frozen=True)
class _Contestant:
    """A database of one size, and the calls on it."""

    database: Database
    find: Call
    upsert: Call
    ask: Call
    link: Call


def _growth(
    store: str, new: Callable[[], Database], folder: Path, sizes: tuple[int, ...], rounds: int
) -> Iterator[Finding]:
    writes = WRITES * (rounds + 1)
    sides = {str(size): _filled(new(), folder, size, writes) for size in sizes}
    reading = next(iter(sides.values())).database.reading

    def take_turns(take: Callable[[_Contestant], Round], rounds: int) -> Rounds:
        return alternate({size: take(side) for size, side in sides.items()}, rounds)

    found = take_turns(lambda side: reading(side.find, 300), 4 * rounds)
    asked = take_turns(lambda side: reading(side.ask, 40), 4 * rounds)
    upserted = take_turns(lambda side: waiting(side.upsert, WRITES), rounds)
    linked = take_turns(lambda side: waiting(side.link, WRITES), rounds)
    for side in sides.values():
        assert side.database.execute("select count(*) from outbox") == [(2 * writes,)]
    for what, took, bound in (
        ("look-up", found, 3.0),
        ("upsert", upserted, 2.5),
        ("ordinary request that asks link_of", asked, 1.1),
        ("linking request", linked, 2.5),
    ):
        yield from _grown(f"{what}, {store}", took, sizes, bound)
    for size in sides:
        what = f"a linking request beside an ordinary one, {store}, {int(size):,} links"
        ours, beside = linked.of(size), asked.of(size)
        yield Finding("8", what, ours, beside, ours / beside, None, "µs")


def _grown(what: str, took: Rounds, sizes: tuple[int, ...], bound: float) -> Iterator[Finding]:
    smallest, *larger = map(str, sizes)
    for size in larger:
        label = f"{what}: {int(size):,} links, beside 1,000"
        ratio, last = took.ratio(size, smallest), bound if size == larger[-1] else None
        yield Finding("8", label, took.of(size), took.of(smallest), ratio, last, "µs")


def _filled(database: Database, folder: Path, size: int, writes: int) -> _Contestant:
    people = range(0, STEP * size, STEP)
    ask = _Asking(people)
    app, linking = our_app(folder, ask, BOT_LINKING_DATABASE=database.url)
    ask.linking = linking
    began = time.monotonic()
    fill(database, people)
    print(f"{size:,} links, {database.name}: {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
    strangers = list(islice(_strangers(people), 2 * writes))
    seed_ours(linking, strangers)
    database.settle()
    psids, store = _psids(people), linking.store
    return _Contestant(
        database,
        find=lambda: store.find_link(payloads.PAGE, next(psids)),
        upsert=_upserting(linking, strangers[:writes]),
        ask=caller(app, payloads.ordinary()),
        link=one_after_another([caller(app, payloads.linking([n])) for n in strangers[writes:]]),
    )


class _Asking:
    """A bot's view that asks whose account it is."""

    linking: Any = None
    __name__ = "asking"

    def __init__(self, people: range) -> None:
        self._psids = _psids(people)

    def __call__(self) -> str:
        assert self.linking.link_of(next(self._psids)) is not None
        return "ok"


def _upserting(linking: AccountLinking, strangers: list[int]) -> Call:
    """Whole transitions: consume the code, save the link, queue the message, commit."""
    numbers, receive = iter(strangers), linking.store.receive

    def call() -> None:
        number, now = next(numbers), int(time.time() * 1000)
        event = LinkingEvent(payloads.PAGE, payloads.psid(number), "linked", payloads.code(number), now)
        (outcome,) = receive([event], now)
        assert isinstance(outcome, AccountLinked)

    return call


def _psids(people: range) -> Iterator[str]:
    random = Random(2)
    while True:
        yield payloads.psid(random.choice(people))


def _strangers(people: range) -> Iterator[int]:
    """Numbers between those of the people, each once."""
    several = Random(3).sample(range(people.stop), min(people.stop, 10_000))
    return (number for number in several if number % STEP)
