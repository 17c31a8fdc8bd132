"""The base of every family of tables: one engine, and the followers that are called with each change."""

from __future__ import annotations

from bot_linking.core.events import Outcome
from bot_linking.stores.engine import Engine, Follower, Tx


class Family:
    """One role of a store. All families of a store share its engine and its followers."""

    engine: Engine
    followers: list[Follower]

    def followed(self, tx: Tx, outcomes: list[Outcome], now: int, *, silently: bool = False) -> list[Outcome]:
        """Call every follower with each outcome, inside the transaction, and return the outcomes. `silently`
        leaves out the followers that only tell people."""
        for outcome in outcomes:
            for follower in self.followers:
                if not (silently and follower.only_tells):
                    follower.follow(tx, outcome, now)
        return outcomes
