"""What every family of tables stands on: one engine, and the followers who hear of each change."""

from __future__ import annotations

from bot_linking.stores.engine import Engine, Follower


class Family:
    """One role of a store. All families of a store share its engine and its followers."""

    engine: Engine
    followers: list[Follower]
