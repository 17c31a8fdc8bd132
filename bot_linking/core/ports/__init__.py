"""What the core needs from outside: one Protocol for each role of the store, a clock, a listener.

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
    """The page that is meant where a call names none. Pages may be added and removed while the bot runs."""

    def sole_id(self) -> str | None:
        """The id of the only page; None where there are several, or where its id is not configured."""

    def is_one(self) -> bool:
        """Whether there is one page, with its id or without."""

    def ask(self) -> str | None:
        """The id of the only page as Messenger says it. Raises `DeliveryFailed` when it does not answer."""


class Store(
    Links, Attempts, Outbox, Counters, ApiKeys, KeptPages, Owners, Erasures, Overview, Ways, Upkeep, Protocol
):
    """Where links are kept: the roles that linking needs, in one. The roles `Tallies` and `Desk` stand apart.

    Unless its docstring says otherwise, a method that writes is one transaction, which is on disk when the
    method returns: another process sees all of it or nothing. The database keeps values unique and one-time
    things single. A method that reads returns what any process last committed. A store calls no listener; it
    returns what happened. Every method raises `StoreUnavailable` when the database does not answer.

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
