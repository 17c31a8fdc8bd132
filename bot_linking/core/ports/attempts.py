"""The store's role for the linking pages: attempts, the codes they end in, and what was interrupted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from bot_linking.core.links import Account


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


class Attempts(Protocol):
    """Signed-in attempts, pending codes, and what a person was doing when they were asked to log in."""

    def save_attempt(self, attempt: Attempt, session_digest: str, expires_at: int) -> None:
        """Keep a signed-in attempt for the browser whose session has this digest, until `expires_at`.

        An attempt of the same id is replaced, and is the former session's no more; its linking token, return
        URL and `opened_at` stay as they were first.
        """

    def find_attempt(self, attempt_id: str, session_digest: str, now: int) -> Attempt | None:
        """The attempt as it was saved. None when there is none of this id, when it is another session's, or
        when `now` has reached its end: a caller cannot tell which."""

    def drop_attempt(self, attempt_id: str, session_digest: str) -> None:
        """Forget this session's attempt. Another session's attempt stays, and a missing one is no error."""

    def save_code(
        self,
        digest: str,
        attempt: Attempt,
        locale: str | None,
        now: int,
        expires_at: int,
        *,
        replaces: str | None = None,
    ) -> bool:
        """Commit a pending code of this attempt, minted at `now`; its tick is greater than that of each code
        committed before. `replaces` is the account that the person agreed to replace.

        False, and no code, when a code of the same attempt was consumed or belongs to another account: the
        attempt is over. An attempt may have several pending codes; the first that is redeemed consumes all.
        """

    def account_of_code(self, digest: str) -> str | None:
        """The account id of a code that is not consumed yet, expired or not; None for every other digest."""

    def drop_pending(self, account_id: str) -> None:
        """Remove this account's attempts and its codes that are not consumed, in one transaction. A consumed
        code stays: its redelivery must still be known. Links stay."""

    def save_resume(self, page_id: str, psid: str, payload: Any, now: int) -> None:
        """Keep what a person was doing, as JSON can hold it, in place of what was kept before for the same
        page and PSID. `page_id` is empty where the page is not known."""

    def take_resume(self, page_id: str, psid: str) -> Any:
        """Remove what is kept for this person, on this page and without a page, and return the newest of it,
        however old; None when nothing is kept. Of two callers at once, one gets it."""
