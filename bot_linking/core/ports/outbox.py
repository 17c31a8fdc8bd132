"""The store's role for the delivery worker: messages and calls that must get through.

An entry is **due** when it is not dead, its time (`next_at`) has come and no lease of it runs. A lease is a
claim (a word that only its worker knows) and an end; when the end has passed, any worker may claim the entry
again, and the former worker can neither renew nor postpone nor bury it.

An entry that is **held** is set aside for a reason of its own, and no other entry of its person waits for it:

| `held_for` | it waits |
| --- | --- |
| `window` | for its person to write, until `next_at` at most |
| `page` | for the page or the app to be mended, and is tried at `next_at` |
| `hour` | until the person may get another message |
| `handler` | for the next try of a handler that failed |

A page that waits as a whole has a `Pause`. The store keeps it and tells it; the worker minds it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """Something that must get through. `kind` names its handler: `delivery/README.md` lists the kinds;
    `attempts` counts this try. `heard_at` is when the person last made an
    event, as far as the entry knows (ms). `state` is for those whom an operator may want to see."""

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
        """Whether it is set aside, on its own or with its page."""
        return self.held_for is not None or self.state == "held"


@dataclass(frozen=True, slots=True)
class Done:
    """An entry that got through. `counter` is where that counts, until `expires_at`."""

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
    """An entry that is given up: dead, listed, and in no other entry's way. `then` is the kind of an entry
    that is queued for the same person with it."""

    entry: OutboxEntry
    reason: str
    then: str | None = None


@dataclass(frozen=True, slots=True)
class GivenBack:
    """An entry whose lease ends without a try: another worker may have it at once."""

    entry: OutboxEntry


Settled = Done | Postponed | Buried | GivenBack


@dataclass(frozen=True, slots=True)
class Pause:
    """Why a page waits as a whole, until `until`. `cause` is None for a limit, which passes; else it names
    what has to be mended, and `keys` names the token and secret that it happened with: with others the page
    need not wait. `since` is when the page began to wait for this cause."""

    page_id: str
    until: int
    reason: str
    cause: str | None = None
    keys: str | None = None
    since: int = 0


class Outbox(Protocol):
    """What waits, leased to one worker at a time, each person's entries in order."""

    def queue(self, page_id: str, psid: str, kind: str, payload: Any, now: int) -> None:
        """Add an entry that is due at `now`; `payload` is any JSON value. The news of a link and what follows
        from it are added by the transition itself: this is for what stands alone."""

    def has_due(self, now: int) -> bool:
        """Whether anything is due. True may turn out to be nothing: an entry may stand behind another of its
        person, or its page may wait."""

    def due_pages(self, now: int, *, after: str = "", most: int) -> list[str]:
        """At most `most` pages of which something is due, in the order of their ids, those behind `after`
        only. A page costs one look, however much of it waits."""

    def claim_due(
        self, now: int, until: int, shares: Mapping[str, int], *, settled: Sequence[Settled] = ()
    ) -> list[OutboxEntry]:
        """In one transaction: write down what was `settled`, then lease due entries until `until`, of each
        page at most its share.

        A `Done` is removed even where another worker has taken its lease over: it got through. Its counter
        is hit as by `Counters.hit`. Every other outcome does nothing when the lease was lost.

        Of one person on one page only the oldest entry that is neither dead nor held is eligible. A `notice`
        and an `unlink_call` are no messages to the person: they may pass others; others may pass a notice,
        and a call that is not being tried. What was queued within the last minute and never tried comes
        first, oldest first; then what has been due longest. Each entry's `attempts` counts this claim. Two
        workers never get the same entry; one passes over what another is claiming just now.
        """

    def renew(self, entries: Sequence[OutboxEntry], until: int) -> None:
        """Extend the leases of these entries. A lease that another worker has taken over stays as it is."""

    def pause(self, pause: Pause, now: int) -> None:
        """Keep why a page waits. A limit neither shortens another limit nor takes the place of a cause that
        still holds; a cause takes the place of anything."""

    def pauses(self) -> list[Pause]:
        """Every page that waits, or did so a short while ago, by id."""

    def resume_page(self, page_id: str, now: int, *, keys: str | None = None) -> None:
        """Something of this page got through: forget a pause that is over, or one that was for other keys and
        is older than ten minutes. Until then processes that still run with those keys may need it."""

    def has_waiting(self) -> bool:
        """Whether any entry at all waits for its person to write: asked so that nothing else is asked."""

    def waiting_among(self, people: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
        """Those of these people, each page and PSID, for whom something waits until they write."""

    def take_waiting(self, page_id: str, psid: str, now: int, until: int) -> list[OutboxEntry]:
        """Lease what waits for this person, who has just written, until `until`, in order. `heard_at`
        becomes `now`. What another worker holds is left to it."""

    def list_dead(self) -> list[OutboxEntry]:
        """Entries that an operator may want to see, by id: `dead`; `held` with their page or on their own
        until the page or the app is mended; `waiting` for their person."""

    def retry_dead(self, entry_id: int, now: int) -> bool:
        """Make an entry of that list due at `now`, as if it were new, and end the pause of its page. False
        when it is not on the list or is being delivered at this moment."""

    def retry_all_dead(self, now: int, *, reason: str = "", since: int = 0) -> int:
        """The same for every dead entry whose reason contains `reason` and that died at `since` or later; how
        many they are. Dead events are left: no handler takes them."""

    def outbox_depth(self) -> dict[str, Any]:
        """For monitoring: `depth` (entries that are not dead), `oldest` (when the first of those that do not
        wait for their person was queued, or may go out where it is held for the hour, in ms, or None), `held`
        (how many wait until a page or the app is mended) and `dead`."""

    def count_waiting(self) -> int:
        """How many entries wait for their person to write."""
