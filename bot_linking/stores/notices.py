"""The follower that queues a notice to the account's owner with every link and unlink."""

from __future__ import annotations

import json

from bot_linking.core.events import AccountLinked, AccountUnlinked, Outcome
from bot_linking.core.notices import payload_of
from bot_linking.stores.engine import Read, Row, Tx


class Notices:
    """`stores.engine.Follower` for a host that gives `notify_owner`."""

    only_tells = True

    def follow(self, tx: Tx, outcome: Outcome, now: int) -> None:
        if not isinstance(outcome, AccountLinked | AccountUnlinked):
            return
        payload = payload_of(outcome, now)
        link = outcome.link
        if payload is not None and link is not None:
            text = json.dumps(payload)
            tx.put("queue", page_id=link.page_id, psid=link.psid, kind="notice", payload=text, now=now)

    def erase(self, tx: Tx, page_id: str | None, psid: str) -> int:
        """Nothing: its entries are in the outbox, whose rows the store erases."""
        return 0

    def export(self, read: Read, page_id: str | None, psid: str) -> dict[str, list[Row]]:
        return {}

    def export_account(self, read: Read, account_id: str) -> dict[str, list[Row]]:
        return {}
