"""The table of limits: how often something was tried, by key."""

from __future__ import annotations

from bot_linking.stores.family import Family


class Counters(Family):
    """`core.ports.Counters` over an engine."""

    def hit(self, key: str, expires_at: int, now: int) -> int:

        row = self.engine.write(lambda tx: tx.one("hit", key=key, expires_at=expires_at, now=now))
        assert row is not None
        return int(row["hits"])

    def find_limit(self, key: str, now: int, window: int) -> tuple[int, int]:

        rows = self.engine.read("find_limit", key=key, now=now, window=window)
        return (rows[0]["hits"], rows[0]["expires_at"]) if rows else (0, now)

    def refund(self, key: str, now: int) -> None:

        self.engine.write(lambda tx: tx.put("refund", key=key, now=now))

    def drop_limit(self, key: str) -> None:
        self.engine.write(lambda tx: tx.put("drop_limit", key=key))
