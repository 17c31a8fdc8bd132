"""Finds the app secret that signed a webhook, as quickly among a thousand as among one.

The body names its page near its beginning. The name only decides which secrets are tried first; the signature
decides who signed. When none of those fits, every secret is tried: one app may deliver another app's page, or
events of no page (Instagram). Any caller can post such a body, so with many secrets the tries of a second are
limited, and the secrets that were found so before are tried first.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from itertools import islice
from time import monotonic

from bot_linking.core.errors import StoreUnavailable
from bot_linking.messenger.pages import Pages
from bot_linking.messenger.signature import signer_of

FEW = 16  # so many secrets are always tried
MOST_TRIED_A_SECOND = 10_000  # a fiftieth of one core
_REMEMBERED = 4
_LENGTH = len("sha256=") + 64
_ID = re.compile(rb'"id"\s*:\s*"?([A-Za-z0-9_.\-]{1,64})')
_MOST_IDS, _FIRST_BYTES = 8, 65_536


class Signers:
    """Searches the app secrets of one app's pages."""

    def __init__(self, pages: Pages, *, now: Callable[[], float] = monotonic) -> None:
        self._pages = pages
        self._now = now
        self._turn = threading.Lock()
        self._second, self._tried = 0, 0
        self._recent: tuple[bytes, ...] = ()

    def find(self, body: bytes, signature: str | None) -> bytes | None:
        """The secret that signed these bytes; None for another signature or none."""
        known = self._pages.pages_by_secret()
        if len(known) == 1:
            return signer_of(body, signature, known)
        if signature is None or len(signature) != _LENGTH:
            return None
        likely = (*self._secrets_of_page_in(body), *self._recent)
        signer = signer_of(body, signature, [each for each in likely if each in known])
        if signer is None and self._may_search(len(known)):
            signer = signer_of(body, signature, known)
            if signer is not None:
                self._recent = (signer, *self._recent)[:_REMEMBERED]
        return signer

    def _secrets_of_page_in(self, body: bytes) -> Iterable[bytes]:
        """The secrets of the first of our pages that the body names."""
        for found in islice(_ID.finditer(body, 0, _FIRST_BYTES), _MOST_IDS):
            try:
                if secrets := self._pages.secrets_of(found[1].decode("ascii")):
                    return secrets
            except StoreUnavailable:
                return ()  # the added pages could not be read yet
        return ()

    def _may_search(self, count: int) -> bool:
        if count <= FEW:
            return True
        with self._turn:
            second = int(self._now())
            if second != self._second:
                self._second, self._tried = second, 0
            if self._tried >= MOST_TRIED_A_SECOND:
                return False
            self._tried += count
            return True
