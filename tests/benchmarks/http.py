"""One gunicorn worker with 16 threads, and 16 kept connections: targets 2, 4 and 5.

Server and load generator have a core each. All contestants' servers run at once; only one is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from . import payloads
from .load import Answers, drive, generators
from .measure import Finding, Round, Rounds, alternate, made, percentile
from .ours import insist, our_app, seed_ideal, seed_ours
from .serve import LOAD_CORE, server

CONNECTIONS = 16
Judge = Callable[[Answers], float]


def run(folder: Path, quick: bool) -> Iterator[Finding]:
    rounds = 3 if quick else 7
    with generators(LOAD_CORE) as pool:
        yield from _ordinary(made(folder / "ordinary"), pool, rounds, 600 if quick else 2000)
        yield from _all_linking(made(folder / "linking"), pool, rounds, 200 if quick else 1000)
        yield from _some_linking(made(folder / "some"), pool, rounds, 600 if quick else 2000)
        if not quick:
            yield from _four_workers(made(folder / "four"), pool, rounds, 2000)


def _ordinary(folder: Path, pool: ProcessPoolExecutor, rounds: int, each: int) -> Iterator[Finding]:
    requests = [payloads.wire(payloads.ordinary())] * each
    names = ("bare", "ideal", "ours", "host", "ours_host")
    seed_ideal(folder / "ideal.db", ())
    with ExitStack() as stack:
        ports = {name: stack.enter_context(server(name, made(folder / name)))[0] for name in names}
        took = alternate(
            {name: driven(pool, ports[name], [requests] * (rounds + 1)) for name in names}, rounds
        )
    for name, beside, what, bound in (
        ("ours", "bare", "ordinary events, beside a bare view", 0.85),
        ("ours", "ideal", "ordinary events, beside ideal", 0.95),
        ("ours_host", "host", "a host's view with linking, beside without", None),
        ("ideal", "bare", "(ideal beside a bare view)", None),
    ):
        yield rate_of_both("2", what, took, name, beside, bound)


def _all_linking(folder: Path, pool: ProcessPoolExecutor, rounds: int, each: int) -> Iterator[Finding]:
    total = each * (rounds + 1)
    fresh = [payloads.wire(payloads.linking([number])) for number in range(total)]
    batches = [fresh[at : at + each] for at in range(0, total, each)]
    seen = [fresh[:each]] * (rounds + 1)
    seed_both(folder, range(total))
    with ExitStack() as stack:
        ports = {name: stack.enter_context(server(name, folder))[0] for name in ("ideal", "ours")}
        took = alternate({name: driven(pool, port, batches) for name, port in ports.items()}, rounds)
        again = alternate({name: driven(pool, port, seen) for name, port in ports.items()}, rounds)
    insist(folder / "ours.db", total)
    insist(folder / "ideal.db", total)
    yield rate_of_both("4", "linking events, durable, beside ideal", took, "ours", "ideal", 0.85)
    yield rate_of_both("4", "redeliveries, beside ideal's", again, "ours", "ideal", None)
    first, second = 1e6 / took.of("ours"), 1e6 / again.of("ours")
    what = "time of a redelivery, beside a first delivery's"
    yield Finding("4", what, second, first, second / first, 0.5, "µs")


def _some_linking(folder: Path, pool: ProcessPoolExecutor, rounds: int, each: int) -> Iterator[Finding]:
    batches = _mixed(each, rounds)
    seed_both(folder, range(each // 20 * (rounds + 1)))
    with ExitStack() as stack:
        ports = {name: stack.enter_context(server(name, folder))[0] for name in ("bare", "ideal", "ours")}
        took = alternate({name: driven(pool, port, batches, _p99) for name, port in ports.items()}, rounds)
    insist(folder / "ours.db", each // 20 * (rounds + 1))
    insist(folder / "ideal.db", each // 20 * (rounds + 1))
    for name, what, bound in (("ours", "p99 with 5 % linking", 1.8), ("ideal", "(ideal's p99)", None)):
        ratio = took.ratio(name, "bare")
        yield Finding("5", f"{what}, beside bare", took.of(name), took.of("bare"), ratio, bound, "ms")


def _four_workers(folder: Path, pool: ProcessPoolExecutor, rounds: int, each: int) -> Iterator[Finding]:
    """Four processes on one file. Any answer but 200 fails the run, as of a locked database."""
    total = each // 20 * (rounds + 1)
    batches = _mixed(each, rounds)
    seed_both(folder, range(total))
    with ExitStack() as stack:
        ports = {
            name: stack.enter_context(server(name, folder, workers=4, threads=8))[0]
            for name in ("bare", "ours")
        }
        took = alternate({name: driven(pool, port, batches, _worst) for name, port in ports.items()}, rounds)
    insist(folder / "ours.db", total)
    locked = (folder / "ours.log").read_text().count("locked")
    yield Finding("5", "four workers: 'database is locked' in the log", locked, 0, locked, 0, "times")
    ratio = took.ratio("ours", "bare")
    what = "four workers, 5 % linking: worst wait, beside bare"
    yield Finding("5", what, took.of("ours"), took.of("bare"), ratio, 3.0, "ms")


def _mixed(each: int, rounds: int) -> list[list[bytes]]:
    """The requests of each round; every twentieth is a new linking event."""
    ordinary = payloads.wire(payloads.ordinary())
    return [
        [
            payloads.wire(payloads.linking([(turn * each + at) // 20])) if at % 20 == 0 else ordinary
            for at in range(each)
        ]
        for turn in range(rounds + 1)
    ]


def seed_both(folder: Path, numbers: Sequence[int]) -> None:
    _, linking = our_app(folder)
    seed_ours(linking, numbers)
    linking.store.close()
    seed_ideal(folder / "ideal.db", numbers)


def _rate_of(answers: Answers) -> float:
    return answers.rate


def _p99(answers: Answers) -> float:
    return percentile(answers.waits, 0.99) * 1e3


def _worst(answers: Answers) -> float:
    return max(answers.waits) * 1e3


def driven(
    pool: ProcessPoolExecutor, port: int, batches: Sequence[list[bytes]], judge: Judge = _rate_of
) -> Round:
    """A round of one batch, sent by the load generator's process."""
    waiting = iter(batches)

    def one_round() -> float:
        answers = pool.submit(drive, port, next(waiting), CONNECTIONS).result()
        assert set(answers.statuses) == {200}, answers.statuses
        return judge(answers)

    return one_round


def rate_of_both(
    target: str, what: str, took: Rounds, name: str, beside: str, bound: float | None
) -> Finding:
    ratio = took.ratio(name, beside)
    return Finding(target, what, took.of(name), took.of(beside), ratio, bound, "req/s", at_least=True)
