"""One-time authorization codes: mint, digest, and when one is still good.

A code is 192 random bits; the store keeps only its SHA-256 digest. It dies five minutes after it was
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
    """Whether a code could be one that we minted. A page may have a second app, whose codes come too."""
    return code is not None and _OURS.fullmatch(code) is not None


def digest_of(secret: str) -> str:
    """What the store keeps in place of a code or a key."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def digest_for(purpose: str, secret: str) -> str:
    """The digest of a secret that serves one purpose. The purpose is the key, never part of the message: a
    caller who chooses the secret cannot spell the digest of another purpose."""
    return hmac.digest(purpose.encode(), secret.encode("utf-8", "surrogatepass"), "sha256").hex()


class PersonLimits(NamedTuple):
    """The keys under which a person's messages of an hour, the refusals told to them and what they typed are
    counted. They are all that is counted of a person, and go when the person is erased."""

    messages: str
    refused: str
    typed: str


def limits_of(page_id: str, psid: str) -> PersonLimits:
    """The keys of this person's counters."""
    person = digest_of(f"{page_id} {psid}")
    return PersonLimits(*(f"{name}:{person}" for name in PersonLimits._fields))


@dataclass(frozen=True, slots=True)
class PendingCode:
    """A minted code as the store knows it. `tick` orders codes and changes of links by the store's own
    count, so that no clock step can reorder them. `replaces` is the account that the person agreed to
    replace, `source` the way that the code came by, `proof` the digest of what proved the chat. Times are
    milliseconds since the epoch."""

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
    """Whether the code had not expired when it was used.

    On time, our own clock judges. When the event arrives late, after an outage of ours, its signed
    timestamp does: it must lie between minting and expiry.
    """
    if now_ms <= code.expires_at:
        return True
    if event_ms is None:
        return False
    return code.minted_at - CLOCK_LEEWAY_MS <= event_ms <= code.expires_at
