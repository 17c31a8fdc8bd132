"""The store's role for the delivery worker: messages and calls that must get through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """Something that must get through. `kind` is `linked`, `unlinked`, `refused`, `unlink_call`,
    `resume` or `event`; `attempts` counts this try."""

    id: int
    claim: str
    page_id: str
    psid: str
    kind: str
    payload: Any
    created_at: int
    attempts: int
    last_error: str | None = None
    dead_at: int | None = None
    held: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """An entry that got through. `counter` is where that counts, until `expires_at`."""

    entry: OutboxEntry
    counter: str | None = None
    expires_at: int = 0


class Outbox(Protocol):
    """What waits, leased to one worker at a time, each person's entries in order."""

    def has_due(self, now: int, tokens: Sequence[str], busy: Sequence[str] = ()) -> bool: ...
    def claim_due(
        self,
        now: int,
        until: int,
        limit: int,
        tokens: Sequence[str],
        busy: Sequence[str] = (),
        *,
        done: Sequence[Done] = (),
    ) -> list[OutboxEntry]: ...
    def renew(self, entries: Sequence[OutboxEntry], until: int) -> None: ...
    def postpone(
        self,
        entry: OutboxEntry,
        next_at: int,
        reason: str,
        *,
        now: int,
        whole_page: bool = False,
        held_for: str | None = None,
    ) -> None: ...
    def bury(self, entry: OutboxEntry, reason: str, now: int) -> None: ...
    def list_dead(self) -> list[OutboxEntry]: ...
    def retry_dead(self, entry_id: int, now: int) -> bool: ...
    def outbox_depth(self) -> dict[str, Any]: ...
