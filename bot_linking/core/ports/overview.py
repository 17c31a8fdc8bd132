"""The store's role for monitoring: how much there is, and what happened lately. It only reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from bot_linking.core.history import Change
from bot_linking.core.ports.outbox import OutboxEntry


class Overview(Protocol):
    """Counts, and the newest events of every process. Times are milliseconds since the epoch."""

    def count_links(self) -> int:
        """How many people are linked now. It reads an index from end to end, so ask it seldom."""

    def count_changes(self, since: int) -> Mapping[str, int]:
        """How many links were `linked`, `changed` and `unlinked` at or after a time, by the history."""

    def list_changes(self, since: int, limit: int) -> list[tuple[int, Change]]:
        """At most `limit` changes at or after a time, oldest first, each with its own number, by which a
        caller who asks again knows what is new. A change may appear a little later than a younger one."""

    def list_deaths(self, since: int, limit: int) -> list[OutboxEntry]:
        """At most `limit` outbox entries that were given up at or after a time, oldest first."""
