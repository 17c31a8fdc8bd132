"""`python -m tests.faults --rounds 100 [--store sqlite|postgres]`: each kill point, many times; one table."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import postgres

from .kills import PLACES, Place
from .rounds import Outcome, Pace, Round

HEAD = ("kill point", "rounds", "kills", "lost", "doubled", "repeated", "worst recovery s")


@contextmanager
def new_database(kind: str) -> Iterator[str]:
    """The address of an empty database of this kind, in memory as far as there is any."""
    if kind == "postgres":
        with postgres.empty_schema() as url:
            yield url
        return
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield f"sqlite:///{folder}/links.db"


def play(place: Place, kind: str, rounds: int, seed: str, pace: Pace) -> Outcome:
    """So many rounds at one place, each in a database of its own."""
    whole = Outcome()
    for number in range(rounds):
        with new_database(kind) as url:
            outcome = Round(url, place, random.Random(f"{seed}/{place.name}/{number}"), pace).play()
        for problem in outcome.lost + outcome.doubled:
            print(f"{place.name} round {number}: {problem}", file=sys.stderr)
        if outcome.repeated > outcome.kills:
            print(f"{place.name} round {number}: {outcome.repeated} repeated messages", file=sys.stderr)
        whole.add(outcome)
    return whole


def main() -> int:
    reading = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    reading.add_argument("--rounds", type=int, default=100, help="at each kill point")
    reading.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    reading.add_argument("--only", nargs="*", metavar="K", help="only these kill points")
    reading.add_argument("--seed", default="0")
    reading.add_argument("--lease", type=int, default=2, help="seconds that a dead worker holds an entry up")
    reading.add_argument("--batch", type=int, default=1000, help="events of the large batch")
    given = reading.parse_args()
    pace = Pace(lease_s=given.lease, batch=given.batch)
    good, began = True, time.monotonic()
    print(" | ".join(HEAD))
    for place in PLACES:
        if given.only and place.name not in given.only:
            continue
        found = play(place, given.store, given.rounds, given.seed, pace)
        good = good and found.is_good
        cells = (
            f"{place.name} {place.says}", given.rounds, found.kills, len(found.lost), len(found.doubled),
            found.repeated, f"{found.recovery_s:.1f}",
        )  # fmt: skip
        print(" | ".join(map(str, cells)), flush=True)
    print(f"{given.store}, {time.monotonic() - began:.0f} s", file=sys.stderr)
    postgres.stop()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
