"""The store's role for the delivery worker: messages and calls that must get through.

An entry is **due** when it is alive, its time (`next_at`) has come and it is not leased. A lease is a claim
(a random word of the worker's) and an end. When the end has passed, any worker may claim the entry again, and
then the former claim can do nothing but finish the entry.

An entry that is **held** is set aside for a reason of its own, and no other entry of its person waits for it:

| `held_for` | it waits |
| --- | --- |
| `window` | for its person to write, until `next_at` at most |
| `page` | for the page or the app to be mended, and is tried at `next_at` |
| `hour` | until the person may get another message |
| `handler` | for the next try of a handler that failed |
| `refused` | for the next try of a call that Messenger refuses for good, and is never late |

A page that waits as a whole has a `Pause`. The store keeps it; the worker obeys it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """Something that must get through. `kind` names its handler; `delivery/README.md` lists the kinds.
    `attempts` counts the tries, this one included. `heard_at` (ms) is when the person wrote, where that
    released the entry. `state` is set in the lists for operators."""

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
    held_for: str | None = None
    heard_at: int | None = None
    state: Literal["dead", "held", "waiting"] | None = None

    @property
    def held(self) -> bool:
        """Whether it is set aside, for a reason of its own or with its page."""
        return self.held_for is not None or self.state == "held"


@dataclass(frozen=True, slots=True)
class Done:
    """An entry that got through, or was not needed any more. `counter` is the key of `Counters` on which it
    counts, until `expires_at`."""

    entry: OutboxEntry
    counter: str | None = None
    expires_at: int = 0


@dataclass(frozen=True, slots=True)
class Postponed:
    """An entry that is tried again at `next_at`; `reason` becomes its `last_error`."""

    entry: OutboxEntry
    next_at: int
    reason: str
    held_for: str | None = None


@dataclass(frozen=True, slots=True)
class Buried:
    """An entry that is given up: it is dead and listed, and no other entry waits for it. `then` is the kind
    of an entry that is queued for the same person in the same transaction."""

    entry: OutboxEntry
    reason: str
    then: str | None = None


@dataclass(frozen=True, slots=True)
class GivenBack:
    """An entry whose lease ends without a try: any worker may claim it at once."""

    entry: OutboxEntry


Settled = Done | Postponed | Buried | GivenBack


@dataclass(frozen=True, slots=True)
class Pause:
    """Why a page waits as a whole, until `until`. `cause` is None for a limit, which passes. Otherwise it
    names what has to be mended, and `keys` names the token and secret that the page had: with others it need
    not wait. `since` is when the page began to wait for this cause."""

    page_id: str
    until: int
    reason: str
    cause: str | None = None
    keys: str | None = None
    since: int = 0


class Outbox(Protocol):
    """What has to get through: each entry is leased to one worker at a time, each person's in order."""

    def queue(self, page_id: str, psid: str, kind: str, payload: Any, now: int) -> None:
        """Add an entry that is due at `now`; `payload` is any JSON value. For an entry that stands alone: a
        change of a link adds its entries in its own transaction."""

    def has_due(self, now: int) -> bool:
        """Whether anything is due. `claim_due` may find nothing all the same: an entry may stand behind
        another of its person, or its page may wait."""

    def due_pages(self, now: int, *, after: str = "", most: int) -> list[str]:
        """The pages of which something is due, in the order of their ids: the first `most` behind `after`. A
        page costs one look, however many of its entries wait."""

    def claim_due(
        self, now: int, until: int, shares: Mapping[str, int], *, settled: Sequence[Settled] = ()
    ) -> list[OutboxEntry]:
        """Write down what was `settled`, then lease due entries until `until`, of each page at most its share
        (page id to number), in one transaction. A page without a share gets no lease.

        A `Done` is removed even where another worker has taken its lease over, since it got through. Its
        counter is hit as by `Counters.hit`. Every other outcome does nothing when the lease was lost.

        Of one person on one page only the oldest entry that is neither dead nor held is eligible. A `notice`
        and an `unlink_call` are not messages to the person: they may pass others; others may pass a notice,
        and a call that is not leased or was refused. Of each page, entries that were queued within the last
        minute and never tried come first, oldest first; then those that have been due longest. Each entry's
        `attempts` counts this claim. Two workers never get the same entry; one passes over what another is
        claiming just now.
        """

    def renew(self, entries: Sequence[OutboxEntry], until: int) -> None:
        """Extend the leases of these entries until `until`. A lease that another worker has taken over stays
        as it is."""

    def pause(self, pause: Pause, now: int) -> None:
        """Keep why a page waits, one pause for each page. A cause replaces any pause; with the cause and the
        keys of the pause before, `since` stays, else it is `now`. A limit replaces a pause that is over, and
        a shorter limit."""

    def pauses(self) -> list[Pause]:
        """Every pause, by page id. One that is over may be among them for up to a day."""

    def resume_page(self, page_id: str, now: int, *, keys: str | None = None) -> None:
        """Something of this page got through: forget a pause that is over, or one for other keys that began
        more than ten minutes ago. Until then processes that still run with those keys may need it."""

    def has_waiting(self) -> bool:
        """Whether any entry waits for its person to write. Where none does, a webhook need not be searched
        for people."""

    def waiting_among(self, people: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
        """Those of these people, each (page id, PSID), for whom an entry waits until they write; in the order
        given."""

    def take_waiting(self, page_id: str, psid: str, now: int, until: int) -> list[OutboxEntry]:
        """Lease until `until` what waits for this person, who has just written; oldest first. `heard_at` of
        each becomes `now`, and `attempts` counts this claim. An entry that another worker has leased stays
        with it."""

    def list_dead(self) -> list[OutboxEntry]:
        """Entries that an operator may want to see, by id, each with its `state`: `dead`; `held` until the
        page or the app is mended; `waiting` for their person. `last_error` of an entry that is held with its
        page is the reason of the pause."""

    def retry_dead(self, entry_id: int, now: int) -> bool:
        """Make an entry of that list due at `now`, as if it were new, and end the pause of its page. False
        when it is not on the list, or is leased at this moment; then nothing is written."""

    def retry_all_dead(self, now: int, *, reason: str = "", since: int = 0) -> int:
        """Make due every dead entry whose reason contains `reason`, in capitals or not, and that died at
        `since` (ms) or later. Returns their number. They go behind newer entries, and the pauses of their
        pages stay. `event` entries stay dead, as they have no handler. Written in several transactions, so
        that no webhook waits for long; an entry that dies again meanwhile, after `now`, stays dead."""

    def outbox_depth(self) -> dict[str, Any]:
        """For monitoring: `depth` (living entries), `oldest`, `held` (those that wait until a page or the app
        is mended) and `dead`. `oldest` (ms, or None) is when the first living entry was queued; an entry that
        waits for its person is left out, and one that is held for the hour counts from `next_at`."""

    def count_waiting(self) -> int:
        """How many entries wait for their person to write; for monitoring."""
