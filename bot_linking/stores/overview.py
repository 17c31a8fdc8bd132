"""Counts and newest events, for monitoring."""

from __future__ import annotations

from collections.abc import Mapping

from bot_linking.core.history import Change
from bot_linking.core.ports.outbox import OutboxEntry
from bot_linking.stores.family import Family
from bot_linking.stores.links import change_of
from bot_linking.stores.outbox import entry_of


class Overview(Family):
    """`core.ports.Overview` over an engine."""

    def count_links(self) -> int:
        (row,) = self.engine.read("count_links")
        return int(row["links"])

    def count_changes(self, since: int) -> Mapping[str, int]:
        (row,) = self.engine.read("count_changes", since=since)
        return {name: int(count) for name, count in row.items()}

    def list_changes(self, since: int, limit: int) -> list[tuple[int, Change]]:
        rows = self.engine.read("list_changes", since=since, limit=limit)
        return [(row["id"], change_of(row)) for row in rows]

    def list_deaths(self, since: int, limit: int) -> list[OutboxEntry]:
        return [entry_of(row, "") for row in self.engine.read("list_deaths", since=since, limit=limit)]
