"""The store's role for the owner's control: what can be undone, and what Meta asked to have deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from bot_linking.core.events import Outcome
from bot_linking.core.links import Link

UNDO_MAX_AGE_MS = 7 * 86_400_000
BAR_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Undoable:
    """The newest link of a chat, and what it replaced. `before` is the link before it, None where the chat
    was not linked, or once the change is `undone`. `changed_at` is in milliseconds."""

    page_id: str
    psid: str
    change_id: str
    changed_at: int
    account_id: str
    before: Link | None
    undone: bool


@dataclass(frozen=True, slots=True)
class Deletion:
    """One request of Meta's. `user_id` is app-scoped, and None once the request is finished.

    `state` is `received`, then `done` (data were erased, or with the kind `deauthorize` a chat was unlinked),
    `nothing` (nothing is held under this id) or `unmatched` (the id could not be matched with a person).
    `found_at` is when something was found to be held, before it was erased or unlinked. Times are in
    milliseconds.
    """

    code: str
    kind: Literal["deletion", "deauthorize"]
    user_id: str | None
    state: str
    received_at: int
    finished_at: int | None
    found_at: int | None


class Owners(Protocol):
    """What the newest link of a chat replaced, for seven days; Meta's requests to delete data; and what is
    held about a person."""

    def find_undo(self, page_id: str, psid: str) -> Undoable | None:
        """What the newest link of this chat replaced, undone or not. None when the chat was unlinked since
        by anything but an undo, or the change is older than the store remembers."""

    def save_undo_token(self, digest: str, undo: Undoable, expires_at: int) -> None:
        """Keep the digest of a token that stands for this very change until `expires_at`. A change may have
        several."""

    def find_undo_token(self, digest: str, now: int) -> tuple[str, str, str] | None:
        """The page, the PSID and the change id that this digest stands for; None when it is unknown or has
        expired. The change may be undone already, or replaced by a newer one: ask `find_undo`."""

    def undo(
        self, page_id: str, psid: str, change_id: str, now: int, *, source: str = "undo"
    ) -> list[Outcome]:
        """Put back what the newest link of this chat replaced, in one transaction, and only once. `source` is
        the source that the history gets; the events and the link have `undo`.

        Where the chat was not linked before, the link ends as by `unlink`. Where it had another account, that
        link is put back with its identifiers, its source and its times; late events treat the change as an
        unlink at `now`; and the news is sent again. Either way the pair of chat and undone account is barred
        for a day, the chat's attempts, pending codes, web links and question end, and the store forgets the
        identifiers of the former link.

        `EventIgnored("undone")` where this change was undone already; `EventIgnored("newer")` where
        `change_id` is not the chat's newest change, or is older than seven days. Both write nothing.
        """

    def drop_undos_of_account(self, account_id: str) -> None:
        """Forget every change whose undo would link a chat to this account again. The present links stay."""

    def save_deletion(
        self,
        kind: str,
        user_id: str,
        digest: str,
        code: str,
        now: int,
        *,
        pages: Sequence[str] | None = None,
    ) -> str:
        """Record a request under its digest, with a `deletion` entry in the outbox, in one transaction, and
        return its code. The entry's payload has the code and the `pages` that the request may be about (None:
        every page). The same digest again returns the first code and writes nothing."""

    def find_deletion(self, code: str) -> Deletion | None:
        """The request with this code, or None when the code is unknown or forgotten."""

    def list_deletions(self) -> list[Deletion]:
        """Every request that the store remembers, in the order in which they were received."""

    def find_for_deletion(self, code: str, now: int) -> None:
        """Note that something is held under this request, before it is erased: after a crash the request is
        fulfilled again, and by then nothing may be left to find."""

    def finish_deletion(self, code: str, state: str, now: int) -> None:
        """Keep what a request came to, and forget the id that it named: when this returns, as little of the
        id as the database allows is left in its files."""

    def export(self, page_id: str | None, psid: str) -> dict[str, list[dict[str, Any]]]:
        """Everything that is held about a person, on every page where `page_id` is None: table to rows, the
        followers' tables included. Times are RFC 3339. Secrets, tokens and digests are left out. Each table
        is one read: a change that commits meanwhile may be in some tables only."""

    def export_account(self, account_id: str) -> dict[str, list[dict[str, Any]]]:
        """What is held about an account beside its chats: its history, and the followers' rows."""
