"""The pages that wait as a whole. A pause counts at once in this process, within half a second in others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from bot_linking.core.ports import Outbox
from bot_linking.core.ports.outbox import Pause

LOOK_EVERY_S = 0.5
FOR_EVER_MS = 10 * 366 * 86_400_000


class Pauses:
    """The pauses as this process knows them. `keys` names a page's present token and secret."""

    def __init__(self, store: Outbox, keys: Callable[[str], str], now: Callable[[], int]) -> None:
        self._store = store
        self._keys = keys
        self._now = now
        self._lock = threading.Lock()
        self._known: dict[str, Pause] = {}
        self._look_at = 0.0

    def look(self, *, at_once: bool = False) -> None:
        """Read the pauses again, at most every half second or `at_once`. Raises `StoreUnavailable`."""
        if at_once or time.monotonic() >= self._look_at:
            known = {pause.page_id: pause for pause in self._store.pauses()}
            with self._lock:
                self._known, self._look_at = known, time.monotonic() + LOOK_EVERY_S

    def of(self, page_id: str) -> Pause | None:
        """Why this page waits now; None when it does not wait."""
        pause = self._known.get(page_id)
        if pause is None or pause.until <= self._now():
            return None
        return pause if pause.keys in (None, self._keys(page_id)) else None

    def since(self, page_id: str, cause: str | None) -> int:
        """Since when (ms) the page waits for this cause; now, where it has no such pause."""
        pause = self._known.get(page_id)
        return pause.since if pause is not None and cause and pause.cause == cause else self._now()

    def begin(self, pause: Pause) -> None:
        """Pause the page, in this process even where the store is away. Raises `StoreUnavailable`."""
        with self._lock:
            if (known := self.of(pause.page_id)) is None or pause.cause or not known.cause:
                self._known[pause.page_id] = pause
        self._store.pause(pause, self._now())

    def got_through(self, page_id: str) -> None:
        """Messenger took something of the page: forget a pause that is over. Raises `StoreUnavailable`."""
        if page_id in self._known and self.of(page_id) is None:
            self._store.resume_page(page_id, self._now(), keys=self._keys(page_id))
            with self._lock:
                self._known.pop(page_id, None)
