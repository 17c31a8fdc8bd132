"""The store's role for the delivery worker: messages and calls that must get through.

An entry is **due** when it is not dead, its time (`next_at`) has come, no lease of it runs, it is not held,
or held for something that is not among the given `tokens`, and its page is not `busy`. A lease is a claim
(a word that only its worker knows) and an end; when the end has passed, any worker may claim the entry
again, and the former worker can neither renew nor postpone nor bury it.
"""

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

    def queue(self, page_id: str, psid: str, kind: str, payload: Any, now: int) -> None:
        """Add an entry that is due at `now`; `payload` is any JSON value. The news of a link and what follows
        from it are added by the transition itself: this is for what stands alone."""

    def has_due(self, now: int, tokens: Sequence[str], busy: Sequence[str] = ()) -> bool:
        """Whether `claim_due` might find something. True may turn out to be nothing: an entry may stand
        behind another of its person, or another worker may be quicker."""

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
        """In one transaction: remove what is `done`, then lease at most `limit` due entries until `until`.

        A `Done` is removed even where another worker has taken its lease over: it got through. Its counter
        is hit as by `Counters.hit`. Of one person on one page only the oldest entry that is neither dead nor
        held is eligible; an `unlink_call` concerns no message and may pass others. Those due longest come
        first, then the lowest id; the list is in order of ids. Each entry's `attempts` counts this claim.
        Two workers never get the same entry; one passes over what another is claiming just now.
        """

    def renew(self, entries: Sequence[OutboxEntry], until: int) -> None:
        """Extend the leases of these entries. A lease that another worker has taken over stays as it is."""

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
        """End a lease and try again at `next_at`; `reason` becomes the entry's `last_error`.

        `held_for` sets the entry aside while that token is in use. With `whole_page` the page's other
        entries that are neither dead nor leased wait as long, for the same reason; one that waits longer
        already stays as it is. Without the lease, the entry itself stays as it is.
        """

    def bury(self, entry: OutboxEntry, reason: str, now: int, *, then: str | None = None) -> None:
        """End a lease and give the entry up: it is dead from `now`, listed, and in no other entry's way.
        `then` queues an entry of that kind for the same person with it. Does nothing when the lease was
        lost."""

    def list_dead(self) -> list[OutboxEntry]:
        """Entries that need an operator, by id: the dead, and those held for a reason other than the
        hourly limit (`hour`) or a handler that failed (`handler`)."""

    def retry_dead(self, entry_id: int, now: int) -> bool:
        """Make a dead or held entry due at `now`, as if it were new. False when it is neither, does not
        exist, or is being delivered at this moment."""

    def outbox_depth(self) -> dict[str, Any]:
        """For monitoring: `depth` (entries that are not dead), `oldest` (when the first of them was queued,
        in ms, or None), `held` (how many of them are held, but for `hour` and `handler`) and `dead`."""
