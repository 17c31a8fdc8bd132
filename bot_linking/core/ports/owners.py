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
    """The newest link of a chat, as long as it is the newest. `before` is the link that it replaced, None
    where the chat was not linked; `changed_at` in milliseconds; `undone` once it was put back."""

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

    `state`: `received`, then `done` (data was erased, or with `deauthorize` unlinked), `nothing` (nothing is
    held under this id) or `unmatched` (it could not be told which person that is). `found_at` once something
    was found to be held, before it is erased or unlinked. Times in milliseconds.
    """

    code: str
    kind: Literal["deletion", "deauthorize"]
    user_id: str | None
    state: str
    received_at: int
    finished_at: int | None
    found_at: int | None


class Owners(Protocol):
    """What the newest link of a chat replaced, for seven days, and the requests to delete data."""

    def find_undo(self, page_id: str, psid: str) -> Undoable | None:
        """What the newest link of this chat replaced. None when the chat was unlinked since, or the change
        is older than the store remembers."""

    def save_undo_token(self, digest: str, undo: Undoable, expires_at: int) -> None:
        """Keep the digest of an address by which this very change can be undone until `expires_at`. A change
        may have several."""

    def find_undo_token(self, digest: str, now: int) -> tuple[str, str, str] | None:
        """Page, PSID and change id that this digest stands for; None when it is unknown or has expired. The
        change may be undone already, or not be the newest any more: ask `find_undo`."""

    def undo(
        self, page_id: str, psid: str, change_id: str, now: int, *, source: str = "undo"
    ) -> list[Outcome]:
        """Put back what the newest link of this chat replaced, in one transaction, and only once.

        Before it the chat was unlinked: the link ends as by `unlink`, source `undo`. Before it the chat had
        another account: that link is there again with its identifiers, its source and its times, to late
        events the change counts as an unlink at `now`, and the news is sent again. Either way the pair of
        chat and undone account is barred for a day, the chat's attempts, pending codes, web links and
        question end, and the former link's identifiers are kept no longer. `EventIgnored("undone")` or
        `EventIgnored("newer")` write nothing: it was undone already, or `change_id` is not the chat's newest
        change, or it is older than seven days.
        """

    def drop_undos_of_account(self, account_id: str) -> None:
        """Forget every link to this account that an undo would put back; those changes stay as they are."""

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
        """Record a request under its digest, with a `deletion` entry in the outbox whose payload names the
        code and the pages that it may be about (None: every one), and return its code. The same digest again
        returns the first code and writes nothing."""

    def find_deletion(self, code: str) -> Deletion | None:
        """The request with this code, or None when the code is unknown or forgotten."""

    def list_deletions(self) -> list[Deletion]:
        """Every request that the store remembers, in the order in which they were received."""

    def find_for_deletion(self, code: str, now: int) -> None:
        """Note that something is held under this request, before it goes: who fulfils the request again after
        a crash finds nothing more."""

    def finish_deletion(self, code: str, state: str, now: int) -> None:
        """Say what a request came to, and forget whom it named: when this returns, as little of that as the
        database allows is left in its files."""

    def export(self, page_id: str | None, psid: str) -> dict[str, list[dict[str, Any]]]:
        """Everything that is held about a person, on every page where `page_id` is None: table to rows, the
        followers' tables too. Times are RFC 3339; no secret, no token and no digest is in it."""

    def export_account(self, account_id: str) -> dict[str, list[dict[str, Any]]]:
        """What is held about an account beside its chats: its history, and the followers' rows."""
