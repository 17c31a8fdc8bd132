"""`X-Hub-Signature-256`: HMAC-SHA256 of the bytes as received, keyed with the app secret.

Messenger signs the bytes that it sends, with their escapes. A body that was parsed and serialised again has
other bytes. The older SHA-1 header is never believed.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Protocol

HEADER = "X-Hub-Signature-256"


class AppSecrets(Protocol):
    """What the webhook asks of the pages that an app serves: `messenger.pages.Pages`. Pages may be added and
    removed between two calls."""

    def secrets_of(self, page_id: str | None) -> Sequence[bytes]:
        """The app secrets that may sign for this page, the newest first; none for an unknown page."""
        ...

    def owners(self) -> Mapping[bytes, Collection[str] | None]:
        """Every app secret, and the pages that it may speak for (None: any page)."""
        ...

    def require_all(self) -> None:
        """Raise `StoreUnavailable` before all pages could be read once."""
        ...

    def verify_tokens(self) -> Sequence[bytes]:
        """Every token that Messenger's handshake may name."""
        ...


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
