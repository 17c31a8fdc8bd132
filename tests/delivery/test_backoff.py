"""The worker's waits grow, are bounded, and are spread by chance."""

from __future__ import annotations

import pytest

from bot_linking.delivery.backoff import LONGEST_S, MESSAGE_MAX_AGE_S, wait_before

DAY_S = 86_400.0


@pytest.mark.parametrize(
    ("attempt", "longest"), [(1, 1), (2, 2), (3, 4), (5, 16), (10, 512), (11, 600), (12, 600), (10**6, 600)]
)
def test_the_wait_doubles_up_to_ten_minutes_and_half_of_it_is_chance(attempt: int, longest: float) -> None:
    waits = [wait_before(attempt, DAY_S) for _ in range(400)]
    assert longest / 2 <= min(waits) < longest * 0.6
    assert longest * 0.9 < max(waits) <= longest


@pytest.mark.parametrize(("waited", "longest"), [(0, 10), (99, 10), (600, 60), (6000, 600), (DAY_S, 600)])
def test_we_recover_soon_after_a_short_outage(waited: float, longest: float) -> None:
    """No wait is longer than ten seconds, or than a tenth of the time waited so far."""
    waits = [wait_before(100, waited) for _ in range(400)]
    assert longest / 2 <= min(waits)
    assert longest * 0.9 < max(waits) <= longest


@pytest.mark.parametrize("asked", [30.0, 86_400.0])
def test_it_is_never_sooner_than_the_other_side_asked(asked: float) -> None:
    assert wait_before(1, 0.0, asked) == asked


@pytest.mark.parametrize("asked", [None, 0.0, 0.1])
def test_a_short_retry_after_gets_the_usual_wait(asked: float | None) -> None:
    assert 0.5 <= wait_before(1, 0.0, asked) <= 1


def test_the_first_tries_are_soon_and_a_day_holds_many() -> None:
    """A person who waits for a confirmation gets it within seconds after Graph is back."""
    assert sum(wait_before(attempt, 0.0) for attempt in (1, 2, 3)) <= 7
    assert MESSAGE_MAX_AGE_S / LONGEST_S > 100
