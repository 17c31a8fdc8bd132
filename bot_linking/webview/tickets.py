"""What a form carries from page to page: signed, so that nothing in it is ever taken from the browser's word.

A ticket holds one attempt: the checked return URL, the linking token, and whose browser it was given to.
It is no secret and not single use; that is kept in the store.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from itsdangerous import BadData, URLSafeSerializer

from bot_linking.core.codes import digest_of
from bot_linking.core.linking import ATTEMPT_MAX_AGE_S
from bot_linking.core.ports import Clock

LEEWAY_S = 60  # clocks of several machines


@dataclass(frozen=True, slots=True)
class Ticket:
    """One pass through the linking pages. `account_id` is set once somebody has signed in, and `bound_to`
    is the digest of the cookie that must come with it."""

    attempt_id: str
    linking_token: str
    return_url: str
    bound_to: str
    issued_at: float
    account_id: str | None = None
    page_id: str | None = None
    psid: str | None = None


class Tickets:
    """Signs and reads tickets. `keys` are newest first; each purpose has its own salt."""

    def __init__(self, keys: Sequence[str], clock: Clock) -> None:
        self._clock = clock
        # itsdangerous signs with the last key.
        self._serializer = URLSafeSerializer(
            list(reversed(keys)), salt="bot_linking.ticket", signer_kwargs={"digest_method": hashlib.sha256}
        )

    def begin(self, linking_token: str, return_url: str, cookie: str) -> Ticket:
        attempt_id = secrets.token_urlsafe(16)
        return Ticket(attempt_id, linking_token, return_url, digest_of(cookie), self._clock())

    def sign(self, ticket: Ticket) -> str:
        return str(self._serializer.dumps(asdict(ticket)))

    def read(self, signed: str, cookie: str | None) -> Ticket | None:
        """The ticket, when we signed it, it is not too old, and this browser is the one it was given to."""
        try:
            ticket = Ticket(**self._serializer.loads(signed))
        except (BadData, TypeError):
            return None
        age = self._clock() - ticket.issued_at
        if not -LEEWAY_S <= age <= ATTEMPT_MAX_AGE_S:
            return None
        if cookie is None or not hmac.compare_digest(digest_of(cookie), ticket.bound_to):
            return None
        return ticket
