"""Many events in one POST, in process, on each store: target 7.

What an event costs among 10, 100 and 1,000, compared with one among a tenth of them: growth is linear, or
better.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice, pairwise
from pathlib import Path

from . import payloads
from .databases import Database, each_store
from .ideal import ideal_app, read_json
from .measure import Finding, Round, Rounds, alternate, busy, waiting
from .ours import WORK_DONE, insist_on, our_app, seed_ours
from .serve import on_server_core
from .webhook import caller, one_after_another

SIZES = {1: 20, 10: 5, 100: 2, 1000: 1}  # events in one POST; POSTs in a round
OWN = "/linking/webhook"


def run(folder: Path, quick: bool) -> Iterator[Finding]:
    yield from _beside_ideal(folder, 10 if quick else 30)
    with on_server_core():
        for name, new in each_store(folder):
            yield from _ordinary(name, new(), folder, 10 if quick else 30)
            yield from _linking(name, new(), folder, 5 if quick else 15)


def _beside_ideal(folder: Path, rounds: int) -> Iterator[Finding]:
    (place := folder / "ours").mkdir()
    app, linking = our_app(place, read_json)
    linking.on_message(lambda event: None)
    ideal = ideal_app(folder / "ideal.db", payloads.SECRET)
    thousand = payloads.ordinary(1000)
    took = alternate(
        {
            "ideal": busy(caller(ideal, thousand), 2),
            "linking.webhook": busy(caller(app, thousand), 2),
            "own /webhook": busy(caller(app, thousand, OWN), 2),
        },
        rounds,
    )
    for name in ("linking.webhook", "own /webhook"):
        ratio = took.ratio(name, "ideal")
        what = f"1,000 ordinary events, {name}, beside ideal"
        yield Finding("7", what, took.of(name), took.of("ideal"), ratio, 1.5, "µs")


def _ordinary(store: str, database: Database, folder: Path, rounds: int) -> Iterator[Finding]:
    app, linking = our_app(folder, BOT_LINKING_DATABASE=database.url)
    linking.on_message(lambda event: None)
    took = alternate(
        {str(size): busy(caller(app, payloads.ordinary(size), OWN), each) for size, each in SIZES.items()},
        rounds,
    )
    yield from _growth(f"ordinary events, {store}", took)


def _linking(store: str, database: Database, folder: Path, rounds: int) -> Iterator[Finding]:
    app, linking = our_app(folder, BOT_LINKING_DATABASE=database.url)
    numbers = count()
    contestants: dict[str, Round] = {}
    for size, each in SIZES.items():
        bodies = (payloads.linking(islice(numbers, size)) for _ in range(each * (rounds + 1)))
        contestants[str(size)] = waiting(one_after_another([caller(app, body) for body in bodies]), each)
    total = next(numbers)
    seed_ours(linking, range(total))
    database.settle()
    took = alternate(contestants, rounds)
    insist_on(database.execute(WORK_DONE), total)
    yield from _growth(f"linking events, {store}", took)
    each_of_hundred = took.ratio("100", "1") / 100
    what = f"100 linking events in one POST, {store}, each beside a single one"
    yield Finding("7", what, took.of("100") / 100, took.of("1"), each_of_hundred, 0.2, "µs")


def _growth(what: str, took: Rounds) -> Iterator[Finding]:
    sizes = list(SIZES)
    for fewer, more in pairwise(sizes):
        ratio = took.ratio(str(more), str(fewer)) * fewer / more
        label = f"{what}: each of {more:,}, beside each of {fewer:,}"
        ours, beside = took.of(str(more)) / more, took.of(str(fewer)) / fewer
        yield Finding("7", label, ours, beside, ratio, 1.1, "µs")
