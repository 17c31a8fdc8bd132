"""The store's role for throttles: counts that start again automatically."""

from __future__ import annotations

from typing import Protocol


class Counters(Protocol):
    """Counts that start again automatically, `window` ms after the first hit. An end that is further away was
    set by a clock that was ahead; it does not count. Keys are digests or our own words."""

    def hit(self, key: str, expires_at: int, now: int) -> int:
        """Count one more, and return the count so far, this hit included; one atomic step for all processes.

        The first hit sets the end of the window, later ones leave it. The count starts again at 1, with this
        `expires_at`, when `now` has reached the end, or when the end is more than two minutes later than
        `expires_at`.
        """

    def refund(self, key: str, now: int) -> None:
        """Take one hit back, never below zero, and only from a window that has not ended at `now`."""

    def find_limit(self, key: str, now: int, window: int) -> tuple[int, int]:
        """The hits, and the end of their window (ms); this look is not counted. `(0, now)` without a hit,
        after the window's end, or when that end is more than `window` and two minutes away."""

    def drop_limit(self, key: str) -> None:
        """Forget the count of this key, so that the next hit is the first again."""
