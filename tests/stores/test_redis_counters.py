"""Tries counted in Redis: all processes share the count, and the limit holds whatever happens to Redis."""

from __future__ import annotations

import json
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from redis import Redis

from bot_linking import ConfigurationError
from bot_linking.config.settings import Settings
from bot_linking.core.errors import StoreUnavailable
from bot_linking.doors.throttle import Limit, Throttle, TooManyAttempts
from bot_linking.stores import open_counters, open_store, redis_counters
from bot_linking.stores.redis_counters import RedisCounters
from bot_linking.stores.store import SQLStore
from tests.bots import START, Clock, NewBot

from ..redis_server import PASSWORD, Server, running
from .processes import run_together

GENEROUS_S = 60.0
LOGIN = Limit("login", most=5, seconds=60)
NewThrottle = Callable[..., Throttle]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running(tmp_path) as server:
        yield server


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "links.db"


@pytest.fixture
def new_throttle(path: Path, clock: Clock, server: Server) -> Iterator[NewThrottle]:
    """Makes throttles over one Redis and one database, as several processes have them."""
    made = list[SQLStore]()

    def make(url: str | None = None) -> Throttle:
        made.append(open_store(f"sqlite:///{path}"))
        return Throttle(open_counters(url or server.url, made[-1]), lambda: clock.ms)

    yield make
    for store in made:
        store.close()


@pytest.fixture
def throttle(new_throttle: NewThrottle, clock: Clock) -> Throttle:
    """A throttle over a Redis that has been up for a whole window."""
    throttle = new_throttle()
    throttle.count(Limit("first", 1, 1), "anybody")
    clock.advance(LOGIN.seconds)
    return throttle


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failure Redis is tried again at once."""
    monkeypatch.setattr(redis_counters, "PAUSE_S", 0.0)


def through(throttle: Throttle, tries: int = 20, limit: Limit = LOGIN, key: str = "ada") -> int:
    """The number of tries that pass."""
    passed = 0
    for _ in range(tries):
        try:
            throttle.count(limit, key)
        except TooManyAttempts:
            continue
        passed += 1
    return passed


def _redis(throttle: Throttle) -> RedisCounters:
    assert isinstance(throttle._counters, RedisCounters)
    return throttle._counters


def in_database(throttle: Throttle, key: str = "ada") -> int:
    """What the database has counted."""
    from bot_linking.doors.throttle import _key

    return _redis(throttle)._store.find_limit(_key(LOGIN, key), throttle._now(), 3_600_000)[0]


def passes(url: str, path: str, tries: int) -> int:
    """The number of tries that pass in another process."""
    store = open_store(f"sqlite:///{path}")
    counters = open_counters(url, store)
    passed = through(Throttle(counters, lambda: int(START * 1000)), tries)
    store.close()
    return passed


def test_as_many_as_allowed_pass_and_the_database_is_not_asked_to_count(throttle: Throttle) -> None:
    assert through(throttle) == LOGIN.most
    assert in_database(throttle) == 0
    with pytest.raises(TooManyAttempts) as refusal:
        throttle.count(LOGIN, "ada")
    assert refusal.value.retry_after == LOGIN.seconds
    with pytest.raises(TooManyAttempts):
        throttle.check(LOGIN, "ada")
    assert through(throttle, key="grace") == LOGIN.most


def test_the_window_starts_with_the_first_try_and_ends_on_time(throttle: Throttle, clock: Clock) -> None:
    throttle.count(LOGIN, "ada")
    clock.advance(59.999)
    assert through(throttle) == LOGIN.most - 1
    clock.advance(0.001)
    assert through(throttle) == LOGIN.most
    assert in_database(throttle) == 0


def test_a_refund_takes_a_hit_back_and_a_dropped_limit_starts_again(throttle: Throttle, clock: Clock) -> None:
    for _ in range(3 * LOGIN.most):
        throttle.count(LOGIN, "ada")
        throttle.refund(LOGIN, "ada")
    assert through(throttle) == LOGIN.most
    throttle.forget(LOGIN, "ada")
    assert through(throttle) == LOGIN.most
    throttle.forget(LOGIN, "ada")
    throttle.refund(LOGIN, "ada")
    clock.advance(61)
    throttle.refund(LOGIN, "ada")
    assert through(throttle) == LOGIN.most


def test_a_burst_of_fifty_threads_gets_no_more_than_the_limit_through(throttle: Throttle) -> None:
    gate, passed = threading.Barrier(50, timeout=20), list[int]()

    def attempt() -> None:
        gate.wait()
        passed.append(through(throttle, 1))

    threads = [threading.Thread(target=attempt) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (len(passed), sum(passed)) == (50, LOGIN.most)


def test_processes_share_a_limit(server: Server, path: Path) -> None:
    open_store(f"sqlite:///{path}").close()
    server.say("HSET", "bot_linking:whole", "run", run_id(server), "since", int(START * 1000) - 3_600_000)
    assert sum(run_together(passes, [(server.url, str(path), 20)] * 4)) == LOGIN.most
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("select count(*) from limits").fetchone() == (0,)


def run_id(server: Server) -> str:
    return str(server.say("INFO", "server")["run_id"])


@pytest.mark.usefixtures("impatient")
def test_after_redis_is_killed_the_database_allows_the_limit_once_more_at_most(
    throttle: Throttle, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    assert through(throttle, 3) == 3
    server.kill()
    assert through(throttle) == LOGIN.most
    assert in_database(throttle) == 20
    assert [record.message for record in caplog.records] == [
        "Redis does not count attempts (ConnectionError): the database does"
    ]
    assert PASSWORD not in caplog.text


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("trouble", ["flushed", "restarted"])
def test_however_often_redis_is_flushed_a_limit_is_allowed_once_more_at_most(
    throttle: Throttle, server: Server, clock: Clock, trouble: str
) -> None:
    passed = through(throttle)
    for _ in range(4):
        if trouble == "flushed":
            server.say("FLUSHALL")
        else:
            server.kill()
            server.start()
        passed += through(throttle)
    assert passed == 2 * LOGIN.most
    clock.advance(LOGIN.seconds)
    assert through(throttle) == LOGIN.most
    assert in_database(throttle) == 0


@pytest.mark.usefixtures("impatient")
def test_a_redis_that_comes_and_goes_allows_the_limit_once_more_at_most(
    throttle: Throttle, monkeypatch: pytest.MonkeyPatch
) -> None:
    counters = _redis(throttle)
    passed = 0
    for number in range(30):
        counters._again_at = time.monotonic() + 60 if number % 2 else 0.0
        passed += through(throttle, 1)
    assert passed == 2 * LOGIN.most


def test_a_fresh_redis_counts_once_it_has_been_there_for_a_window(
    new_throttle: NewThrottle, clock: Clock
) -> None:
    throttle = new_throttle()
    assert through(throttle, 2) == 2
    assert in_database(throttle) == 2
    clock.advance(LOGIN.seconds)
    assert through(throttle) == LOGIN.most
    assert in_database(throttle) == 0


def test_a_refund_goes_to_the_database_where_the_database_counted(new_throttle: NewThrottle) -> None:
    throttle = new_throttle()
    for _ in range(3 * LOGIN.most):
        throttle.count(LOGIN, "ada")
        throttle.refund(LOGIN, "ada")
    assert through(throttle) == LOGIN.most
    throttle.forget(LOGIN, "ada")
    assert in_database(throttle) == 0


@pytest.mark.usefixtures("impatient")
def test_with_a_wrong_password_the_database_counts_and_nobody_reads_the_password(
    new_throttle: NewThrottle, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    throttle = new_throttle(server.url.replace(PASSWORD, "wrong-canary"))
    assert through(throttle) == LOGIN.most
    assert in_database(throttle) == 20
    assert "AuthenticationError" in caplog.text
    assert "canary" not in caplog.text


@pytest.fixture
def questions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The questions to Redis. After a failure it is left alone for as long as a slow machine may take."""
    asked = list[str]()
    ask: Any = Redis.execute_command

    def counted(client: Any, *command: Any, **options: Any) -> Any:
        asked.append(str(command[0]))
        return ask(client, *command, **options)

    monkeypatch.setattr(Redis, "execute_command", counted)
    monkeypatch.setattr(redis_counters, "PAUSE_S", 600.0)
    return asked


@pytest.mark.usefixtures("product_waits")
def test_a_slow_redis_costs_half_a_second_once_and_not_each_caller(
    throttle: Throttle, server: Server, questions: list[str]
) -> None:
    throttle.count(LOGIN, "ada")
    questions.clear()
    with server.silent():
        began = time.monotonic()
        assert through(throttle) == LOGIN.most
        assert 0.4 < time.monotonic() - began < GENEROUS_S
    assert len(questions) == 1
    assert in_database(throttle) == 20


@pytest.mark.usefixtures("product_waits")
def test_an_address_that_accepts_and_never_answers_is_left_after_half_a_second(
    new_throttle: NewThrottle, questions: list[str]
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        throttle = new_throttle(f"redis://127.0.0.1:{listener.getsockname()[1]}")
        began = time.monotonic()
        assert through(throttle) == LOGIN.most
        assert 0.4 < time.monotonic() - began < GENEROUS_S
    assert len(questions) == 1


@pytest.mark.usefixtures("product_waits")
def test_redis_is_asked_again_after_a_pause_and_says_so(
    throttle: Throttle, server: Server, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_counters, "PAUSE_S", 0.1)
    with server.silent():
        assert through(throttle, 2) == 2
    deadline = time.monotonic() + GENEROUS_S
    while "counts attempts again" not in caplog.text and time.monotonic() < deadline:
        throttle._counters.find_limit("anything", 0, 3_600_000)
        time.sleep(0.05)
    assert [record.message for record in caplog.records] == [
        "Redis does not count attempts (TimeoutError): the database does",
        "Redis counts attempts again",
    ]


@pytest.mark.usefixtures("impatient")
def test_without_redis_and_database_nothing_is_allowed(
    throttle: Throttle, server: Server, path: Path
) -> None:
    server.kill()
    path.rename(path.with_name("moved"))
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            throttle.count(LOGIN, "ada")


def test_an_end_that_a_wrong_clock_set_far_ahead_does_not_lock_for_ever(
    throttle: Throttle, clock: Clock
) -> None:
    year = 365 * 86_400.0
    clock.advance(year)
    through(throttle)
    clock.advance(-year)
    assert through(throttle) == LOGIN.most


def test_redis_holds_no_name_or_address_and_every_key_expires(throttle: Throttle, server: Server) -> None:
    through(throttle, key="ada@example.com")
    keys = server.say("KEYS", "*")
    assert len(keys) == 2
    assert not [key for key in keys if "ada" in key]
    assert all(key.startswith("bot_linking:") for key in keys)
    assert [key for key in keys if server.say("PTTL", key) < 0] == ["bot_linking:whole"]


def test_a_bot_with_the_setting_counts_sign_ins_in_redis(new_bot: NewBot, server: Server) -> None:
    bot = new_bot(THROTTLE=server.url, SIGN_IN_LIMIT=3)
    server.say("HSET", "bot_linking:whole", "run", run_id(server), "since", bot.clock.ms - 3_600_000)
    browser = bot.browser()
    browser.open()
    said = [browser.sign_in(password="wrong").status_code for _ in range(4)]
    assert said == [200, 200, 200, 429]  # the form again, by its own address
    assert bot.rows()["limits"] == []
    assert browser.open().status_code == 200


def test_the_address_is_a_secret_and_checked_at_start_up(settings: dict[str, object]) -> None:
    from bot_linking import AccountLinking

    for wrong in (
        "redis-canary:6379",
        "redis://:canary@cret@host/0",
        "http://canary",
        "redis://h?timeout=9",
        "redis://:canary@host:70000/0",
        "redis://:canary@[host/0",
    ):
        app = Flask("tests.host")
        app.config.update(settings, BOT_LINKING_THROTTLE=wrong)
        with pytest.raises(ConfigurationError, match="BOT_LINKING_THROTTLE must be redis://") as refusal:
            AccountLinking(app)
        assert "canary" not in str(refusal.value)
    app = Flask("tests.host")
    app.config.update(settings, BOT_LINKING_THROTTLE="rediss://:canary@host:6380/2?ssl_cert_reqs=required")
    linking = AccountLinking(app)
    assert isinstance(linking.settings, Settings)
    assert "canary" not in repr(linking.settings)
    linking.store.close()


def test_without_the_driver_the_start_says_what_to_install(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "bot_linking.stores.redis_counters", None)
    store = open_store(f"sqlite:///{path}")
    with pytest.raises(ConfigurationError, match=r"bot-linking\[redis\]"):
        open_counters("redis://host", store)
    assert open_counters(None, store) is store
    store.close()


def test_the_check_says_whether_redis_counts(new_bot: NewBot, server: Server) -> None:
    from bot_linking.operators.checkup import checkup

    bot = new_bot(THROTTLE=server.url)

    def said() -> list[str]:
        found = checkup(bot.linking._here)
        return [json.dumps(finding) for finding in found if "Redis" in finding.what]

    assert said() == ['["ok", "Redis counts attempts"]']
    server.kill()
    (wrong,) = said()
    assert wrong.startswith('["wrong", "Redis does not answer (ConnectionError)')
    assert PASSWORD not in wrong
