"""One-time authorization codes: mint and digest them, and judge whether one is still good.

A code is 192 random bits; the store keeps only its SHA-256 digest. It expires five minutes after it was
minted, or after sixty seconds when Graph could not say whose `account_linking_token` it answers.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import NamedTuple

UNBOUND_MAX_AGE_S = 60
CLOCK_LEEWAY_MS = 60_000
_OURS = re.compile(r"[A-Za-z0-9_-]{32}")


def mint_code() -> str:
    """A new code: 32 characters, safe in a URL."""
    return secrets.token_urlsafe(24)


def is_shaped_as_ours(code: str | None) -> bool:
    """Whether a code has the form of ours. A page may have a second app, whose codes come in, too."""
    return code is not None and _OURS.fullmatch(code) is not None


def bytes_of(secret: str) -> bytes:
    """The secret as bytes. Text that is not Unicode has some, too: they fit nothing, and fail nowhere."""
    return secret.encode("utf-8", "surrogatepass")


def digest_of(secret: str) -> str:
    """The SHA-256 digest that the store keeps in place of a code or a key."""
    return hashlib.sha256(bytes_of(secret)).hexdigest()


def digest_for(purpose: str, secret: str) -> str:
    """The digest of a secret for one purpose, by HMAC with the purpose as its key: a caller who chooses the
    secret cannot make the digest of another purpose."""
    return hmac.digest(purpose.encode(), bytes_of(secret), "sha256").hex()


class PersonLimits(NamedTuple):
    """The keys of a person's counters: messages of an hour, refusals that were told, and codes that were
    typed. No other counter is about a person, and these go when the person is erased."""

    messages: str
    refused: str
    typed: str


def limits_of(page_id: str, psid: str) -> PersonLimits:
    """The keys of this person's counters."""
    person = digest_of(f"{page_id} {psid}")
    return PersonLimits(*(f"{name}:{person}" for name in PersonLimits._fields))


@dataclass(frozen=True, slots=True)
class PendingCode:
    """A minted code as the store knows it. `tick` is the store's own count, by which codes and changes of
    links are ordered: a step of the clock cannot reorder them. `replaces` is the account that the person
    agreed to replace, `source` the way on which the code was made, `proof` the digest of what proved the
    chat. Times are milliseconds since the epoch."""

    tick: int
    attempt_id: str
    page_id: str | None
    psid: str | None
    account_id: str | None
    username: str | None
    email: str | None
    phone_number: str | None
    locale: str | None
    minted_at: int
    expires_at: int
    consumed_at: int | None
    consumed_by: str | None
    replaces: str | None = None
    source: str = "login"
    proof: str | None = None


def is_good(code: PendingCode, *, event_ms: int | None, now_ms: int) -> bool:
    """Whether the code was used before it expired.

    Before its expiry our own clock decides. After that, as when we were down, the event's signed timestamp
    decides: it must lie between minting and expiry.
    """
    if now_ms <= code.expires_at:
        return True
    if event_ms is None:
        return False
    return code.minted_at - CLOCK_LEEWAY_MS <= event_ms <= code.expires_at
