"""What the core needs from outside, one Protocol for each role: a store's families, a clock, a listener.

Begin with `links`. A class that needs one role takes that role (`Throttle(counters, now)`), not the store.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from bot_linking.core.events import Happening
from bot_linking.core.ports.api_keys import ApiKey, ApiKeys
from bot_linking.core.ports.attempts import Attempt, Attempts, Awaited, Refusal
from bot_linking.core.ports.counters import Counters
from bot_linking.core.ports.desk import Act, Desk
from bot_linking.core.ports.erasures import Erasure, Erasures
from bot_linking.core.ports.links import Links
from bot_linking.core.ports.outbox import Done, Outbox, OutboxEntry
from bot_linking.core.ports.overview import Overview
from bot_linking.core.ports.owners import Deletion, Owners, Undoable
from bot_linking.core.ports.pages import KeptPage, KeptPages
from bot_linking.core.ports.tallies import FunnelCount, Tallies, TrafficCount
from bot_linking.core.ports.upkeep import Upkeep
from bot_linking.core.ports.ways import ChatLink, Typed, Ways, WebLink

Clock = Callable[[], float]
Tell = Callable[[Happening], None]


class SolePage(Protocol):
    """Which page is meant where none is named; pages may come and go."""

    def sole_id(self) -> str | None:
        """The id of the only page; None where there are several, or where its id is not configured."""

    def is_one(self) -> bool:
        """Whether there is one page, with its id or without."""

    def ask(self) -> str | None:
        """The id of the only page as Messenger says it. Raises `DeliveryFailed` when it does not answer."""


class Store(
    Links, Attempts, Outbox, Counters, ApiKeys, KeptPages, Owners, Erasures, Overview, Ways, Upkeep, Protocol
):
    """Where links are kept: all roles in one. Each writing method is one whole transaction, committed to
    disk when it returns; uniqueness and single use are the database's. Stores are silent: they return what
    happened and tell no listener. Every method raises `StoreUnavailable` when the database does not answer.

    Times are milliseconds since the epoch. One contract suite runs over every store.
    """


__all__ = [
    "Act",
    "ApiKey",
    "ApiKeys",
    "Attempt",
    "Attempts",
    "Awaited",
    "ChatLink",
    "Clock",
    "Counters",
    "Deletion",
    "Desk",
    "Done",
    "Erasure",
    "Erasures",
    "FunnelCount",
    "KeptPage",
    "KeptPages",
    "Links",
    "Outbox",
    "OutboxEntry",
    "Overview",
    "Owners",
    "Refusal",
    "SolePage",
    "Store",
    "Tallies",
    "Tell",
    "TrafficCount",
    "Typed",
    "Undoable",
    "Upkeep",
    "Ways",
    "WebLink",
]
