"""The notice to an account's owner: a chat was linked, replaced or unlinked."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal

from bot_linking.core.events import AccountLinked, AccountUnlinked, Outcome
from bot_linking.core.links import Link, from_ms, to_ms

NoticeKind = Literal["linked", "replaced", "unlinked"]


@dataclass(frozen=True, slots=True)
class OwnerNotice:
    """One change of who is linked, for `notify_owner`.

    `link` is the link after the change; with `unlinked`, the link before it. `previous_account_id` is the
    account that was replaced. `source` says who made the change, `at` (aware, UTC) when. The person who opens
    `undo_url` within seven days can put back what was before; it is None where there is nothing to undo.
    """

    kind: NoticeKind
    link: Link
    previous_account_id: str | None
    source: str
    at: datetime
    undo_url: str | None = None

    def __repr__(self) -> str:
        return f"OwnerNotice({self.kind!r}, account {self.link.account_id!r}, {self.source!r}, {self.at})"


def payload_of(outcome: Outcome, now: int) -> dict[str, Any] | None:
    """The payload of the outbox entry for a change; None for an outcome that changes no link."""
    if isinstance(outcome, AccountLinked):
        kind = "linked" if outcome.previous_account_id is None else "replaced"
        source = outcome.source or outcome.link.source
        return _payload(kind, outcome.link, outcome.previous_account_id, source, now)
    if isinstance(outcome, AccountUnlinked) and outcome.link is not None:
        return _payload("unlinked", outcome.link, None, outcome.source, now)
    return None


def _payload(kind: str, link: Link, previous: str | None, source: str, now: int) -> dict[str, Any]:
    values = {each.name: getattr(link, each.name) for each in fields(Link)}
    values |= {name: to_ms(values[name]) for name in ("linked_at", "updated_at")}
    return {"kind": kind, "link": values, "previous_account_id": previous, "source": source, "at": now}


def notice_of(payload: dict[str, Any], undo_url: str | None) -> OwnerNotice:
    """The notice from the payload of an outbox entry."""
    values = payload["link"]
    times = {name: from_ms(values[name]) for name in ("linked_at", "updated_at")}
    return OwnerNotice(
        kind=payload["kind"],
        link=Link(**values | times),
        previous_account_id=payload["previous_account_id"],
        source=payload["source"],
        at=from_ms(payload["at"]),
        undo_url=undo_url,
    )
