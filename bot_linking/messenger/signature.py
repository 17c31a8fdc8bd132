"""`X-Hub-Signature-256`: HMAC-SHA256 of the bytes as received, keyed with the app secret.

Messenger signs the bytes that it sends, with their escapes. A body that was parsed and serialised again has
other bytes. The older SHA-1 header is never believed.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from functools import lru_cache

HEADER = "X-Hub-Signature-256"


def sign(body: bytes, secret: bytes, digest: str = "sha256") -> str:
    """The header's value for these bytes; with `digest="sha1"`, the older header's."""
    keyed = _keyed(secret, digest).copy()
    keyed.update(body)
    return f"{digest}={keyed.hexdigest()}"


@lru_cache(maxsize=4096)
def _keyed(secret: bytes, digest: str) -> hmac.HMAC:
    """An HMAC to copy for each body: keying costs more than hashing a webhook."""
    return hmac.new(secret, digestmod=digest)


def signer_of(body: bytes, header: str | None, secrets: Iterable[bytes]) -> bytes | None:
    """The secret that signed these bytes; None when no secret of ours did, or there is no signature."""
    if not header:
        return None
    given = header.encode("latin-1", "replace")  # bytes: a stray byte in a header must not raise
    for secret in secrets:
        if hmac.compare_digest(given, sign(body, secret).encode("ascii")):
            return secret
    return None
