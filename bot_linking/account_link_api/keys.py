"""API keys: random, shown once, and kept as digests."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from typing import ClassVar

from bot_linking.core.codes import digest_of
from bot_linking.core.errors import BotLinkingError
from bot_linking.core.linking import Linking
from bot_linking.core.ports import ApiKey
from bot_linking.core.reading import has_hidden_marks, is_storable

PREFIX = "bl_"  # scanners for leaked secrets recognise a key by it
LONGEST_NAME = 64
TOUCH_EVERY_MS = 60_000


class KeyNameRefused(BotLinkingError):
    """The name of a new key is taken or not valid."""

    slug: ClassVar[str] = "key_name_refused"


class Keys:
    """The keys of one store. No key is cached: one that any process revokes is refused at once."""

    def __init__(self, linking: Linking) -> None:
        self._linking = linking

    def create(self, name: str, pages: Sequence[str] = ()) -> str:
        """Make a key and return it; it cannot be read again. `pages` are the page ids that it may act on; no
        page means every page. Raises `KeyNameRefused`."""
        if not name.strip() or len(name) > LONGEST_NAME or has_hidden_marks(name):
            raise KeyNameRefused(f"a key's name has 1 to {LONGEST_NAME} visible characters")
        key = PREFIX + secrets.token_urlsafe(24)
        once = tuple(dict.fromkeys(pages))
        kept = ApiKey(secrets.token_hex(6), name, digest_of(key), once, self._linking.now())
        if not self._linking.store.save_api_key(kept):
            raise KeyNameRefused(f"there is an active key named {name} already")
        return key

    def find(self, given: str) -> ApiKey | None:
        """The active key with this text; None without one. Records its use, at most once a minute."""
        digest = digest_of(given)
        key = self._linking.store.find_api_key(digest)
        if key is None or not hmac.compare_digest(key.digest, digest):
            return None
        now = self._linking.now()
        if key.last_used_at is None or now - key.last_used_at >= TOUCH_EVERY_MS:
            self._linking.store.touch_api_key(key.id, now)
        return key

    def list(self) -> list[ApiKey]:
        """All keys, oldest first, revoked ones included."""
        return self._linking.store.list_api_keys()

    def revoke(self, name: str) -> bool:
        """Revoke a key, in every process at once. False when no active key has this name."""
        return is_storable(name) and self._linking.store.revoke_api_key(name, self._linking.now())
