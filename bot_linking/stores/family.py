"""The base of every family of tables: one engine, and the followers that are called with each change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bot_linking.core.events import AccountLinked, LinkChanged, Outcome
from bot_linking.stores.engine import Engine, Follower, Tx


class Family:
    """One role of a store. All families of a store share its engine and its followers."""

    engine: Engine
    followers: list[Follower]

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
