"""What the core needs from outside, as Protocols: a store, a clock, and someone to tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bot_linking.core.events import Happening, LinkingEvent, Outcome
from bot_linking.core.history import NO_AUDIT, Audit, Change
from bot_linking.core.identifiers import Identifiers
from bot_linking.core.links import Account, Link

Tell = Callable[[Happening], None]


@dataclass(frozen=True, slots=True)
class Attempt:
    """A signed-in pass through the linking pages. `page_id`, `psid` and `profile_name` are None where
    Messenger did not say; `opened_at` is when the linking page was first shown."""

    attempt_id: str
    account: Account
    linking_token: str
    return_url: str
    opened_at: int
    page_id: str | None = None
    psid: str | None = None
    profile_name: str | None = None


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


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key of the account_link API as the store knows it: by its digest. `pages` are the pages it may act
    on, none of them meaning every page. Times are milliseconds since the epoch."""

    id: str
    name: str
    digest: str
    pages: tuple[str, ...]
    created_at: int
    last_used_at: int | None = None
    revoked_at: int | None = None


class Counters(Protocol):
    """Counts that start again by themselves, `window` ms after the first hit: an end that is further away is
    of a clock that was ahead, and nobody waits for it. A key is none that anybody could read."""

    def hit(self, key: str, expires_at: int, now: int) -> int: ...
    def refund(self, key: str, now: int) -> None: ...
    def find_limit(self, key: str, now: int, window: int) -> tuple[int, int]: ...
    def drop_limit(self, key: str) -> None: ...


class Store(Counters, Protocol):
    """Where links are kept. Each writing method is one whole transaction, committed to disk when it
    returns; uniqueness and single use are the database's. Stores are silent: they return what happened
    and tell nobody. Every method raises `StoreUnavailable` when the database does not answer.

    Times are milliseconds since the epoch. One contract suite runs over every store.
    """

    def find_link(self, page_id: str, psid: str) -> Link | None: ...
    def find_links_of_psid(self, psid: str) -> list[Link]: ...
    def find_links_of_account(self, account_id: str) -> list[Link]: ...
    def list_links(self) -> Iterator[Link]: ...
    def find_pages(self) -> list[str]: ...

    def receive(self, events: Sequence[LinkingEvent], now: int) -> list[Outcome]: ...
    def refuse(self, event: LinkingEvent, reason: str, now: int) -> Outcome: ...
    def unlink(
        self, page_id: str, psid: str, source: str, now: int, *, audit: Audit = NO_AUDIT
    ) -> Outcome: ...
    def bind(
        self,
        page_id: str,
        psid: str,
        given: Identifiers,
        source: str,
        now: int,
        *,
        account: Account | None = None,
        audit: Audit = NO_AUDIT,
    ) -> Outcome: ...
    def history_of(self, page_id: str | None, psid: str) -> list[Change]: ...
    def erase(self, page_id: str | None, psid: str, now: int) -> int: ...

    def save_attempt(self, attempt: Attempt, session_digest: str, expires_at: int) -> None: ...
    def find_attempt(self, attempt_id: str, session_digest: str, now: int) -> Attempt | None: ...
    def drop_attempt(self, attempt_id: str, session_digest: str) -> None: ...
    def save_code(
        self, digest: str, attempt: Attempt, locale: str | None, now: int, expires_at: int
    ) -> bool: ...
    def account_of_code(self, digest: str) -> str | None: ...
    def drop_pending(self, account_id: str) -> None: ...

    def save_resume(self, page_id: str, psid: str, payload: Any, now: int) -> None: ...
    def take_resume(self, page_id: str, psid: str) -> Any: ...

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
    def locale_of(self, page_id: str, psid: str) -> str | None: ...

    def save_api_key(self, key: ApiKey) -> bool: ...
    def find_api_key(self, digest: str) -> ApiKey | None: ...
    def list_api_keys(self) -> list[ApiKey]: ...
    def touch_api_key(self, key_id: str, now: int) -> None: ...
    def revoke_api_key(self, name: str, now: int) -> bool: ...

    def purge(self, now: int) -> None: ...
    def check(self) -> None: ...
    def close(self) -> None: ...
