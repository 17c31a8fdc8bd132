"""``account_linking_token``: minted when the webview opens, good for five minutes, used once."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

#: Seconds for which Messenger honours a token.
LIFETIME = 300
_KEEP = 500


class TokenState(StrEnum):
    """Whether a token is good at this moment, and why not."""

    LIVE = "live"
    USED = "used"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


@dataclass
class _Ticket:
    psid: str
    minted_at: float
    used: bool = False


class LinkingTokens:
    """All tokens that are still remembered, with the PSID each was minted for."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._tickets: OrderedDict[str, _Ticket] = OrderedDict()

    def mint(self, psid: str) -> str:
        """Mint a token of 110 characters for ``psid``."""
        token = "AR" + secrets.token_urlsafe(81)
        with self._lock:
            self._tickets[token] = _Ticket(psid, self._clock())
            while len(self._tickets) > _KEEP:
                self._tickets.popitem(last=False)
        return token

    def look_up(self, token: str) -> tuple[TokenState, str]:
        """Return the state of ``token`` and its PSID, which is empty when the token is unknown."""
        with self._lock:
            return self._look_up(token)

    def use(self, token: str) -> tuple[TokenState, str]:
        """Return what ``look_up`` returns, and use a live token up: only one caller sees it live."""
        with self._lock:
            state, psid = self._look_up(token)
            if state is TokenState.LIVE:
                self._tickets[token].used = True
            return state, psid

    def _look_up(self, token: str) -> tuple[TokenState, str]:
        ticket = self._tickets.get(token)
        if ticket is None:
            return TokenState.UNKNOWN, ""
        if ticket.used:
            return TokenState.USED, ticket.psid
        if self._clock() - ticket.minted_at >= LIFETIME:
            return TokenState.EXPIRED, ticket.psid
        return TokenState.LIVE, ticket.psid
