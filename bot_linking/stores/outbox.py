"""The table of what must get through: queued by each change of a link, leased by the delivery workers."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from typing import Any

from bot_linking.core.ports.outbox import Done, OutboxEntry
from bot_linking.stores.engine import Row, Tx
from bot_linking.stores.family import Family


class Outbox(Family):
    """`core.ports.Outbox` over an engine."""

    def queue(self, page_id: str, psid: str, kind: str, payload: Any, now: int) -> None:
        text = json.dumps(payload)
        self.engine.write(
            lambda tx: tx.put("queue", page_id=page_id, psid=psid, kind=kind, payload=text, now=now)
        )

    def has_due(self, now: int, tokens: Sequence[str], busy: Sequence[str] = ()) -> bool:
        return bool(self.engine.read("has_due", now=now, tokens=json.dumps(tokens), busy=json.dumps(busy)))

    def claim_due(
        self,
        now: int,
        until: int,
        limit: int,
        tokens: Sequence[str],
        busy: Sequence[str] = (),
        *,
        done: Sequence[Done] = (),
    ) -> list[OutboxEntry]:
        """Remove what is `done`, whoever may have taken its lease over, and lease what is due: never two
        entries of one person at a time, each person's in order, none of the `busy` pages."""
        claim = secrets.token_hex(8)
        values = {"claim": claim, "now": now, "until": until, "limit": limit}
        passed_over = {"tokens": json.dumps(tokens), "busy": json.dumps(busy)}

        def work(tx: Tx) -> list[Row]:
            for each in done:
                tx.put("finish", id=each.entry.id)
                if each.counter is not None:
                    tx.put("hit", key=each.counter, expires_at=each.expires_at, now=now)
            return tx.all("claim_due", **values, **passed_over)

        rows = self.engine.write(work)
        return sorted((entry_of(row, claim) for row in rows), key=lambda entry: entry.id)

    def renew(self, entries: Sequence[OutboxEntry], until: int) -> None:
        """Keep the leases of these entries a while longer."""

        def work(tx: Tx) -> None:
            for entry in entries:
                tx.put("renew", id=entry.id, claim=entry.claim, until=until)

        self.engine.write(work)

    def postpone(
        self,
        entry: OutboxEntry,
        next_at: int,
        reason: str,
        *,
        now: int,
        whole_page: bool = False,
        held_for: str | None = None,
    ) -> None:
        """Try again later; with `whole_page` everything else of that page waits as long."""
        values = {"next_at": next_at, "reason": reason, "held_for": held_for}

        def work(tx: Tx) -> None:
            tx.put("postpone", id=entry.id, claim=entry.claim, **values)
            if whole_page:
                tx.put("postpone_page", page_id=entry.page_id, now=now, **values)

        self.engine.write(work)

    def bury(self, entry: OutboxEntry, reason: str, now: int, *, then: str | None = None) -> None:
        def work(tx: Tx) -> None:
            buried = tx.run("bury", id=entry.id, claim=entry.claim, reason=reason, now=now)
            if buried and then is not None:
                whose = {"page_id": entry.page_id, "psid": entry.psid}
                tx.put("queue", kind=then, payload="null", now=now, **whose)

        self.engine.write(work)

    def list_dead(self) -> list[OutboxEntry]:
        return [entry_of(row, "") for row in self.engine.read("list_dead")]

    def retry_dead(self, entry_id: int, now: int) -> bool:
        return self.engine.write(lambda tx: tx.one("retry_dead", id=entry_id, now=now)) is not None

    def outbox_depth(self) -> Row:
        """`depth`, `oldest` (ms or None) and `held` of what waits, and `dead`."""
        (row,), (dead,) = self.engine.read("outbox_depth"), self.engine.read("count_dead")
        return row | dead


def announce(tx: Tx, kind: str, page_id: str, psid: str, now: int) -> None:
    """Queue the message about the state as it now is, in place of what was not sent yet."""
    tx.put("supersede", page_id=page_id, psid=psid, now=now)
    tx.put("queue", page_id=page_id, psid=psid, kind=kind, payload="null", now=now)


def entry_of(row: Row, claim: str) -> OutboxEntry:
    return OutboxEntry(
        row["id"],
        claim,
        row["page_id"],
        row["psid"],
        row["kind"],
        json.loads(row["payload"]),
        row["created_at"],
        row["attempts"],
        row["last_error"],
        row["dead_at"],
        row["held_for"] is not None,
    )
