"""The table of the outbox: a change of a link queues entries, and the delivery workers lease them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from bot_linking.core.ports.outbox import Buried, Done, OutboxEntry, Pause, Postponed, Settled
from bot_linking.stores.engine import Row, Tx
from bot_linking.stores.family import Family

FRESH_MS = 60_000  # news younger than this goes before older news
RETRIED_AT_ONCE = 5000  # in one transaction, so that no webhook waits for long


class Outbox(Family):
    """`core.ports.Outbox` over an engine."""

    def queue(self, page_id: str, psid: str, kind: str, payload: Any, now: int) -> None:
        text = json.dumps(payload)
        self.engine.write(
            lambda tx: tx.put("queue", page_id=page_id, psid=psid, kind=kind, payload=text, now=now)
        )

    def has_due(self, now: int) -> bool:
        return bool(self.engine.read("has_due", now=now))

    def due_pages(self, now: int, *, after: str = "", most: int) -> list[str]:
        rows = self.engine.read("due_pages", now=now, start=after, most=most + 1)
        pages = [row["page_id"] for row in rows]
        return (pages[1:] if after and pages[:1] == [after] else pages)[:most]

    def claim_due(
        self, now: int, until: int, shares: Mapping[str, int], *, settled: Sequence[Settled] = ()
    ) -> list[OutboxEntry]:
        claim = secrets.token_hex(8)
        values = {"claim": claim, "now": now, "until": until, "fresh": now - FRESH_MS}

        def work(tx: Tx) -> list[Row]:
            for outcome in settled:
                settle_entry(tx, outcome, now)
            return [
                row
                for page_id, share in shares.items()
                for row in tx.all("claim_of_page", page_id=page_id, limit=share, **values)
            ]

        return _in_order(self.engine.write(work), claim, now)

    def renew(self, entries: Sequence[OutboxEntry], until: int) -> None:
        def work(tx: Tx) -> None:
            for entry in entries:
                tx.put("renew", id=entry.id, claim=entry.claim, until=until)

        self.engine.write(work)

    def pause(self, pause: Pause, now: int) -> None:
        values = {"until": pause.until, "reason": pause.reason, "cause": pause.cause, "keys": pause.keys}
        self.engine.write(lambda tx: tx.put("save_pause", page_id=pause.page_id, now=now, **values))

    def pauses(self) -> list[Pause]:
        return [Pause(**row) for row in self.engine.read("find_pauses")]

    def resume_page(self, page_id: str, now: int, *, keys: str | None = None) -> None:
        self.engine.write(lambda tx: tx.put("drop_pause", page_id=page_id, now=now, keys=keys))

    def has_waiting(self) -> bool:
        return bool(self.engine.read("has_waiting"))

    def waiting_among(self, people: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
        rows = self.engine.read("waiting_among", psids=json.dumps(sorted({psid for _, psid in people})))
        found = {(row["page_id"], row["psid"]) for row in rows}
        return [person for person in people if person in found]

    def take_waiting(self, page_id: str, psid: str, now: int, until: int) -> list[OutboxEntry]:
        claim = secrets.token_hex(8)
        values = {"page_id": page_id, "psid": psid, "claim": claim, "now": now, "until": until}
        return _in_order(self.engine.write(lambda tx: tx.all("take_waiting", **values)), claim, now)

    def list_dead(self) -> list[OutboxEntry]:
        return [_listed(row) for row in self.engine.read("list_dead")]

    def retry_dead(self, entry_id: int, now: int) -> bool:
        def work(tx: Tx) -> bool:
            row = tx.one("retry_dead", id=entry_id, now=now)
            if row is not None:
                tx.put("end_pause", page_id=row["page_id"])
            return row is not None

        return self.engine.write(work)

    def retry_all_dead(self, now: int, *, reason: str = "", since: int = 0) -> int:
        retried, values = 0, {"now": now, "reason": reason, "since": since, "most": RETRIED_AT_ONCE}
        while count := self.engine.write(lambda tx: tx.run("retry_all_dead", **values)):
            retried += count
        return retried

    def outbox_depth(self) -> Row:
        (row,), (dead,) = self.engine.read("outbox_depth"), self.engine.read("count_dead")
        return row | dead

    def count_waiting(self) -> int:
        (row,) = self.engine.read("count_waiting")
        return int(row["waiting"])


def announce(tx: Tx, kind: str, page_id: str, psid: str, now: int) -> None:
    """Queue the message about the present state, in place of messages that were not sent yet."""
    tx.put("supersede", page_id=page_id, psid=psid, now=now)
    tx.put("queue", page_id=page_id, psid=psid, kind=kind, payload="null", now=now)


def settle_entry(tx: Tx, outcome: Settled, now: int) -> None:
    """Write what became of a leased entry."""
    lease = {"id": outcome.entry.id, "claim": outcome.entry.claim}
    match outcome:
        case Done(counter=counter, expires_at=expires_at):
            tx.put("finish", id=outcome.entry.id)
            if counter is not None:
                tx.put("hit", key=counter, expires_at=expires_at, now=now)
        case Postponed(next_at=next_at, reason=reason, held_for=held_for):
            tx.put("postpone", next_at=next_at, reason=reason, held_for=held_for, **lease)
        case Buried(reason=reason, then=then):
            if tx.run("bury", reason=reason, now=now, **lease) and then is not None:
                whose = {"page_id": outcome.entry.page_id, "psid": outcome.entry.psid}
                tx.put("queue", kind=then, payload="null", now=now, **whose)
        case _:
            tx.put("give_back", **lease)


def _in_order(rows: Sequence[Row], claim: str, now: int) -> list[OutboxEntry]:
    """The entries in the order to send them: fresh ones that were never tried, then the others, each by
    id."""
    entries = [entry_of(row, claim) for row in rows]

    def place(entry: OutboxEntry) -> tuple[bool, int]:
        return entry.attempts > 1 or entry.created_at <= now - FRESH_MS, entry.id

    return sorted(entries, key=place)


def _listed(row: Row) -> OutboxEntry:
    state, reason = row.pop("state"), row.pop("reason")
    return entry_of(row | {"last_error": reason}, "", state=state)


def entry_of(row: Row, claim: str, **more: Any) -> OutboxEntry:
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
        row["held_for"],
        row.get("heard_at"),
        **more,
    )
