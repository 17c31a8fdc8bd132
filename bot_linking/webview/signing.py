"""How what a form carries is signed: with the newest key, and read with each."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from itsdangerous import URLSafeSerializer

LEEWAY_MS = 60_000  # clocks of several machines


def serializer_for(keys: Sequence[str], purpose: str) -> URLSafeSerializer:
    """Signs with the first of `keys`, the newest. What it signs for one purpose is good for no other."""
    return URLSafeSerializer(
        list(reversed(keys)),  # itsdangerous signs with the last
        salt=f"bot_linking.{purpose}",
        signer_kwargs={"digest_method": hashlib.sha256},
    )
