"""The store alone: `link_of` on both stores (target 3), flushes to disk (4), and PgBouncer (19)."""

from __future__ import annotations

import shutil
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from random import Random

from bot_linking import AccountLinking
from bot_linking.core.events import AccountLinked, LinkingEvent
from tests import pgbouncer

from . import payloads
from .databases import Postgres, SQLite, fill, postgres_server
from .measure import Finding, Rounds, alternate, busy, made, waiting
from .ours import insist, our_app, seed_ours
from .serve import on_server_core
from .webhook import caller

PEOPLE = 10_000
_SELECT = "select * from links where page_id = {0} and psid = {0} and account_id is not null"


def run(folder: Path, quick: bool) -> Iterator[Finding]:
    yield from _look_up(folder, 100 if quick else 400)
    if (server := postgres_server()) is not None:
        with on_server_core():
            yield from _look_up_by_socket(Postgres(server), folder, 60 if quick else 300)
            yield from _through_pgbouncer(Postgres(server), folder, 60 if quick else 300)
    yield from _flushes(folder)


def _look_up(folder: Path, rounds: int) -> Iterator[Finding]:
    """`link_of` beside one select on a connection that is kept."""
    _, linking = our_app(place := made(folder / "look_up"))
    fill(SQLite(place), range(PEOPLE))
    raw = sqlite3.connect(SQLite(place).path, isolation_level=None)
    select = _SELECT.format("?")
    took = alternate(
        {
            "ours": busy(_asking(linking.link_of), 4),
            "raw": busy(_asking(lambda psid: raw.execute(select, (payloads.PAGE, psid)).fetchone()), 4),
        },
        rounds,
    )
    raw.close()
    yield _per_call("link_of, beside a raw cached select", took, "raw", 2.5)


def _look_up_by_socket(database: Postgres, folder: Path, rounds: int) -> Iterator[Finding]:
    """The same by the clock, since the server works for it. psycopg prepares the statement after five
    times."""
    import psycopg

    _, linking = our_app(folder, BOT_LINKING_DATABASE=database.url)
    fill(database, range(PEOPLE))
    select = _SELECT.format("%s")
    with psycopg.connect(database.url, autocommit=True) as raw:
        cursor = raw.cursor()
        took = alternate(
            {
                "ours": waiting(_asking(linking.link_of), 1),
                "raw": waiting(
                    _asking(lambda psid: raw.execute(select, (payloads.PAGE, psid)).fetchone()), 1
                ),
                "cursor": waiting(
                    _asking(lambda psid: cursor.execute(select, (payloads.PAGE, psid)).fetchone()), 1
                ),
            },
            rounds,
        )
    yield _per_call("link_of on PostgreSQL, beside psycopg's connection.execute", took, "raw", 1.3)
    yield _per_call("link_of on PostgreSQL, beside one cursor used again", took, "cursor", 1.3)


def _through_pgbouncer(database: Postgres, folder: Path, rounds: int) -> Iterator[Finding]:
    """A login and a look-up through PgBouncer in transaction mode, beside the same without it."""
    _, direct = our_app(made(folder / "direct"), BOT_LINKING_DATABASE=database.url)
    fill(database, range(PEOPLE))
    with pgbouncer.running(database.url) as url:
        address = f"{url}?pooling=transaction"
        _, pooled = our_app(made(folder / "pooled"), BOT_LINKING_DATABASE=address)
        took = alternate(
            {"direct": waiting(_asking(direct.link_of), 1), "pooled": waiting(_asking(pooled.link_of), 1)},
            rounds,
        )
        ratio = took.ratio("pooled", "direct")
        ours, beside = took.of("pooled") / 100, took.of("direct") / 100
        yield Finding("19", "link_of through PgBouncer, beside without it", ours, beside, ratio, None, "µs")
        numbers = count(PEOPLE)
        apps = {"direct": direct, "pooled": pooled}
        seed_ours(direct, range(PEOPLE, PEOPLE + 4 * (rounds + 1)))
        took = alternate(
            {name: waiting(_logging_in(linking, numbers), 2) for name, linking in apps.items()}, rounds
        )
        ratio = took.ratio("pooled", "direct")
        what = "a login through PgBouncer in transaction mode, beside without it"
        yield Finding("19", what, took.of("pooled"), took.of("direct"), ratio, 1.15, "µs")
        pooled.store.close()


def _logging_in(linking: AccountLinking, numbers: Iterator[int]) -> Callable[[], None]:
    def log_in() -> None:
        number = next(numbers)
        event = LinkingEvent(payloads.PAGE, payloads.psid(number), "linked", payloads.code(number))
        (outcome,) = linking.core.receive([event])
        assert isinstance(outcome, AccountLinked), outcome

    return log_in


def _asking(find: Callable[[str], object]) -> Callable[[], None]:
    """Look up a hundred people, each of whom must be found."""
    psids = [payloads.psid(number) for number in Random(1).choices(range(PEOPLE), k=100)]

    def ask() -> None:
        for psid in psids:
            assert find(psid) is not None

    return ask


def _per_call(what: str, took: Rounds, beside: str, bound: float) -> Finding:
    ratio = took.ratio("ours", beside)
    return Finding("3", what, took.of("ours") / 100, took.of(beside) / 100, ratio, bound, "µs")


# Flushes


def _flushes(folder: Path) -> Iterator[Finding]:
    """A commit with synchronous=FULL flushes once. Commits are counted in the write-ahead log and, where
    strace is installed, flushes in the kernel."""
    app, linking = our_app(made(folder / "flushes"))
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
    """Ten POSTs of each kind under strace, less what the start and ten linking events took before."""
    tracer = shutil.which("strace")
    if tracer is None:
        return
    counted: dict[str, int] = {}
    for kind in ("nothing", "ordinary", "linking", "redelivery"):
        place = made(folder / f"flushes_{kind}")
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
