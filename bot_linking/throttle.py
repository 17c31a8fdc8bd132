"""Counters that every process shares and a restart does not clear.

An attempt is counted before it is verified, in one atomic statement, so that a burst cannot outrun the
limit. Keys are kept as digests. When the store is away nothing is allowed: `StoreUnavailable`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bot_linking.core.codes import digest_of
from bot_linking.core.errors import BotLinkingError
from bot_linking.core.linking import Linking


class TooManyAttempts(BotLinkingError):
    """Over a limit; `retry_after` is the number of seconds until it starts again."""

    slug: ClassVar[str] = "too_many_attempts"

    def __init__(self, limit: str, retry_after: int) -> None:
        super().__init__(f"too many attempts ({limit})")
        self.limit, self.retry_after = limit, retry_after


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` hits in a window of `seconds`, for each key."""

    name: str
    most: int
    seconds: int


class Throttle:
    """Limits over the store of a `Linking`."""

    def __init__(self, linking: Linking) -> None:
        self._linking = linking

    def count(self, limit: Limit, key: str) -> None:
        """Count one; `TooManyAttempts` when that is one too many."""
        now = self._linking.now()
        hits = self._linking.store.hit(_key(limit, key), now + limit.seconds * 1000, now)
        if hits > limit.most:
            _, expires_at = self._linking.store.find_limit(_key(limit, key), now)
            raise TooManyAttempts(limit.name, max(1, -(-(expires_at - now) // 1000)))

    def refund(self, limit: Limit, key: str) -> None:
        """Take one back, as it turned out to be good."""
        now = self._linking.now()
        self._linking.store.hit(_key(limit, key), now, now, amount=-1)

    def forget(self, limit: Limit, key: str) -> None:
        """Start the key again."""
        self._linking.store.drop_limit(_key(limit, key))


def _key(limit: Limit, key: str) -> str:
    return f"{limit.name}:{digest_of(key)}"
