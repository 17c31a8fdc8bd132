"""Reads and judges a `signed_request`, which Meta gives to a browser or sends to a callback.

It is two base64url parts without padding, joined by a dot: an HMAC-SHA256 over the second part as received,
keyed with the app secret, and a JSON object. Messenger Extensions give one to a webview (`Context`). The
data-deletion and deauthorize callbacks carry one with an app-scoped id (`AppUser`).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from bot_linking.core.errors import BotLinkingError, PayloadUnreadable
from bot_linking.core.reading import read_json, whole_number

MOST_CHARACTERS = 64 * 1024
OLDEST_S = 300
FURTHEST_AHEAD_S = 60
ALGORITHM = "HMAC-SHA256"
THREAD = "USER_TO_PAGE"
_PART = re.compile(r"[A-Za-z0-9_-]+")
_DIGITS = re.compile(r"[0-9]{1,64}")


class Flaw(StrEnum):
    """Why a `signed_request` is refused: the slug, and a sentence on what to mend."""

    sentence: str

    def __new__(cls, slug: str, sentence: str) -> Flaw:
        flaw = str.__new__(cls, slug)
        flaw._value_, flaw.sentence = slug, sentence
        return flaw

    MISSING = "signed_request_missing", "There is no signed_request: the page was not opened from Messenger."
    MALFORMED = (
        "signed_request_malformed",
        "It is not two base64url parts without padding around a JSON object.",
    )
    FORGED = (
        "signed_request_forged",
        ("No app secret of ours signed it: is BOT_LINKING_APP_ID of the same app as BOT_LINKING_APP_SECRET?"),
    )
    ALGORITHM = "signed_request_algorithm", "Its algorithm is not HMAC-SHA256."
    LATE = "signed_request_late", "It is older than five minutes: open the page again from Messenger."
    EARLY = "signed_request_early", "It is of the future: set this server's clock."
    PAGE = "signed_request_page", "Its page_id is not a page that this bot serves with that app secret."
    THREAD = "signed_request_thread", "It does not come from a chat between a person and the page."
    PERSON = "signed_request_person", "It holds no id of a person."
    USED = "signed_request_used", "It has connected a chat already: open the page again from Messenger."


class SignedRequestRefused(BotLinkingError):
    """A `signed_request` is refused; `flaw` says why."""

    slug: ClassVar[str] = "signed_request_refused"

    def __init__(self, flaw: Flaw) -> None:
        super().__init__(flaw.sentence)
        self.flaw = flaw


@dataclass(frozen=True, slots=True)
class Signed:
    """A `signed_request` whose signature is good. `secret` is the app secret that signed it."""

    payload: dict[str, Any]
    secret: bytes
    issued_at: int | None


@dataclass(frozen=True, slots=True)
class Context:
    """Who opened a webview in which chat, proved by Messenger. `issued_at` in seconds since the epoch."""

    page_id: str
    psid: str
    issued_at: int


@dataclass(frozen=True, slots=True)
class AppUser:
    """Whom a callback is about, by an app-scoped id, not a PSID. `issued_at` is None where it is missing."""

    user_id: str
    issued_at: int | None


def read_signed(text: str | None, secrets: Iterable[bytes]) -> Signed:
    """Read a `signed_request`, which one of these app secrets must have signed. Raises
    `SignedRequestRefused`."""
    if not text:
        raise SignedRequestRefused(Flaw.MISSING)
    if len(text) > MOST_CHARACTERS:
        raise SignedRequestRefused(Flaw.MALFORMED)
    signature, dot, encoded = text.partition(".")
    given = _decode(signature)
    if not dot or given is None or _PART.fullmatch(encoded) is None:
        raise SignedRequestRefused(Flaw.MALFORMED)
    secret = _signer(given, encoded.encode("ascii"), secrets)
    if secret is None:
        raise SignedRequestRefused(Flaw.FORGED)
    payload = _object(encoded)
    if payload.get("algorithm") != ALGORITHM:
        raise SignedRequestRefused(Flaw.ALGORITHM)
    return Signed(payload, secret, whole_number(payload.get("issued_at")))


def context_of(signed: Signed, now_s: float) -> Context:
    """The chat that a webview was opened in. The caller must still check that the page has this secret.

    Raises `SignedRequestRefused` when it is older than five minutes or more than a minute ahead, when it does
    not come from a person's chat with a page, and when a field has another type than Messenger's.
    """
    issued_at, page = signed.issued_at, whole_number(signed.payload.get("page_id"))
    if issued_at is None or now_s - issued_at > OLDEST_S:
        raise SignedRequestRefused(Flaw.LATE)
    if issued_at - now_s > FURTHEST_AHEAD_S:
        raise SignedRequestRefused(Flaw.EARLY)
    if signed.payload.get("thread_type") != THREAD:
        raise SignedRequestRefused(Flaw.THREAD)
    if page is None or not 0 < page < 10**64:
        raise SignedRequestRefused(Flaw.PAGE)
    return Context(str(page), _digits(signed.payload.get("psid")), issued_at)


def app_user_of(signed: Signed) -> AppUser:
    """The user that a callback names, at any age of the request."""
    return AppUser(_digits(signed.payload.get("user_id")), signed.issued_at)


def _signer(given: bytes, encoded: bytes, secrets: Iterable[bytes]) -> bytes | None:
    for secret in secrets:
        if hmac.compare_digest(given, hmac.digest(secret, encoded, "sha256")):
            return secret
    return None


def _decode(part: str) -> bytes | None:
    """The bytes of a base64url part. None for padding, or for a last character with unused bits set."""
    if _PART.fullmatch(part) is None:
        return None
    try:
        decoded = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error:
        return None
    spelt = base64.urlsafe_b64encode(decoded).rstrip(b"=").decode("ascii")
    return decoded if spelt == part else None


def _object(encoded: str) -> dict[str, Any]:
    decoded = _decode(encoded)
    try:
        payload = None if decoded is None else read_json(decoded)
    except PayloadUnreadable:
        payload = None
    if not isinstance(payload, dict):
        raise SignedRequestRefused(Flaw.MALFORMED)
    return payload


def _digits(value: object) -> str:
    if not isinstance(value, str) or _DIGITS.fullmatch(value) is None:
        raise SignedRequestRefused(Flaw.PERSON)
    return value
