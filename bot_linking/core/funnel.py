"""The funnel: how many people come to which stage of linking, on each way, and how long that takes.

Counted in memory, and written a few seconds later together with what other requests have counted: a login
never waits for these counts, and never fails by them. A process that is killed loses what it has not
written yet.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import weakref
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Hashable
from enum import StrEnum

from bot_linking.core.errors import BotLinkingError, StoreUnavailable
from bot_linking.core.events import (
    AccountLinked,
    EventIgnored,
    Happening,
    LinkingRefused,
    StageReached,
)
from bot_linking.core.links import WAYS
from bot_linking.core.ports.tallies import HOW_MANY, MINUTE_MS, FunnelCount, Tallies, TrafficCount

DAY_MS = 86_400_000
ABANDONED_MS = 30 * MINUTE_MS  # opened so long ago and not ended: no attempt lives longer than half of it
WRITTEN_AFTER_S = 4.0
REMEMBERED = 20_000  # stages of people, for the times between them and against counting a reload
MOST_UNWRITTEN = 10_000  # numbers that wait for a store that is away
SECONDS = (1, 2, 3, 5, 8, 13, 20, 30, 45, 60, 90, 120, 180, 300, 600, 900, 1800, 3600)

_log = logging.getLogger("bot_linking")


class Reached(StrEnum):
    """The stages in their order."""

    PROMPTED = "prompted"
    OPENED = "opened"
    SIGNED_IN = "signed_in"
    CONSENT_SHOWN = "consent_shown"
    CONSENTED = "consented"
    RETURNED = "returned"
    LINKED = "linked"
    CONFIRMED = "confirmed"


STAGES = tuple(Reached)
CANCELLED, ABANDONED, OPEN = "cancelled", "abandoned", "open"
REFUSED = "refused:"  # before the slug of a refusal


class Funnel:
    """Counts of one app in one process, until they are written. `tell` hears of each stage; `sole_page` is
    the only page's id, where there is one and it is known. Nothing here raises."""

    def __init__(
        self,
        store: Tallies,
        *,
        tell: Callable[[Happening], None],
        now: Callable[[], int],
        sole_page: Callable[[], str | None],
    ) -> None:
        self._store = store
        self._tell = tell
        self._now = now
        self._sole_page = sole_page
        self._begin()
        still = weakref.WeakMethod(self.write)
        atexit.register(lambda: (write := still()) and write())

    def _begin(self) -> None:
        """What belongs to this very process: a fork must not write what its parent has counted."""
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._funnel: dict[FunnelCount, int] = {}
        self._traffic: dict[TrafficCount, int] = {}
        self._seen: OrderedDict[int, int] = OrderedDict()
        self._is_due = False

    # What is counted

    def reach(
        self,
        stage: Reached,
        way: str,
        page_id: str | None,
        *,
        key: Hashable = None,
        since: int | None = None,
    ) -> bool:
        """Count one who came to a stage. With `key`, which stands for this person's pass through the stages,
        once only; False for the second time. `since` is when the stage before was reached (ms), where the
        caller knows; else it is looked up by the key."""
        now = self._now()
        if key is not None:
            if not self._is_first(stage, key, now):
                return False
            since = self._time_of(stage, key) if since is None else since
        seconds = None if since is None else max(0, now - since) / 1000
        self._count(stage, way, page_id, now)
        if seconds is not None:
            self._add_time(stage, way, page_id, seconds)
        self._tell(StageReached(str(stage), way, self._page(page_id) or None, seconds))
        return True

    def cancel(self, way: str, page_id: str | None, *, key: Hashable) -> bool:
        """Count one who declined; False for the second time."""
        now = self._now()
        if not self._is_first(CANCELLED, key, now):
            return False
        self._count(CANCELLED, way, page_id, now)
        self._tell(StageReached(CANCELLED, way, self._page(page_id) or None))
        return True

    def refuse(self, slug: str, way: str, page_id: str | None) -> None:
        """Count a refusal beside the stages."""
        self._count(f"{REFUSED}{slug}", way, page_id, self._now())

    def open(self, way: str, page_id: str | None, opened_at: int, *, ended: bool = False) -> None:
        """Note that a pass through the stages began at that time, or with `ended` that it came to its end."""
        minute = opened_at % DAY_MS // MINUTE_MS
        self._add(self._at(opened_at, way, page_id, OPEN, minute), -1 if ended else 1)

    def prompt(self, way: str, page_id: str | None, psid: str) -> None:
        """Count one who was asked to link, and remember when, until it is known who has opened what."""
        self.reach(Reached.PROMPTED, way, page_id)
        with self._mine():
            self._remember(hash((Reached.PROMPTED, psid)), self._now())

    def measure_opening(self, way: str, page_id: str | None, psid: str, opened_at: int) -> None:
        """Add the time from this person's last prompt to the opening, where this process has seen both."""
        with self._mine():
            prompted_at = self._seen.pop(hash((Reached.PROMPTED, psid)), None)
        if prompted_at is not None and prompted_at <= opened_at:
            self._add_time(Reached.OPENED, way, page_id, (opened_at - prompted_at) / 1000)

    def _add_time(self, stage: Reached, way: str, page_id: str | None, seconds: float) -> None:
        self._add(self._at(self._now(), way, page_id, stage, bisect_left(SECONDS, seconds)))

    def pass_by(self, kind: str, result: str) -> None:
        """Count what went in or out, by the minute."""
        minute = self._now() // MINUTE_MS * MINUTE_MS
        with self._mine():
            count = TrafficCount(minute, kind, result)
            if count in self._traffic or len(self._traffic) < MOST_UNWRITTEN:
                self._traffic[count] = self._traffic.get(count, 0) + 1
        self._write_soon()

    def hear(self, event: Happening) -> None:
        """Count what an event of Messenger's or an answer in a chat came to."""
        if isinstance(event, AccountLinked) and event.source is None and event.link.source in WAYS:
            self._returned(event.link.source, event.link.page_id, event.consented_at)
            self.reach(Reached.LINKED, event.link.source, event.link.page_id, since=self._now())
        elif isinstance(event, LinkingRefused | EventIgnored) and event.way is not None:
            self._returned(event.way, event.page_id, event.consented_at)
            self.refuse(event.reason, event.way, event.page_id)

    def _returned(self, way: str, page_id: str | None, consented_at: int | None) -> None:
        if consented_at is not None:
            self.reach(Reached.RETURNED, way, page_id, since=consented_at)

    # Written together

    def write(self) -> None:
        """Write what this process has counted. What the store refuses now is tried again with the
        next."""
        with self._mine():
            funnel, traffic, self._funnel, self._traffic = self._funnel, self._traffic, {}, {}
            self._is_due = False
        if not funnel and not traffic:
            return
        try:
            self._store.add_tallies(funnel, traffic)
        except StoreUnavailable as away:
            _log.warning("the funnel is written later: %s", away)
            self._put_back(funnel, traffic)
        except Exception:
            _log.exception("numbers of the funnel are lost")

    def _put_back(self, funnel: dict[FunnelCount, int], traffic: dict[TrafficCount, int]) -> None:
        with self._mine():
            if len(self._funnel) + len(funnel) <= MOST_UNWRITTEN:
                for count, hits in funnel.items():
                    self._funnel[count] = self._funnel.get(count, 0) + hits
            if len(self._traffic) + len(traffic) <= MOST_UNWRITTEN:
                for minute, hits in traffic.items():
                    self._traffic[minute] = self._traffic.get(minute, 0) + hits

    def _write_soon(self) -> None:
        with self._mine():
            if self._is_due:
                return
            self._is_due = True
        try:
            write_later(self)
        except RuntimeError:  # no thread can begin now; where the interpreter is ending, `atexit` writes
            self._is_due = False

    # Inside

    def _mine(self) -> threading.Lock:
        if self._pid != os.getpid():
            self._begin()
        return self._lock

    def _page(self, page_id: str | None) -> str:
        try:
            return page_id or self._sole_page() or ""
        except BotLinkingError:
            return ""

    def _at(self, now: int, way: str, page_id: str | None, stage: str, bucket: int) -> FunnelCount:
        return FunnelCount(now - now % DAY_MS, self._page(page_id), way, str(stage), bucket)

    def _count(self, stage: str, way: str, page_id: str | None, now: int) -> None:
        self._add(self._at(now, way, page_id, stage, HOW_MANY))

    def _add(self, count: FunnelCount, hits: int = 1) -> None:
        with self._mine():
            if count in self._funnel or len(self._funnel) < MOST_UNWRITTEN:
                self._funnel[count] = self._funnel.get(count, 0) + hits
        self._write_soon()

    def _is_first(self, stage: str, key: Hashable, now: int) -> bool:
        """Whether this process sees this for the first time. What it keeps means nothing elsewhere."""
        number = hash((stage, key))
        with self._mine():
            if number in self._seen:
                return False
            self._remember(number, now)
            return True

    def _remember(self, number: int, now: int) -> None:
        self._seen[number] = now
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)

    def _time_of(self, stage: Reached, key: Hashable) -> int | None:
        """When this process saw the stage before."""
        before = STAGES[STAGES.index(stage) - 1]
        with self._mine():
            return self._seen.get(hash((before, key)))


def write_later(funnel: Funnel) -> None:
    """Write from a thread of its own in a few seconds, if it is still there by then."""
    still = weakref.WeakMethod(funnel.write)
    timer = threading.Timer(WRITTEN_AFTER_S, lambda: (write := still()) and write())
    timer.daemon = True
    timer.name = "bot_linking funnel"
    timer.start()
