"""What waits until its person writes: said first, before the bot's own answer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection

from bot_linking.core.errors import StoreUnavailable
from bot_linking.core.ports import Outbox

LOOK_EVERY_S = 1.0
LOOK_AGAIN_S = 10.0  # after the store was away: no webhook waits for it more often than this

_log = logging.getLogger("bot_linking.delivery")

Person = tuple[str, str]  # page id and PSID


class Waiting:
    """Whether anything waits at all, looked up once a second at most: asked at each webhook, it is nearly
    always a look at the clock. `say` delivers what waits for these people."""

    def __init__(self, store: Outbox, say: Callable[[Collection[Person]], None]) -> None:
        self._store = store
        self._say = say
        self._is_any = False
        self._look_at = 0.0

    def begins(self) -> None:
        """This process has just made something wait."""
        self._is_any = True

    def is_any(self) -> bool:
        """Whether anything waits for anybody. A store that is away is no reason to wait for it."""
        if time.monotonic() >= self._look_at:
            self._look()
        return self._is_any

    def meet(self, people: Collection[Person]) -> None:
        """These people have just written. Never raises what the store or Messenger says."""
        try:
            if met := self._store.waiting_among(people):
                self._say(met)
        except StoreUnavailable as problem:
            _log.warning("what waits for a person was not looked up: %s", problem)

    def _look(self) -> None:
        self._look_at = time.monotonic() + LOOK_EVERY_S
        try:
            self._is_any = self._store.has_waiting()
        except StoreUnavailable:
            self._look_at = time.monotonic() + LOOK_AGAIN_S
