"""How fast a page's messages may go out from one process: at Messenger's own limit, and slower as its usage
headers rise. Processes do not know of each other's pace; a refusal for the rate pauses the page in all.

Source: Messenger Platform, "Rate limits": 300 calls a second for each page; percentages of the rolling hour
in the headers of each answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable

MOST_A_SECOND = 280.0  # with the burst, no second has more than 300
BURST = 20.0
SLOWER_FROM = 75.0  # per cent of a limit
SLOWEST = 0.01  # of the full pace
BELIEVED_S = 60.0  # how long a usage that was heard counts


class Pace:
    """The pace of every page of this process. Each page has a token bucket that fills with time; only the
    dispatcher takes from it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}  # how full, and when that was
        self._usage: dict[str | None, tuple[float, float]] = {}  # per cent, and until when it is believed

    def room(self, page_id: str) -> int:
        """How many messages of a page may go out at this moment."""
        return int(self._level(page_id))

    def take(self, page_id: str, count: int = 1) -> None:
        """Count messages of a page that go out now."""
        self._buckets[page_id] = (self._level(page_id) - count, self._clock())

    def heard(self, page_id: str | None, percent: float) -> None:
        """Take into account that this much of a limit is used: of this page's, or of each page's where None
        is given."""
        self._usage[page_id] = (percent, self._clock() + BELIEVED_S)

    def _level(self, page_id: str) -> float:
        now = self._clock()
        level, since = self._buckets.get(page_id, (BURST, now))
        return min(BURST, level + (now - since) * MOST_A_SECOND * self._share_of_pace(page_id, now))

    def _share_of_pace(self, page_id: str, now: float) -> float:
        heard = (self._usage.get(key, (0.0, 0.0)) for key in (page_id, None))
        used = max((percent for percent, until in heard if until > now), default=0.0)
        return min(1.0, max(SLOWEST, (100.0 - used) / (100.0 - SLOWER_FROM)))
