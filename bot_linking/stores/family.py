"""The base of every family of tables: one engine, and the followers that are called with each change."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

from bot_linking.core.errors import StoreUnavailable
from bot_linking.core.events import AccountLinked, LinkChanged, Outcome
from bot_linking.stores.engine import Engine, Follower, Read, Tx

T = TypeVar("T")
TRIES = 5  # against others who link one chat after another to the same account


class _ChatJoined(Exception):
    """Another transaction has linked a chat to an account before this one held the account."""


class Family:
    """One role of a store. All families of a store share its engine and its followers."""

    engine: Engine
    followers: list[Follower]

    def write_holding(
        self,
        work: Callable[[Tx], T],
        *,
        psids: Sequence[str],
        codes: Sequence[str] = (),
        accounts: Sequence[str] = (),
    ) -> T:
        """Like `Engine.write`, while these are held as by `Tx.hold`, and every chat of `accounts` with them.

        All is held at once, so the chats are read before the accounts are held. Where another chat has joined
        them meanwhile, it all begins again; `StoreUnavailable` where chats join faster than that.
        """

        def holding(tx: Tx, chats: set[str]) -> T:
            tx.hold(psids=[*psids, *chats], codes=codes, accounts=accounts)
            if not _psids_of(accounts, tx.all) <= chats:
                raise _ChatJoined
            return work(tx)

        for _ in range(TRIES):
            with suppress(_ChatJoined):
                return self.engine.write(partial(holding, chats=_psids_of(accounts, self.engine.read)))
        raise StoreUnavailable("chats are linked to the same account too fast")

    def followed(self, tx: Tx, outcomes: list[Outcome], now: int, *, silently: bool = False) -> list[Outcome]:
        """Call every follower with each outcome, inside the transaction, and return the outcomes. `silently`
        leaves out the followers that only tell people. The first outcome of each person comes before anyone's
        second, so that the writes about many people may be made together."""
        for outcome in _in_rounds(outcomes):
            for follower in self.followers:
                if not (silently and follower.only_tells):
                    follower.follow(tx, outcome, now)
        return outcomes


def _psids_of(accounts: Sequence[str], read: Read) -> set[str]:
    """The PSIDs of all chats that are linked to these accounts."""
    rows = read("find_psids_of_accounts", accounts=json.dumps(accounts)) if accounts else []
    return {row["psid"] for row in rows}


def _in_rounds(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The first outcome of each PSID, then the second of each, and so on."""
    came = Counter[str | None]()
    rounds: dict[int, list[Outcome]] = {}
    for outcome in outcomes:
        psid = outcome.link.psid if isinstance(outcome, AccountLinked | LinkChanged) else outcome.psid
        came[psid] += 1
        rounds.setdefault(came[psid], []).append(outcome)
    return [outcome for nth in sorted(rounds) for outcome in rounds[nth]]
