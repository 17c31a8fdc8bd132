"""Limits that hold in a burst, after a restart, and while the store is away."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bot_linking.core.errors import StoreUnavailable
from bot_linking.doors.callers import caller_of
from bot_linking.doors.throttle import Limit, Throttle, TooManyAttempts, _key
from bot_linking.stores import open_store
from bot_linking.stores.store import SQLStore
from tests.bots import START, Clock
from tests.children import insisting

from .stores.processes import run_together

LOGIN = Limit("login", most=5, seconds=60)
NewThrottle = Callable[[], Throttle]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "links.db"


@pytest.fixture
def new_throttle(path: Path, clock: Clock) -> Iterator[NewThrottle]:
    """Makes throttles over one database, as each start of the server does."""
    made = list[SQLStore]()

    def make() -> Throttle:
        made.append(open_store(f"sqlite:///{path}"))
        return Throttle(made[-1], lambda: clock.ms)

    yield make
    for store in made:
        store.close()


@pytest.fixture
def throttle(new_throttle: NewThrottle) -> Throttle:
    return new_throttle()


def use_up(throttle: Throttle, limit: Limit = LOGIN, key: str = "ada") -> None:
    for _ in range(limit.most):
        throttle.count(limit, key)


def is_over(throttle: Throttle, limit: Limit = LOGIN, key: str = "ada") -> bool:
    try:
        throttle.count(limit, key)
    except TooManyAttempts:
        return True
    return False


def passes(path: str, tries: int) -> int:
    """How many of these tries a process got through."""
    store = open_store(f"sqlite:///{path}")
    throttle = Throttle(store, lambda: int(START * 1000))
    through = sum(not insisting(lambda: is_over(throttle)) for _ in range(tries))
    store.close()
    return through


def test_as_many_as_allowed_pass_and_not_one_more(throttle: Throttle) -> None:
    use_up(throttle)
    with pytest.raises(TooManyAttempts) as refusal:
        throttle.count(LOGIN, "ada")
    assert (refusal.value.limit, refusal.value.retry_after, refusal.value.slug) == (
        "login",
        60,
        "too_many_attempts",
    )


def test_a_try_counts_before_it_is_known_to_be_good(throttle: Throttle) -> None:
    """A process that still verifies, or was killed while it did, has been counted."""
    throttle.count(LOGIN, "ada")
    hits, _ = throttle._counters.find_limit(_key(LOGIN, "ada"), throttle._now(), 3_600_000)
    assert hits == 1


def test_a_burst_of_fifty_threads_gets_no_more_than_the_limit_through(throttle: Throttle) -> None:
    gate, through, problems = threading.Barrier(50, timeout=60), list[int](), list[BaseException]()

    def attempt() -> None:
        try:
            gate.wait()
            if not is_over(throttle):
                through.append(1)
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=attempt) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not problems
    assert len(through) == LOGIN.most


def test_processes_share_a_limit(path: Path) -> None:
    assert sum(run_together(passes, [(str(path), 20)] * 3)) == LOGIN.most


def test_a_restart_clears_nothing(new_throttle: NewThrottle) -> None:
    use_up(new_throttle())
    assert is_over(new_throttle())


def test_a_clock_that_was_ahead_locks_nobody_out(throttle: Throttle, clock: Clock) -> None:
    clock.advance(365 * 86_400)
    use_up(throttle)
    clock.advance(-365 * 86_400)
    throttle.check(LOGIN, "ada")
    use_up(throttle)
    with pytest.raises(TooManyAttempts) as refusal:
        throttle.check(LOGIN, "ada")
    assert refusal.value.retry_after == LOGIN.seconds


def test_the_window_starts_with_the_first_try_and_ends_on_time(throttle: Throttle, clock: Clock) -> None:
    throttle.count(LOGIN, "ada")
    clock.advance(59)
    for _ in range(LOGIN.most - 1):
        throttle.count(LOGIN, "ada")
    assert is_over(throttle)
    clock.advance(0.999)
    assert is_over(throttle)
    clock.advance(0.001)
    use_up(throttle)
    assert is_over(throttle)


def test_trying_on_does_not_prolong_the_wait(throttle: Throttle, clock: Clock) -> None:
    use_up(throttle)
    for _ in range(6):
        clock.advance(9.9)
        assert is_over(throttle)
    clock.advance(0.6)
    assert not is_over(throttle)


@pytest.mark.parametrize(("passed", "wait"), [(0.0, 60), (0.001, 60), (1.0, 59), (59.5, 1), (59.999, 1)])
def test_the_wait_that_is_told_is_long_enough_and_no_more(
    throttle: Throttle, clock: Clock, passed: float, wait: int
) -> None:
    use_up(throttle)
    clock.advance(passed)
    with pytest.raises(TooManyAttempts) as refusal:
        throttle.count(LOGIN, "ada")
    assert refusal.value.retry_after == wait
    clock.advance(refusal.value.retry_after)
    assert not is_over(throttle)


def test_each_key_and_each_limit_has_its_own_count(throttle: Throttle) -> None:
    use_up(throttle)
    assert is_over(throttle)
    assert not is_over(throttle, key="grace")
    assert not is_over(throttle, Limit("sign-up", 5, 60))


def test_what_turned_out_to_be_good_is_taken_back(throttle: Throttle) -> None:
    for _ in range(3 * LOGIN.most):
        throttle.count(LOGIN, "ada")
        throttle.refund(LOGIN, "ada")
    use_up(throttle)
    assert is_over(throttle)


def test_taking_back_after_the_window_gives_nobody_a_bonus(throttle: Throttle, clock: Clock) -> None:
    throttle.count(LOGIN, "ada")
    clock.advance(61)
    throttle.refund(LOGIN, "ada")
    clock.advance(0.001)
    use_up(throttle)
    assert is_over(throttle)


def test_a_key_that_is_forgotten_starts_again(throttle: Throttle) -> None:
    use_up(throttle)
    throttle.forget(LOGIN, "ada")
    use_up(throttle)
    assert is_over(throttle)


def test_a_check_refuses_what_is_used_up_and_counts_nothing(throttle: Throttle) -> None:
    for _ in range(3 * LOGIN.most):
        throttle.check(LOGIN, "ada")
    use_up(throttle)
    with pytest.raises(TooManyAttempts):
        throttle.check(LOGIN, "ada")


def test_without_its_store_nothing_is_allowed(throttle: Throttle, path: Path) -> None:
    throttle.count(LOGIN, "ada")
    path.rename(path.with_name("moved"))
    with pytest.raises(StoreUnavailable):
        throttle.count(LOGIN, "ada")
    path.with_name("moved").rename(path)
    throttle.count(LOGIN, "ada")


def test_neither_name_nor_address_is_stored(throttle: Throttle, path: Path) -> None:
    throttle.count(LOGIN, "ada@example.com")
    throttle.count(LOGIN, "192.0.2.7")
    with closing(sqlite3.connect(path)) as connection:
        keys = [key for (key,) in connection.execute("select key from limits")]
    assert len(keys) == 2
    assert not [key for key in keys if "ada" in key or "192" in key.partition(":")[2][:4]]


@pytest.mark.parametrize(
    ("remote", "forwarded", "proxies", "caller"),
    [
        ("192.0.2.7", [], 0, "192.0.2.7"),
        ("192.0.2.7", ["203.0.113.9"], 0, "192.0.2.7"),
        ("10.0.0.1", ["203.0.113.9"], 1, "203.0.113.9"),
        ("10.0.0.1", ["6.6.6.6, 203.0.113.9"], 1, "203.0.113.9"),
        ("10.0.0.1", ["6.6.6.6", "203.0.113.9, 10.0.0.2"], 2, "203.0.113.9"),
        ("10.0.0.1", [], 2, "10.0.0.1"),
        ("2001:db8::1", [], 0, "2001:db8::/64"),
        ("2001:db8::ffff:1", [], 0, "2001:db8::/64"),
        ("::ffff:192.0.2.7", [], 0, "192.0.2.7"),
        (None, [], 0, ""),
        ("10.0.0.1", ["x" * 100], 1, "x" * 64),
    ],
)
def test_a_caller_is_who_the_trusted_proxies_say_and_nobody_else(
    remote: str | None, forwarded: list[str], proxies: int, caller: str
) -> None:
    assert caller_of(remote, forwarded, proxies) == caller
