"""Messenger's clock: the time of day, or one that a test or a button turns forward."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Clock:
    """Called, it gives seconds since the epoch. It may be turned forward, and never back.

    Linking tokens expire by it, events are stamped with it, and the 24 hours after a person's last
    message are counted by it. Give it to the bot as well (``AccountLinking(clock=simulator.clock)``) and
    both age together.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._ahead = 0.0

    def __call__(self) -> float:
        return self._now() + self.ahead

    @property
    def ahead(self) -> float:
        """Seconds by which it has been turned forward."""
        with self._lock:
            return self._ahead

    def advance(self, seconds: float) -> None:
        """Turn it forward. Raises ``ValueError`` for a number below zero, or for no number at all."""
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds >= 0:
            raise ValueError("the clock goes forward: a number of seconds, zero or more")
        with self._lock:
            self._ahead += seconds
