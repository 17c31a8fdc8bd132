"""`python -m tests.faults --rounds 100 [--store sqlite|postgres]`: each kill point, many times; one table."""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

from tests import postgres

from .kills import PLACES, Place
from .rounds import Outcome, Pace, Round

HEAD = ("kill point", "rounds", "kills", "lost", "doubled", "repeated", "worst recovery s")


@contextmanager
def new_database(kind: str, *, tables: bool = False) -> Iterator[str]:
    """The address of an empty database of this kind, in a memory file system where there is one. With
    `tables` one of PostgreSQL has its tables already."""
    if kind == "postgres":
        with postgres.schema_with_tables() if tables else postgres.empty_schema() as url:
            yield url
        return
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield f"sqlite:///{folder}/links.db"


def play(place: Place, kind: str, rounds: int, seed: str, pace: Pace, *, at_once: int = 1) -> Outcome:
    """Play `rounds` rounds at one place, each in a database of its own."""
    whole = Outcome()
    for outcome in each_round(place, kind, rounds, seed, pace, at_once=at_once):
        whole.add(outcome)
    return whole


def each_round(
    place: Place, kind: str, rounds: int, seed: str, pace: Pace, *, at_once: int
) -> Iterator[Outcome]:
    """The outcome of each round, as soon as it is over."""
    if kind == "postgres":
        postgres.server()  # before the threads

    def play_one(number: int) -> Outcome:
        with new_database(kind, tables=place.name != "K12") as url:  # which is killed while it makes them
            outcome = Round(url, place, random.Random(f"{seed}/{place.name}/{number}"), pace).play()
        _complain(f"{place.name} round {number}", outcome)
        return outcome

    with ThreadPoolExecutor(at_once) as pool:
        playing = [pool.submit(play_one, number) for number in range(rounds)]
        try:
            for each in as_completed(playing):
                yield each.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _complain(where: str, outcome: Outcome) -> None:
    for problem in outcome.lost + outcome.doubled:
        print(f"{where}: {problem}", file=sys.stderr, flush=True)
    if outcome.repeated > outcome.kills:
        print(f"{where}: {outcome.repeated} repeated messages", file=sys.stderr, flush=True)


class Table:
    """A row for each place. The file, if any, is whole after each round, so a run that is interrupted
    keeps what it has found."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._rows = [" | ".join(HEAD)]
        print(self._rows[0], flush=True)

    def fill(self, place: Place, rounds: Iterator[Outcome]) -> Outcome:
        """Print a row of these rounds, when they are over or interrupted."""
        whole, done = Outcome(), 0
        self._rows.append(_row(place, done, whole))
        try:
            for outcome in rounds:
                whole.add(outcome)
                done += 1
                self._rows[-1] = _row(place, done, whole)
                self._save()
        finally:
            print(self._rows[-1], flush=True)
        return whole

    def _save(self) -> None:
        if self._file is not None:
            beside = self._file.with_name(self._file.name + ".new")
            beside.write_text("\n".join(self._rows) + "\n")
            beside.replace(self._file)


def _row(place: Place, rounds: int, found: Outcome) -> str:
    cells = (
        f"{place.name} {place.says}", rounds, found.kills, len(found.lost), len(found.doubled),
        found.repeated, f"{found.recovery_s:.1f}",
    )  # fmt: skip
    return " | ".join(map(str, cells))


def main() -> int:
    reading = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    reading.add_argument("--rounds", type=int, default=100, help="at each kill point")
    reading.add_argument("--at-once", type=int, default=3, help="rounds that are played side by side")
    reading.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    reading.add_argument("--only", nargs="*", metavar="K", help="only these kill points")
    reading.add_argument("--gunicorn", action="store_true", help="its workers serve, and they are killed")
    reading.add_argument("--save", type=Path, metavar="FILE", help="where the table is kept up to date")
    reading.add_argument("--seed", default="0")
    reading.add_argument("--lease", type=int, default=2, help="seconds that a dead worker holds an entry up")
    reading.add_argument("--batch", type=int, default=1000, help="events of the large batch")
    given = reading.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    pace = Pace(lease_s=given.lease, batch=given.batch, is_preforked=given.gunicorn)
    places = [place for place in PLACES if place.name in (given.only or [place.name])]
    if given.gunicorn:
        places = [place for place in places if place.where in ("any", "web")]
    good, began, table = True, time.monotonic(), Table(given.save)
    try:
        for place in places:
            rounds = each_round(
                place, given.store, given.rounds, given.seed, pace, at_once=given.at_once
            )  # fmt: skip
            good = table.fill(place, rounds).is_good and good
    finally:
        print(f"{given.store}, {time.monotonic() - began:.0f} s", file=sys.stderr)
        postgres.stop()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
