"""`X-Hub-Signature-256`: HMAC-SHA256 of the bytes as received, keyed with the app secret.

Messenger signs what it sends, escapes and all, so the body must not be parsed before, and never be
serialised again, to check it. The older SHA-1 header is ignored.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from functools import lru_cache

HEADER = "X-Hub-Signature-256"


def sign(body: bytes, secret: bytes) -> str:
    """The header's value for these bytes."""
    keyed = _keyed(secret).copy()
    keyed.update(body)
    return "sha256=" + keyed.hexdigest()


@lru_cache(maxsize=64)
def _keyed(secret: bytes) -> hmac.HMAC:
    """Keyed once and copied for each body: keying costs more than hashing a webhook."""
    return hmac.new(secret, digestmod="sha256")


def signer_of(body: bytes, header: str | None, secrets: Iterable[bytes]) -> bytes | None:
    """The secret that signed these bytes; None when none of ours did, or there is no signature."""
    if not header:
        return None
    given = header.encode("latin-1", "replace")  # bytes: a stray byte in a header must not raise
    for secret in secrets:
        if hmac.compare_digest(given, sign(body, secret).encode("ascii")):
            return secret
    return None
