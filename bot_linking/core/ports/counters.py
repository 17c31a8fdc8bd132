"""The store's role for throttles: counts that start again automatically."""

from __future__ import annotations

from typing import Protocol


class Counters(Protocol):
    """Counts that start again automatically, `window` ms after the first hit: an end that is further away
    is of a clock that was ahead, and no caller waits for it. Keys are digests or our own words."""

    def hit(self, key: str, expires_at: int, now: int) -> int: ...
    def refund(self, key: str, now: int) -> None: ...
    def find_limit(self, key: str, now: int, window: int) -> tuple[int, int]: ...
    def drop_limit(self, key: str) -> None: ...
