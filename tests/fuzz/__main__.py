"""`python -m tests.fuzz [--door NAME] [--examples N]`: a table of what each door answered."""

from __future__ import annotations

import argparse

from .doors import DOORS
from .run import run


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--door", action="append", choices=sorted(DOORS), help="by default every one")
    parser.add_argument("--examples", type=int, default=100_000)
    given = parser.parse_args()
    print("door\texamples\tanswers")
    for door in given.door or sorted(DOORS):
        counts = run(door, given.examples)
        answers = " ".join(f"{status}:{count}" for status, count in sorted(counts.items()))
        print(f"{door}\t{counts.total()}\t{answers}", flush=True)


if __name__ == "__main__":
    main()
