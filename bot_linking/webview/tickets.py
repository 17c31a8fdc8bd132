"""Tickets: the signed values that the form of a login carries from page to page.

A ticket names one attempt and the browser that it belongs to: by the digest of the browser's own secret while
the store does not keep the attempt, by the digest of the attempt's secret afterwards. A ticket is not secret
and can be used again. The stage of the attempt is kept in the store, and never in a ticket.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from itsdangerous import BadData

from bot_linking.core.journey import MAX_AGE_MS
from bot_linking.core.links import LOGIN, WEB
from bot_linking.core.ports import Attempt
from bot_linking.webview.signing import LEEWAY_MS, serializer_for

BROWSER, SESSION = "browser", "session"  # whose secret a ticket is bound to


@dataclass(frozen=True, slots=True)
class Ticket:
    """One form of one attempt. `bound_to` is the digest of the browser's own secret or of the attempt's, as
    `holder` says. `account_id` is the account that the page named, `replaces` the account that it said would
    be replaced. `page_id` and `psid` are what Messenger said for a person who is signed in at the site, whose
    attempt no store keeps. `way` and `proof` are the attempt's. Times are milliseconds."""

    attempt_id: str
    linking_token: str
    return_url: str
    opened_at: int
    holder: str
    bound_to: str
    page_hint: str | None = None
    account_id: str | None = None
    page_id: str | None = None
    psid: str | None = None
    replaces: str | None = None
    way: str = LOGIN
    proof: str | None = None

    def attempt(self) -> Attempt:
        """A new attempt with the ticket's values. Only on another way than the Log In button the chat is
        proved before the page is opened."""
        is_proved = self.way != LOGIN
        return Attempt(
            self.attempt_id,
            None,
            self.linking_token,
            self.return_url,
            self.opened_at,
            page_hint=self.page_hint,
            page_id=self.page_id if is_proved else None,
            psid=self.psid if is_proved else None,
            way=self.way,
            proof=self.proof,
        )


def ticket_for(attempt: Attempt, *, holder: str, bound_to: str, replaces: str | None = None) -> Ticket:
    """A ticket of this attempt, bound to the secret of this digest.

    A web link may have been forwarded, so its ticket does not name the chat. Its proof leads to the chat.
    """
    is_told = attempt.way != WEB
    return Ticket(
        attempt.attempt_id,
        attempt.linking_token,
        attempt.return_url,
        attempt.opened_at,
        holder,
        bound_to,
        page_hint=attempt.page_hint,
        account_id=attempt.account.id if attempt.account else None,
        page_id=attempt.page_id if is_told else None,
        psid=attempt.psid if is_told else None,
        replaces=replaces,
        way=attempt.way,
        proof=attempt.proof,
    )


class Tickets:
    """Signs and reads tickets. `keys` are newest first; `now` is in milliseconds."""

    def __init__(self, keys: Sequence[str], now: Callable[[], int]) -> None:
        self._now = now
        self._serializer = serializer_for(keys, "ticket")

    def sign(self, ticket: Ticket) -> str:
        return str(self._serializer.dumps(asdict(ticket)))

    def read(self, signed: str) -> Ticket | None:
        """The ticket, when we signed it. The caller must check its age and its holder."""
        try:
            return Ticket(**self._serializer.loads(signed))
        except (BadData, TypeError):
            return None

    def is_fresh(self, ticket: Ticket, max_age_ms: int = MAX_AGE_MS) -> bool:
        return -LEEWAY_MS <= self._now() - ticket.opened_at <= max_age_ms
