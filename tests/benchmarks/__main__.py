"""`python -m tests.benchmarks`: runs the groups and prints one table."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from . import batches, calls, desk, growth, http, imports, login, outbox, sign_in, slow_disk, store, webhook
from .drawing import draw
from .measure import Finding, table

GROUPS: dict[str, Callable[[Path, bool], Iterator[Finding]]] = {
    "webhook": webhook.run,
    "batches": batches.run,
    "calls": calls.run,
    "store": store.run,
    "growth": growth.run,
    "desk": desk.run,
    "imports": imports.run,
    "http": http.run,
    "slow_disk": slow_disk.run,
    "sign_in": sign_in.run,
    "login": login.run,
    "outbox": outbox.run,
}


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    groups = dict(GROUPS)
    if options.large:
        groups["growth"] = partial(growth.run, large=True)
    if options.folder:
        tempfile.tempdir = str(options.folder)
    findings: list[Finding] = []
    with tempfile.TemporaryDirectory(prefix="benchmarks") as folder:
        for name in options.groups or groups:
            began = time.monotonic()
            place = Path(folder) / name
            place.mkdir()
            findings += groups[name](place, options.quick)
            print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    print(table(findings))
    if options.draw:
        options.draw.write_text(draw(findings), "utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("groups", nargs="*", metavar="GROUP", choices=[*GROUPS, []], help=", ".join(GROUPS))
    parser.add_argument("--quick", action="store_true", help="fewer rounds, some two minutes in all")
    parser.add_argument("--large", action="store_true", help="growth up to ten million links")
    parser.add_argument("--draw", type=Path, metavar="FILE.svg", help="draw the findings, too")
    parser.add_argument("--folder", type=Path, help="where the databases are written (its disk is measured)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
