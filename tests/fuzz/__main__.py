"""`python -m tests.fuzz [--door NAME] [--examples N] [--seconds S]`: a table of what each door answered."""

from __future__ import annotations

import argparse
import time

from .doors import DOORS
from .run import Counts, run


class TimeIsUp(BaseException):
    """No `Exception`: Hypothesis would take it for a failure and look for a shorter body."""


def table(counts: Counts) -> str:
    rows = ["door\texamples\tanswers"]
    for door, found in counts.items():
        answers = " ".join(f"{status}:{count}" for status, count in sorted(found.items()))
        rows.append(f"{door}\t{found.total()}\t{answers}")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--door", action="append", choices=sorted(DOORS), help="by default every one")
    parser.add_argument("--examples", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop when this time is up")
    given = parser.parse_args()
    end = time.monotonic() + given.seconds
    reached: Counts = {}

    def told(counts: Counts) -> None:
        reached.update(counts)
        if time.monotonic() > end:
            raise TimeIsUp

    try:
        reached.update(run(given.door or sorted(DOORS), given.examples, told=told))
    except TimeIsUp:
        print("the time is up; so far")
    print(table(reached))


if __name__ == "__main__":
    main()
