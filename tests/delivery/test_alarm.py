"""Many messages that are given up within a minute cause one line of level CRITICAL."""

from __future__ import annotations

import logging

import pytest

from bot_linking.delivery.alarm import MANY, WITHIN_S, Alarm
from tests.bots import Clock

from .post import Post, Refusal


@pytest.fixture
def monotonic(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(0.0)
    monkeypatch.setattr("bot_linking.delivery.alarm.time.monotonic", clock)
    return clock


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.CRITICAL]


def test_many_within_a_minute_are_logged_once_with_the_commonest_reason(
    monotonic: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    bell = Alarm()
    for number in range(3 * MANY):
        bell.count("rare" if number % 5 == 0 else "common")
        monotonic.advance(WITHIN_S / MANY / 4)
    (line,) = lines(caplog)
    assert line.startswith(f"{MANY} messages were given up within a minute, most often because: common.")
    assert "dead-letters" in line


def test_the_line_is_logged_again_while_it_lasts(monotonic: Clock, caplog: pytest.LogCaptureFixture) -> None:
    bell = Alarm()
    for _ in range(4 * MANY):
        bell.count("no")
        monotonic.advance(WITHIN_S / MANY / 1.01)
    assert len(lines(caplog)) in (3, 4)


def test_a_few_now_and_then_log_no_line(monotonic: Clock, caplog: pytest.LogCaptureFixture) -> None:
    bell = Alarm()
    for _ in range(10 * MANY):
        bell.count("no")
        monotonic.advance(WITHIN_S / (MANY - 2))
    assert lines(caplog) == []


def test_the_worker_counts_what_it_gives_up_and_not_what_it_keeps(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(MANY):
        post.put(str(number))
        post.answers[str(number)] = Refusal("later")
    post.worker().drain()
    assert lines(caplog) == []
    for number in range(MANY):
        post.put(f"x{number}")
        post.answers[f"x{number}"] = Refusal("never")
    post.worker().drain()
    assert len(lines(caplog)) == 1
