"""Entries that wait until their person writes: they are sent before the bot's own answer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection

from bot_linking.core.errors import StoreUnavailable
from bot_linking.core.log_throttle import log_sparingly
from bot_linking.core.ports import Outbox

LOOK_EVERY_S = 1.0
LOOK_AGAIN_S = 10.0  # after the store was away, so that webhooks seldom wait for it

_log = logging.getLogger("bot_linking.delivery")

Person = tuple[str, str]  # page id and PSID


class Waiting:
    """Knows whether any entry waits. The store is asked at most once a second, so a webhook mostly costs one
    look at the clock. `say` delivers what waits for these people."""

    def __init__(self, store: Outbox, say: Callable[[Collection[Person]], None]) -> None:
        self._store = store
        self._say = say
        self._is_any = False
        self._look_at = 0.0

    def begins(self) -> None:
        """Note that this process has just made an entry wait."""
        self._is_any = True

    def is_any(self) -> bool:
        """Whether an entry waits for any person. While the store is away, the last answer stands."""
        if time.monotonic() >= self._look_at:
            self._look()
        return self._is_any

    def meet(self, people: Collection[Person]) -> None:
        """Deliver what waits for these people, who have just written. An error of the store is logged."""
        try:
            if met := self._store.waiting_among(people):
                self._say(met)
        except StoreUnavailable as problem:
            text = "what waits for a person was not looked up: %s"
            log_sparingly(_log, logging.WARNING, f"waiting {id(self)}", text, problem)

    def _look(self) -> None:
        self._look_at = time.monotonic() + LOOK_EVERY_S
        try:
            self._is_any = self._store.has_waiting()
        except StoreUnavailable:
            self._look_at = time.monotonic() + LOOK_AGAIN_S
