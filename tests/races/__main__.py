"""`python -m tests.races [--race NAME] [--store sqlite|postgres] [--rounds N] [--seconds S]`: one table."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.stores.given import DATABASES

from .racing import RACES
from .rounds import LIMIT_S, race


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.races", description=__doc__)
    parser.add_argument("--race", action="append", choices=list(RACES), help="by default every one")
    parser.add_argument("--store", action="append", choices=sorted(DATABASES), help="by default both")
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=LIMIT_S, help="for each row, at most")
    given = parser.parse_args()
    good = True
    print("race\tstore\trounds\twrong", flush=True)
    for name in given.race or RACES:
        for kind in given.store or sorted(DATABASES):
            with tempfile.TemporaryDirectory() as folder, DATABASES[kind](Path(folder)) as database:
                outcome = race(name, database, given.rounds, seconds=given.seconds)
            print(f"{name}\t{kind}\t{outcome.rounds}\t{outcome.wrong[:3] or 0}", flush=True)
            good = good and not outcome.wrong
    sys.exit(not good)


if __name__ == "__main__":
    main()
