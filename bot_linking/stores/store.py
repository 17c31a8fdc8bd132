"""A store over an engine: the families of tables, composed.

Each family is a module beside this one: the class is a role of `core.ports`, each of its methods one
transaction; the functions below it work inside a transaction, so that families can share one.
"""

from __future__ import annotations

from bot_linking.stores.api_keys import ApiKeys
from bot_linking.stores.attempts import Attempts
from bot_linking.stores.counters import Counters
from bot_linking.stores.desk import Desk
from bot_linking.stores.engine import Engine, Follower
from bot_linking.stores.erasures import Erasures
from bot_linking.stores.exports import Exports
from bot_linking.stores.kept_pages import KeptPages
from bot_linking.stores.links import Links
from bot_linking.stores.outbox import Outbox
from bot_linking.stores.overview import Overview
from bot_linking.stores.owners import Owners
from bot_linking.stores.tallies import Tallies
from bot_linking.stores.upkeep import Upkeep
from bot_linking.stores.ways import Ways


class SQLStore(
    Links,
    Attempts,
    Outbox,
    Counters,
    ApiKeys,
    KeptPages,
    Owners,
    Erasures,
    Exports,
    Overview,
    Desk,
    Tallies,
    Ways,
    Upkeep,
):
    """`core.ports.Store` over an engine. `followers` are called with every change of a link before it
    commits."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.followers: list[Follower] = []
        self.received = set[str]()
