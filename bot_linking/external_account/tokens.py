"""Bearer tokens: random, shown once, and kept as digests."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from bot_linking.core.codes import digest_of
from bot_linking.external_account.errors import ScopeMissing

PREFIX = "ea_"  # scanners for leaked secrets recognise a token by it
SCOPES = ("accounts", "bind", "signin")
BACK_END = ("signin", "bind")
USER = ("accounts", "bind")
SIGNED_IN = ("accounts",)
BACK_END_AGE_S = 365 * 86_400
USER_AGE_S = 30 * 86_400
_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/=-]{1,256}) *")


@dataclass(frozen=True, slots=True)
class Token:
    """A token as the store knows it. `user_id` is None for an application's back end; `account_id` is the
    account by which a person signed in. Times are milliseconds since the epoch."""

    id: str
    app_key: str
    user_id: int | None
    account_id: int | None
    scopes: tuple[str, ...]
    created_at: int
    expires_at: int

    def needs(self, scope: str) -> None:
        """Raise `ScopeMissing` unless the token has this scope."""
        if scope not in self.scopes:
            raise ScopeMissing(f"this token lacks the scope {scope}")

    def needs_user(self, scope: str) -> int:
        """The user that the token acts for. Raises `ScopeMissing` without this scope, and for a back end's
        token, which has no user."""
        self.needs(scope)
        if self.user_id is None:
            raise ScopeMissing("this token belongs to no user; take one that was made for a user")
        return self.user_id


@dataclass(frozen=True, slots=True)
class NewToken:
    """A new token: its text for the holder, and the id and digest that are kept."""

    text: str
    id: str
    digest: str

    def __repr__(self) -> str:
        return f"NewToken(id={self.id!r})"


def mint_token() -> NewToken:
    """A new token of 256 random bits."""
    text = PREFIX + secrets.token_urlsafe(32)
    return NewToken(text, secrets.token_hex(6), digest_of(text))


def bearer_of(header: str | None) -> str | None:
    """The bearer token in an `Authorization` header; None without one."""
    found = _BEARER.fullmatch(header or "")
    return found[1] if found else None


def read_scopes(given: Iterable[str]) -> tuple[str, ...]:
    """Scopes by name; one text may hold several, separated by commas or white space. `ValueError` for an
    unknown name."""
    wanted = {name for each in given for name in re.split(r"[,\s]+", each) if name}
    if unknown := wanted - set(SCOPES):
        raise ValueError(f"{min(unknown)!r} is no scope; there are {', '.join(SCOPES)}")
    return tuple(scope for scope in SCOPES if scope in wanted)
