"""What every family of tables stands on: one engine, and the followers who hear of each change."""

from __future__ import annotations

from bot_linking.core.events import Outcome
from bot_linking.stores.engine import Engine, Follower, Tx


class Family:
    """One role of a store. All families of a store share its engine and its followers."""

    engine: Engine
    followers: list[Follower]

    def followed(self, tx: Tx, outcomes: list[Outcome], now: int, *, silently: bool = False) -> list[Outcome]:
        """The outcomes, of each of which every follower has heard inside its transaction; `silently` passes
        over those who do nothing but tell people."""
        for outcome in outcomes:
            for follower in self.followers:
                if not (silently and follower.only_tells):
                    follower.follow(tx, outcome, now)
        return outcomes
