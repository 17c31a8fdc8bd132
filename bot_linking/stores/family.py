"""The base of every family of tables: one engine, and the followers that are called with each change."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

from bot_linking.core.events import AccountLinked, LinkChanged, Outcome
from bot_linking.stores.engine import Engine, Follower, Tx

T = TypeVar("T")


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
        """Like `Engine.write`, while these are held as by `Tx.hold`, and every chat of `accounts`."""

        def holding(tx: Tx) -> T:
            chats = list[str]()
            if accounts:
                tx.hold(accounts=accounts)  # from now on no other chat joins them
                rows = tx.all("find_psids_of_accounts", accounts=json.dumps(accounts))
                chats = [row["psid"] for row in rows]
            tx.hold(psids=[*psids, *chats], codes=codes)
            return work(tx)

        return self.engine.write(holding)

    def followed(self, tx: Tx, outcomes: list[Outcome], now: int, *, silently: bool = False) -> list[Outcome]:
        """Call every follower with each outcome, inside the transaction, and return the outcomes. `silently`
        leaves out the followers that only tell people. The first outcome of each person comes before anyone's
        second, so that the writes about many people may be made together."""
        for outcome in _in_rounds(outcomes):
            for follower in self.followers:
                if not (silently and follower.only_tells):
                    follower.follow(tx, outcome, now)
        return outcomes


def _in_rounds(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The first outcome of each PSID, then the second of each, and so on."""
    came = Counter[str | None]()
    rounds: dict[int, list[Outcome]] = {}
    for outcome in outcomes:
        psid = outcome.link.psid if isinstance(outcome, AccountLinked | LinkChanged) else outcome.psid
        came[psid] += 1
        rounds.setdefault(came[psid], []).append(outcome)
    return [outcome for nth in sorted(rounds) for outcome in rounds[nth]]
