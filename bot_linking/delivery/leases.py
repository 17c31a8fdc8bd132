"""The entries that this process is delivering: it renews their leases, and notes their outcomes."""

from __future__ import annotations

import logging
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterable

from bot_linking.core.errors import StoreUnavailable
from bot_linking.core.ports import Outbox
from bot_linking.core.ports.outbox import GivenBack, OutboxEntry, Settled

LEASE_S = 9  # how long the entry of a dead worker waits for another worker
RENEW_EVERY_S = 2.5

_log = logging.getLogger("bot_linking.delivery")


class Leases:
    """The entries under way in this process. A lease is renewed until the entry's outcome is committed, so
    that no other worker tries the entry again."""

    def __init__(self, store: Outbox, now: Callable[[], int]) -> None:
        self._store = store
        self._now = now
        self._lock = threading.Lock()
        self._held: dict[int, OutboxEntry] = {}
        self._settled: dict[int, Settled] = {}
        self._keeper: threading.Thread | None = None

    def are_any(self) -> bool:
        """Whether an entry is being tried, or an outcome is not committed yet."""
        return bool(self._held)

    def under_way(self) -> dict[str, int]:
        """Page id to the number of its entries that are being tried."""
        with self._lock:
            return Counter(entry.page_id for entry in self._held.values() if entry.id not in self._settled)

    def take(self, entries: Iterable[OutboxEntry]) -> None:
        """Renew the leases of these entries from now on."""
        with self._lock:
            self._held.update((entry.id, entry) for entry in entries)
            if self._held and (self._keeper is None or not self._keeper.is_alive()):
                name, still = "bot_linking leases", weakref.ref(self)
                self._keeper = threading.Thread(target=_keep, args=(still,), name=name, daemon=True)
                self._keeper.start()

    def note(self, outcome: Settled) -> None:
        """Note the outcome of an entry, for `settled`."""
        with self._lock:
            self._settled[outcome.entry.id] = outcome

    def give_back(self, entries: Iterable[OutboxEntry]) -> None:
        """Note that these entries were not tried, and that any worker may take them."""
        for entry in entries:
            self.note(GivenBack(entry))

    def settled(self) -> list[Settled]:
        """The outcomes that are not committed yet."""
        with self._lock:
            return list(self._settled.values())

    def drop(self, entries: Iterable[OutboxEntry]) -> None:
        """Forget these entries: their outcomes are committed, or their thread has ended."""
        with self._lock:
            for entry in entries:
                self._held.pop(entry.id, None)
                self._settled.pop(entry.id, None)

    def renew(self) -> bool:
        """Renew every lease. False when there is none: the thread that renews them ends."""
        with self._lock:
            held = list(self._held.values())
            if not held:
                self._keeper = None
                return False
        try:
            self._store.renew(held, self._now() + LEASE_S * 1000)
        except StoreUnavailable as problem:
            _log.warning("leases not renewed: %s", problem)
        return True


def _keep(still: weakref.ref[Leases]) -> None:
    """Renew leases while there are any. Their worker is kept alive by what is under way, and not by this."""
    pause = threading.Event()
    while not pause.wait(RENEW_EVERY_S):
        if (leases := still()) is None or not leases.renew():
            return
        del leases
