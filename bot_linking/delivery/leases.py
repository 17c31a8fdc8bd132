"""What this process is delivering just now: leases kept while it works, and no page with all of it."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable

from bot_linking.core.errors import StoreUnavailable
from bot_linking.core.ports import Done, OutboxEntry, Store

LEASE_S = 9  # as long as a dead worker can hold an entry up
RENEW_EVERY_S = 2.5
MOST_OF_ONE_PAGE = 2  # entries at once, so that a page that hangs leaves threads to the others

_log = logging.getLogger("bot_linking.delivery")


class Leases:
    """The entries under way in this process."""

    def __init__(self, store: Store, now: Callable[[], int]) -> None:
        self._store = store
        self._now = now
        self.turn = threading.Lock()
        self._lock = threading.Lock()
        self._held: dict[int, OutboxEntry] = {}
        self._done: dict[int, Done] = {}
        self._keeper: threading.Thread | None = None

    def busy_pages(self) -> list[str]:
        """Pages that have their share of the threads."""
        with self._lock:
            pages = Counter(entry.page_id for entry in self._held.values() if entry.id not in self._done)
        return [page_id for page_id, count in pages.items() if count >= MOST_OF_ONE_PAGE]

    def take(self, entry: OutboxEntry) -> None:
        """From now on no other worker takes this entry, however long it takes."""
        with self._lock:
            self._held[entry.id] = entry
            if self._keeper is None or not self._keeper.is_alive():
                self._keeper = threading.Thread(target=self._keep, name="bot_linking leases", daemon=True)
                self._keeper.start()

    def note(self, done: Done) -> None:
        """It got through. Its lease is kept until that is committed, so that nobody sends it once more."""
        with self._lock:
            self._done[done.entry.id] = done

    def done(self) -> list[Done]:
        """What got through and is not committed as such."""
        with self._lock:
            return list(self._done.values())

    def drop(self, *entries: OutboxEntry) -> None:
        """They were put back, or are gone."""
        with self._lock:
            for entry in entries:
                self._held.pop(entry.id, None)
                self._done.pop(entry.id, None)

    def _keep(self) -> None:
        pause = threading.Event()
        while not pause.wait(RENEW_EVERY_S):
            with self._lock:
                held = list(self._held.values())
                if not held:
                    self._keeper = None
                    return
            try:
                self._store.renew(held, self._now() + LEASE_S * 1000)
            except StoreUnavailable as problem:
                _log.warning("leases not renewed: %s", problem)
