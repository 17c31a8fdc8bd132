"""Encrypts pages that were added at run time before they are stored, and decrypts them when they are read."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence

from bot_linking.config.pages import Page
from bot_linking.core.errors import ConfigurationError
from bot_linking.core.ports import KeptPage, KeptPages
from bot_linking.stores.sealing import NotReadable, Seal

KEYS = "BOT_LINKING_PAGE_KEYS"

_log = logging.getLogger("bot_linking")


class Keeper:
    """The pages in the store, encrypted under `keys`."""

    def __init__(self, store: KeptPages, keys: Sequence[str]) -> None:
        self._store = store
        self._keys = keys
        self._seal: Seal | None = None
        self._unreadable: set[str] = set()

    @property
    def seal(self) -> Seal:
        """Made when it is first used, as that takes long. Raises `ConfigurationError` without a key."""
        if not self._keys:
            raise ConfigurationError(KEYS, "is missing: it encrypts the tokens and secrets of pages")
        if self._seal is None:
            self._seal = Seal(self._keys, purpose="page")
        return self._seal

    def revision(self) -> int:
        """The number of the newest change."""
        return self._store.pages_revision()

    def since(self, revision: int) -> Iterator[tuple[int, str, Page | None]]:
        """Each change after this number: its number, the page's id, and the page as by `open`."""
        for kept in self._store.pages_since(revision):
            yield kept.revision, kept.page_id, self.open(kept)

    def all(self) -> list[KeptPage]:
        """Every page in the store, in the order of their changes."""
        return [kept for kept in self._store.pages_since(0) if kept.sealed is not None]

    def find(self, page_id: str) -> KeptPage | None:
        """The page with this id in the store; None when there is none."""
        return next((kept for kept in self.all() if kept.page_id == page_id), None)

    def open(self, kept: KeptPage) -> Page | None:
        """The page, decrypted. None where it was removed, or no key decrypts it, which is logged once."""
        if kept.sealed is None or not self._keys:
            return None
        try:
            values = json.loads(self.seal.open(("page", kept.page_id), kept.sealed))
        except NotReadable:
            if kept.sealed not in self._unreadable:
                self._unreadable.add(kept.sealed)
                _log.error("no key of %s opens page %s: it is not served", KEYS, kept.page_id)
            return None
        return Page(
            id=kept.page_id,
            access_tokens=tuple(values["access_tokens"]),
            app_secrets=tuple(values["app_secrets"]),
            verify_tokens=tuple(values["verify_tokens"]),
        )

    def close(self, page: Page) -> str:
        """A page, encrypted under the first key."""
        values = {
            "access_tokens": page.access_tokens,
            "app_secrets": page.app_secrets,
            "verify_tokens": page.verify_tokens,
        }
        return self.seal.seal(("page", page.id or ""), json.dumps(values))
