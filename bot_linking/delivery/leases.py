"""What this process is delivering just now: leases that are kept while it works, and what came of them."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable

from bot_linking.core.errors import StoreUnavailable
from bot_linking.core.ports import Outbox
from bot_linking.core.ports.outbox import GivenBack, OutboxEntry, Settled

LEASE_S = 9  # as long as a dead worker can hold an entry up
RENEW_EVERY_S = 2.5

_log = logging.getLogger("bot_linking.delivery")


class Leases:
    """The entries under way in this process. A lease is kept until what came of it is committed, so that no
    other worker tries the entry once more."""

    def __init__(self, store: Outbox, now: Callable[[], int]) -> None:
        self._store = store
        self._now = now
        self._lock = threading.Lock()
        self._held: dict[int, OutboxEntry] = {}
        self._settled: dict[int, Settled] = {}
        self._keeper: threading.Thread | None = None

    def under_way(self) -> dict[str, int]:
        """How many entries of each page are being tried."""
        with self._lock:
            return Counter(entry.page_id for entry in self._held.values() if entry.id not in self._settled)

    def take(self, entries: Iterable[OutboxEntry]) -> None:
        """From now on no other worker takes these entries, however long they take."""
        with self._lock:
            self._held.update((entry.id, entry) for entry in entries)
            if self._held and (self._keeper is None or not self._keeper.is_alive()):
                self._keeper = threading.Thread(target=self._keep, name="bot_linking leases", daemon=True)
                self._keeper.start()

    def note(self, outcome: Settled) -> None:
        """An entry was tried."""
        with self._lock:
            self._settled[outcome.entry.id] = outcome

    def give_back(self, entries: Iterable[OutboxEntry]) -> None:
        """These were not tried: another worker may have them."""
        for entry in entries:
            self.note(GivenBack(entry))

    def settled(self) -> list[Settled]:
        """What was tried and is not committed as such."""
        with self._lock:
            return list(self._settled.values())

    def drop(self, entries: Iterable[OutboxEntry]) -> None:
        """What came of them is committed, or their work has ended."""
        with self._lock:
            for entry in entries:
                self._held.pop(entry.id, None)
                self._settled.pop(entry.id, None)

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
