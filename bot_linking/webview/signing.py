"""Signs the values that a form carries: with the newest key. Every key can read them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from itsdangerous import URLSafeSerializer

LEEWAY_MS = 60_000  # between the clocks of several machines


def serializer_for(keys: Sequence[str], purpose: str) -> URLSafeSerializer:
    """Signs with the first of `keys`, the newest. A value that was signed for another purpose is refused."""
    return URLSafeSerializer(
        list(reversed(keys)),  # itsdangerous signs with the last
        salt=f"bot_linking.{purpose}",
        signer_kwargs={"digest_method": hashlib.sha256},
    )
