"""Messenger's clock, which a test or a button can turn forward."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

#: Seconds by which it may be turned forward in all, some hundred years: later times would not fit a date.
FURTHEST = 100 * 365 * 86_400


class Clock:
    """A call returns seconds since the epoch. The clock can be turned forward, never back.

    Linking tokens expire by it, events are stamped with it, and the 24 hours after a person's last
    message are counted by it. A bot with the same clock (``AccountLinking(clock=simulator.clock)``) ages
    with it.
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
        """Turn it forward. Raises ``ValueError`` for less than zero, for more than a hundred years in all,
        and for anything but a number."""
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds >= 0:
            raise ValueError("the clock goes forward: a number of seconds, zero or more")
        with self._lock:
            if seconds > FURTHEST - self._ahead:
                raise ValueError("the clock goes forward by a hundred years at most")
            self._ahead += seconds
