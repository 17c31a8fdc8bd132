"""Limits over counters that all processes share and a restart does not clear.

A try is counted in one atomic statement before it is judged, so that a burst cannot outrun the limit. Keys
are kept as digests. While the store is away no try is allowed: `StoreUnavailable`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from bot_linking.core.codes import digest_of
from bot_linking.core.errors import BotLinkingError
from bot_linking.core.ports import Counters


class TooManyAttempts(BotLinkingError):
    """A limit is used up; `retry_after` is the number of seconds until it starts again."""

    slug: ClassVar[str] = "too_many_attempts"

    def __init__(self, limit: str, retry_after: int) -> None:
        super().__init__(f"too many attempts ({limit})")
        self.limit, self.retry_after = limit, retry_after


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` tries in a window of `seconds`, for each key."""

    name: str
    most: int
    seconds: int


class Throttle:
    """Counts tries in a store's counters, or in Redis before it. `now` is in milliseconds."""

    def __init__(self, counters: Counters, now: Callable[[], int]) -> None:
        self._counters = counters
        self._now = now

    def count(self, limit: Limit, key: str) -> None:
        """Count a try. Raises `TooManyAttempts` when it is one too many."""
        now = self._now()
        hits = self._counters.hit(_key(limit, key), now + limit.seconds * 1000, now)
        if hits > limit.most:
            self._refuse(limit, key, now)

    def check(self, limit: Limit, key: str) -> None:
        """Raise `TooManyAttempts` when the limit is used up. Only reads, so that a flood costs no write."""
        now = self._now()
        if self._find(limit, key, now)[0] >= limit.most:
            self._refuse(limit, key, now)

    def _find(self, limit: Limit, key: str, now: int) -> tuple[int, int]:
        return self._counters.find_limit(_key(limit, key), now, limit.seconds * 1000)

    def _refuse(self, limit: Limit, key: str, now: int) -> None:
        _, expires_at = self._find(limit, key, now)
        raise TooManyAttempts(limit.name, max(1, -(-(expires_at - now) // 1000)))

    def refund(self, limit: Limit, key: str) -> None:
        """Give one try back."""
        now = self._now()
        self._counters.refund(_key(limit, key), now)

    def forget(self, limit: Limit, key: str) -> None:
        """Forget the tries of a key."""
        self._counters.drop_limit(_key(limit, key))


def _key(limit: Limit, key: str) -> str:
    return f"{limit.name}:{digest_of(key)}"
