"""A page sends no more than Messenger takes in a second, and less as its limits fill."""

from __future__ import annotations

from collections import deque

import pytest

from bot_linking.delivery.pace import BELIEVED_S, BURST, MOST_A_SECOND, SLOWEST, Pace
from tests.bots import Clock

MESSENGERS_LIMIT = 300


@pytest.fixture
def clock() -> Clock:
    return Clock(0.0)


def sent_in(pace: Pace, clock: Clock, seconds: float, page: str = "page") -> list[float]:
    """The times at which a page sends that always has a message to send."""
    times, end = list[float](), clock.seconds + seconds
    while clock.seconds < end:
        for _ in range(pace.room(page)):
            pace.take(page)
            times.append(clock.seconds)
        clock.advance(0.002)
    return times


def test_no_second_has_more_messages_than_messenger_takes(clock: Clock) -> None:
    within = deque[float]()
    times = sent_in(Pace(clock), clock, 5)
    for at in times:
        within.append(at)
        while within[0] <= at - 1:
            within.popleft()
        assert len(within) <= MESSENGERS_LIMIT
    assert len(times) > 0.9 * 5 * MOST_A_SECOND
    assert MOST_A_SECOND + BURST <= MESSENGERS_LIMIT


def test_a_page_that_was_quiet_may_not_send_more_afterwards(clock: Clock) -> None:
    pace = Pace(clock)
    clock.advance(3600)
    assert pace.room("page") == BURST


def test_each_page_has_a_pace_of_its_own(clock: Clock) -> None:
    pace = Pace(clock)
    pace.take("one", int(BURST))
    assert (pace.room("one"), pace.room("other")) == (0, BURST)


@pytest.mark.parametrize(
    ("percent", "share"), [(0, 1), (74.9, 1), (75, 1), (87.5, 0.5), (95, 0.2), (100, SLOWEST), (250, SLOWEST)]
)
def test_it_slows_as_the_limits_fill(clock: Clock, percent: float, share: float) -> None:
    pace = Pace(clock)
    pace.take("page", int(BURST))
    pace.heard("page", percent)
    assert len(sent_in(pace, clock, 10)) == pytest.approx(10 * MOST_A_SECOND * share, rel=0.1, abs=2)


def test_a_usage_that_was_heard_long_ago_does_not_count(clock: Clock) -> None:
    pace = Pace(clock)
    pace.heard("page", 100)
    pace.take("page", int(BURST))
    clock.advance(BELIEVED_S)
    assert len(sent_in(pace, clock, 1)) > 0.9 * MOST_A_SECOND


def test_a_usage_of_no_known_page_slows_each(clock: Clock) -> None:
    pace = Pace(clock)
    pace.heard(None, 100)
    for page in ("one", "other"):
        pace.take(page, int(BURST))
        assert len(sent_in(pace, clock, 1, page)) < 10
