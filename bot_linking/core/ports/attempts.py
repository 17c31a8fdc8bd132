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
