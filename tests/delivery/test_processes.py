"""Workers in many processes, some of which are killed: each entry is delivered at least once, and seldom
twice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from bot_linking.delivery.worker import THREADS
from tests.bots import Clock
from tests.children import LIMIT_S

from ..stores.processes import SPAWN, one_process, run_together
from .post import Post
from .processes import after_the_lease, deliver_in_a_forked_child, deliver_until_killed, drain_into


def lines_of(log: Path) -> Counter[int]:
    return Counter(int(line) for line in log.read_text().splitlines())


def fill(post: Post, entries: int) -> set[int]:
    post.put_all([("page", str(number % 100), "linked", "null") for number in range(entries)])
    return set(range(1, entries + 1))


def test_processes_deliver_five_hundred_entries_each_exactly_once(
    post: Post, path: Path, clock: Clock
) -> None:
    ids, log = fill(post, 500), path.with_name("log")
    shares = run_together(drain_into, [(f"sqlite:///{path}", log, clock.seconds, 3)] * 3)
    assert lines_of(log) == dict.fromkeys(ids, 1)
    assert sum(shares) == 500
    assert sum(map(bool, shares)) > 1  # they did meet


def test_a_killed_worker_loses_nothing_and_repeats_what_was_on_its_way(
    post: Post, path: Path, clock: Clock
) -> None:
    ids, log = fill(post, 120), path.with_name("log")
    url, progress, allowed = f"sqlite:///{path}", SPAWN.Semaphore(0), SPAWN.Semaphore(60)
    with one_process(deliver_until_killed, url, log, clock.seconds, progress, allowed) as process:
        for _ in range(40):
            assert progress.acquire(timeout=LIMIT_S)
        process.kill()
        process.join(LIMIT_S)
    before = lines_of(log)
    assert 40 <= len(before) < 120
    (rest,) = run_together(drain_into, [(url, log, after_the_lease(clock.seconds), 1)])
    assert set(lines_of(log)) == ids
    repeated = [entry_id for entry_id, times in lines_of(log).items() if times > 1]
    assert len(repeated) <= THREADS
    assert rest == 120 - len(before) + len(repeated)


def test_a_forked_worker_delivers_automatically(path: Path) -> None:
    assert run_together(deliver_in_a_forked_child, [(f"sqlite:///{path}", False)]) == [True]


def test_a_delivery_that_was_stopped_stays_stopped_in_a_fork(path: Path) -> None:
    assert run_together(deliver_in_a_forked_child, [(f"sqlite:///{path}", True)]) == [False]
