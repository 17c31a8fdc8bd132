"""The store alone: `link_of` (target 3), flushes to disk (4), and growth from a thousand links on (8)."""

from __future__ import annotations

import shutil
import sqlite3
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from bot_linking.core.events import AccountLinked, LinkingEvent

from . import payloads
from .measure import Finding, Rounds, alternate, busy, waiting
from .ours import insist, our_app, seed_ours
from .webhook import caller

SIZES = (1_000, 10_000, 100_000, 1_000_000)
LARGEST = 10_000_000
_NOW = 1_700_000_000_000


def run(folder: Path, quick: bool, *, large: bool = False) -> Iterator[Finding]:
    yield from _look_up(folder, 100 if quick else 400)
    yield from _flushes(folder)
    sizes = SIZES[:3] if quick else SIZES
    yield from _growth(folder, (*sizes, LARGEST) if large else sizes, 15 if quick else 60)


def _look_up(folder: Path, rounds: int) -> Iterator[Finding]:
    """`link_of` beside one select on a connection that is kept."""
    _, linking = our_app(_made(folder / "look_up"))
    path = linking.store.engine.path  # type: ignore[attr-defined]
    fill(path, 0, 10_000)
    raw = sqlite3.connect(path, isolation_level=None)
    select = "select * from links where page_id = ? and psid = ? and account_id is not null"
    psids = [payloads.psid(number) for number in Random(1).choices(range(10_000), k=100)]

    def ours() -> None:
        for psid in psids:
            assert linking.link_of(psid) is not None

    def beside() -> None:
        for psid in psids:
            assert raw.execute(select, (payloads.PAGE, psid)).fetchone() is not None

    took = alternate({"ours": busy(ours, 4), "raw": busy(beside, 4)}, rounds)
    raw.close()
    yield Finding(
        "3", "link_of, beside a raw cached select", took.of("ours") / 100, took.of("raw") / 100,
        took.ratio("ours", "raw"), 2.5, "µs",
    )  # fmt: skip


# Flushes


def _flushes(folder: Path) -> Iterator[Finding]:
    """A commit with synchronous=FULL flushes once: so commits are counted in the write-ahead log, and flushes
    by the kernel where it can be asked."""
    app, linking = our_app(_made(folder / "flushes"))
    path = linking.store.engine.path  # type: ignore[attr-defined]
    seed_ours(linking, range(200))
    hundred, one = payloads.linking(range(100)), payloads.linking([100])
    for what, body, expected in (
        ("an ordinary event", payloads.ordinary(), 0),
        ("a linking event", one, 1),
        ("a redelivery", one, 0),
        ("100 linking events in one POST", hundred, 1),
    ):
        before = commits_in(path)
        caller(app, body)()
        found = commits_in(path) - before
        ratio = float(found == expected)
        yield Finding("4", f"commits for {what}", found, expected, ratio, 1.0, "commits", at_least=True)
    insist(path, 101)
    yield from _flushes_by_kernel(folder)


def commits_in(path: Path) -> int:
    """The commit frames in the write-ahead log beside this database."""
    beside = path.with_name(path.name + "-wal")
    log = beside.read_bytes() if beside.exists() else b""
    if len(log) < 32:
        return 0
    page_size = struct.unpack(">I", log[8:12])[0]
    salt = log[16:24]
    frames = range(32, len(log) - 23, 24 + page_size)
    return sum(log[at + 8 : at + 16] == salt and log[at + 4 : at + 8] != bytes(4) for at in frames)


_CHILD = """
import os, sys
from pathlib import Path
from {package} import payloads
from {package}.ours import our_app, seed_ours
from {package}.webhook import caller
app, linking = our_app(Path(sys.argv[1]))
seed_ours(linking, range(20))
ordinary, linked = [payloads.ordinary()] * 10, [payloads.linking([number]) for number in range(20)]
then = {{"nothing": [], "ordinary": ordinary, "linking": linked[10:], "redelivery": linked[:10]}}[sys.argv[2]]
for body in linked[:10] + then:
    caller(app, body)()
os._exit(0)
"""


def _flushes_by_kernel(folder: Path) -> Iterator[Finding]:
    """Ten POSTs of each kind under strace, less what starting and ten linking events took before."""
    tracer = shutil.which("strace")
    if tracer is None:
        return
    counted: dict[str, int] = {}
    for kind in ("nothing", "ordinary", "linking", "redelivery"):
        place = _made(folder / f"flushes_{kind}")
        child = [sys.executable, "-c", _CHILD.format(package=__package__), str(place), kind]
        trace = [
            tracer,
            "-f",
            "-qq",
            "-e",
            "trace=fsync,fdatasync,sync_file_range",
            "-o",
            str(place / "trace"),
        ]
        if subprocess.run([*trace, *child], check=False, stderr=subprocess.DEVNULL).returncode:
            return
        counted[kind] = len((place / "trace").read_text().splitlines())
    for kind, what, expected in (
        ("ordinary", "ordinary events", 0),
        ("linking", "linking events", 10),
        ("redelivery", "redeliveries", 0),
    ):
        found = counted[kind] - counted["nothing"]
        ratio = float(found == expected)
        yield Finding(
            "4", f"flushes of ten {what}, by the kernel", found, expected, ratio, 1.0, "flushes", True
        )


# Growth


def _growth(folder: Path, sizes: tuple[int, ...], rounds: int) -> Iterator[Finding]:
    """The same calls on files of a thousand links and of many more, side by side."""
    each = 20
    calls: dict[str, dict[int, Callable[[], object]]] = {"look-up": {}, "upsert": {}, "request": {}}
    for size in sizes:
        asking = _Asking(_random_psids(size))
        app, linking = our_app(_made(folder / f"growth_{size}"), asking)
        asking.linking = linking
        fill(linking.store.engine.path, 0, size)  # type: ignore[attr-defined]
        seed_ours(linking, range(size, size + each * (rounds + 1)))
        calls["look-up"][size] = _looking_up(linking, size)
        calls["upsert"][size] = _upserting(linking, size)
        calls["request"][size] = caller(app, payloads.ordinary())
    for what, bound, timed, per_round in (
        ("look-up", 3.0, busy, 300),
        ("upsert", 2.5, waiting, each),
        ("request", 1.1, busy, 40),
    ):
        took = alternate({str(size): timed(call, per_round) for size, call in calls[what].items()}, rounds)
        yield from _grown(what, took, sizes, bound)


def _grown(what: str, took: Rounds, sizes: tuple[int, ...], bound: float) -> Iterator[Finding]:
    smallest, *larger = map(str, sizes)
    for size in larger:
        ratio = took.ratio(size, smallest)
        label = f"{what} with {int(size):,} links, beside 1,000"
        last = bound if size == larger[-1] else None
        yield Finding("8", label, took.of(size), took.of(smallest), ratio, last, "µs")


class _Asking:
    """A bot's view that asks whose account it is."""

    linking: Any = None
    __name__ = "asking"

    def __init__(self, psids: Iterator[str]) -> None:
        self._psids = psids

    def __call__(self) -> str:
        assert self.linking.link_of(next(self._psids)) is not None
        return "ok"


def _looking_up(linking: Any, size: int) -> Callable[[], object]:
    psids, find = _random_psids(size), linking.store.find_link
    return lambda: find(payloads.PAGE, next(psids))


def _upserting(linking: Any, first: int) -> Callable[[], object]:
    """Whole transitions: consume the code, save the link, queue the message, commit."""
    numbers = iter(range(first, sys.maxsize))
    receive = linking.store.receive

    def call() -> None:
        number = next(numbers)
        event = LinkingEvent(payloads.PAGE, payloads.psid(number), "linked", payloads.code(number), _NOW)
        (outcome,) = receive([event], int(time.time() * 1000))
        assert isinstance(outcome, AccountLinked)

    return call


def _random_psids(size: int) -> Iterator[str]:
    random = Random(2)
    while True:
        yield payloads.psid(random.randrange(size))


def fill(path: Path, first: int, last: int) -> None:
    """Links of `first` up to `last`, quickly."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("pragma synchronous = off")
    database.execute("begin immediate")
    database.executemany(
        "insert into links (page_id, psid, account_id, username, email, source, linked_at, updated_at,"
        " event_ms, code_tick, changed_tick) values (?, ?, ?, ?, ?, 'login', ?, ?, ?, 0, 0)",
        _links(range(first, last)),
    )
    database.execute("commit")
    database.execute("pragma wal_checkpoint(truncate)")
    database.close()


def _links(numbers: Iterable[int]) -> Iterator[tuple[Any, ...]]:
    for number in numbers:
        psid, at = payloads.psid(number), _NOW + number
        yield payloads.PAGE, psid, str(number), f"user{number}", f"user{number}@example.com", at, at, at


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
