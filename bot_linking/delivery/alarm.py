"""One line of level CRITICAL when many messages are given up at once, so that an operator looks."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque

MANY = 20
WITHIN_S = 60.0

_log = logging.getLogger("bot_linking.delivery")


class Alarm:
    """Counts messages that are given up. While that lasts, the line is logged at most once a minute."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._deaths: deque[tuple[float, str]] = deque()
        self._silent_until = 0.0

    def count(self, reason: str) -> None:
        """Count one message that was given up."""
        now = time.monotonic()
        with self._lock:
            self._deaths.append((now, reason))
            while self._deaths and self._deaths[0][0] < now - WITHIN_S:
                self._deaths.popleft()
            if len(self._deaths) < MANY or now < self._silent_until:
                return
            self._silent_until = now + WITHIN_S
            count, usual = len(self._deaths), Counter(reason for _, reason in self._deaths).most_common(1)
        _log.critical(
            "%d messages were given up within a minute, most often because: %s. See `flask linking"
            " dead-letters`; once that is mended, `dead-letters --retry-all` sends them again",
            count,
            usual[0][0],
        )
