"""The funnel: how many people come to which stage of linking, on each way, and how long that takes.

Each process counts in memory and writes its counts every few seconds, so a login neither waits for them nor
fails by them. A process that is killed loses the counts that it has not written.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import weakref
from bisect import bisect_left
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Mapping, Sized
from enum import StrEnum
from typing import Any, TypeVar

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
ABANDONED_MS = 30 * MINUTE_MS  # after the opening; an attempt lives half as long at most
WRITTEN_AFTER_S = 4.0
REMEMBERED = 20_000  # stages that were reached: for the times between them, and to count a reload once
MOST_NOTED = 500  # until they are counted
MOST_UNWRITTEN = 10_000  # numbers that are kept while the store is away
SECONDS = (1, 2, 3, 5, 8, 13, 20, 30, 45, 60, 90, 120, 180, 300, 600, 900, 1800, 3600)

_T = TypeVar("_T")

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
_BEFORE = dict(zip(STAGES[1:], STAGES, strict=False))

_TURNED_AWAY = (LinkingRefused, EventIgnored)

# The fields of a `FunnelCount`, which is made when it is written.
_Key = tuple[int, str, str, str, int]


class Funnel:
    """The counts of one app in one process, until they are written. `tell` is called with each stage, unless
    `listeners` is empty; `sole_page` returns the id of the only page, or None. No method raises."""

    def __init__(
        self,
        store: Tallies,
        *,
        tell: Callable[[Happening], None],
        now: Callable[[], int],
        sole_page: Callable[[], str | None],
        listeners: Sized,
    ) -> None:
        self._store = store
        self._tell = tell
        self._now = now
        self._sole_page = sole_page
        self._listeners = listeners
        self._begin()
        still = weakref.WeakMethod(self.write)
        atexit.register(lambda: (write := still()) and write())

    def _begin(self) -> None:
        """Start with empty counts: a forked child must not write what its parent has counted."""
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._funnel: dict[_Key, int] = {}
        self._traffic: dict[TrafficCount, int] = {}
        self._seen: OrderedDict[int, int] = OrderedDict()
        self._is_due = False
        self._settling = threading.RLock()
        self._noted: deque[tuple[Callable[..., None], tuple[Any, ...], int]] = deque()

    # What is counted

    def later(self, count: Callable[..., None], *args: Any) -> None:
        """Call `count(*args, at=now)` (ms) with the next writing, so that no login waits for it. While a
        signal's receiver listens it is called at once."""
        if self._pid != os.getpid():
            self._begin()
        if self._listeners:
            self._settle()
            count(*args, at=self._now())
            return
        self._noted.append((count, args, self._now()))
        if len(self._noted) > MOST_NOTED:
            self._settle()
        self._write_soon()

    def _settle(self) -> None:
        """Count what was noted, in its order."""
        with self._settling:
            while self._noted:
                count, args, at = self._noted.popleft()
                count(*args, at=at)

    def reach(
        self,
        stage: Reached,
        way: str,
        page_id: str | None,
        *,
        key: Hashable = None,
        since: int | None = None,
        at: int | None = None,
    ) -> bool:
        """Count a person who reached a stage, now or `at` that time (ms). With a `key`, which names this
        person's pass through the stages, each stage is counted once; False for the second time. `since` is
        when the stage before was reached (ms), where the caller knows it; otherwise it is looked up by the
        key."""
        now, page, seconds = self._now() if at is None else at, self._page(page_id), None
        with self._mine():
            if key is not None:
                if not self._is_first(stage, way, key, now):
                    return False
                since = self._seen.get(hash((_BEFORE.get(stage), way, key))) if since is None else since
            self._add((now - now % DAY_MS, page, way, stage, HOW_MANY))
            if since is not None:
                seconds = self._add_time(stage, way, page, since, now)
        self._write_soon()
        if self._listeners:
            self._tell(StageReached(str(stage), way, page or None, seconds))
        return True

    def cancel(self, way: str, page_id: str | None, *, key: Hashable, at: int | None = None) -> bool:
        """Count a person who declined; False for the second time."""
        now, page = self._now() if at is None else at, self._page(page_id)
        with self._mine():
            if not self._is_first(CANCELLED, way, key, now):
                return False
            self._add((now - now % DAY_MS, page, way, CANCELLED, HOW_MANY))
        self._write_soon()
        if self._listeners:
            self._tell(StageReached(CANCELLED, way, page or None))
        return True

    def refuse(self, slug: str, way: str, page_id: str | None, *, at: int | None = None) -> None:
        """Count a refusal, by its slug."""
        self._add_one(self._now() if at is None else at, page_id, way, f"{REFUSED}{slug}", HOW_MANY)

    def open(self, way: str, page_id: str | None, opened_at: int, *, ended: bool = False) -> None:
        """Count a pass through the stages as open, at the minute of its opening (ms); with `ended`, take it
        back."""
        minute = opened_at % DAY_MS // MINUTE_MS
        self._add_one(opened_at, page_id, way, OPEN, minute, -1 if ended else 1)

    def prompt(self, way: str, page_id: str | None, psid: str) -> None:
        """Count a person who was asked to link, and remember when, for `measure_opening`."""
        self.later(self._prompted, way, page_id, psid)

    def _prompted(self, way: str, page_id: str | None, psid: str, *, at: int) -> None:
        self.reach(Reached.PROMPTED, way, page_id, at=at)
        with self._mine():
            self._remember(hash((Reached.PROMPTED, psid)), at)

    def measure_opening(self, way: str, page_id: str | None, psid: str, opened_at: int) -> None:
        """Add the time from this person's last prompt to the opening, where this process sent the prompt."""
        page = self._page(page_id)
        with self._mine():
            prompted_at = self._seen.pop(hash((Reached.PROMPTED, psid)), None)
            if prompted_at is not None and prompted_at <= opened_at:
                self._add_time(Reached.OPENED, way, page, prompted_at, opened_at)
        self._write_soon()

    def pass_by(self, kind: str, result: str) -> None:
        """Count one webhook or message, by the minute."""
        minute = self._now() // MINUTE_MS * MINUTE_MS
        with self._mine():
            count = TrafficCount(minute, kind, result)
            if count in self._traffic or len(self._traffic) < MOST_UNWRITTEN:
                self._traffic[count] = self._traffic.get(count, 0) + 1
        self._write_soon()

    def hear(self, event: Happening) -> None:
        """Count the outcome of an event of Messenger's, or of an answer in a chat."""
        if isinstance(event, AccountLinked):
            if event.source is None and event.link.source in WAYS:
                self.later(self._linked, event.link.source, event.link.page_id, event.consented_at)
        elif isinstance(event, _TURNED_AWAY) and event.way is not None:
            self.later(self._turned_away, event)

    def _linked(self, way: str, page_id: str, consented_at: int | None, *, at: int) -> None:
        self._returned(way, page_id, consented_at, at)
        self.reach(Reached.LINKED, way, page_id, since=at, at=at)

    def _turned_away(self, event: LinkingRefused | EventIgnored, *, at: int) -> None:
        assert event.way is not None, "`hear` has looked"
        self._returned(event.way, event.page_id, event.consented_at, at)
        self.refuse(event.reason, event.way, event.page_id, at=at)

    def _returned(self, way: str, page_id: str | None, consented_at: int | None, at: int) -> None:
        if consented_at is not None:
            self.reach(Reached.RETURNED, way, page_id, since=consented_at, at=at)

    # Written together

    def write(self) -> None:
        """Write what this process has counted. While the store is away, the counts are kept for the next
        time."""
        if self._pid != os.getpid():
            self._begin()
        self._settle()
        with self._mine():
            counted, traffic, self._funnel, self._traffic = self._funnel, self._traffic, {}, {}
        if not counted and not traffic:
            return
        try:
            self._store.add_tallies({FunnelCount(*key): hits for key, hits in counted.items()}, traffic)
        except StoreUnavailable as away:
            _log.warning("the funnel is written later: %s", away)
            with self._mine():
                _put_back(counted, self._funnel)
                _put_back(traffic, self._traffic)
        except Exception:
            _log.exception("numbers of the funnel are lost")

    def write_due(self) -> None:
        """The same, for the thread that was begun with the first count: the next count begins another."""
        self._is_due = False
        self.write()

    def _write_soon(self) -> None:
        if not self._is_due and self._takes_the_writing():
            self._begin_writing()

    def _takes_the_writing(self) -> bool:
        """Whether no other count has begun the thread that writes."""
        with self._mine():
            was_due, self._is_due = self._is_due, True
            return not was_due

    def _begin_writing(self) -> None:
        try:
            write_later(self)
        except RuntimeError:  # no thread can start: the interpreter is ending, and `atexit` writes
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

    def _add_one(
        self, at: int, page_id: str | None, way: str, stage: str, bucket: int, hits: int = 1
    ) -> None:
        page = self._page(page_id)
        with self._mine():
            self._add((at - at % DAY_MS, page, way, stage, bucket), hits)
        self._write_soon()

    # Under the lock

    def _add(self, key: _Key, hits: int = 1) -> None:
        if key in self._funnel or len(self._funnel) < MOST_UNWRITTEN:
            self._funnel[key] = self._funnel.get(key, 0) + hits

    def _add_time(self, stage: Reached, way: str, page: str, since: int, until: int) -> float:
        seconds = max(0, until - since) / 1000
        self._add((until - until % DAY_MS, page, way, stage, bisect_left(SECONDS, seconds)))
        return seconds

    def _is_first(self, stage: str, way: str, key: Hashable, now: int) -> bool:
        """Whether this process counts this stage of this key for the first time."""
        number = hash((stage, way, key))
        if number in self._seen:
            return False
        self._remember(number, now)
        return True

    def _remember(self, number: int, now: int) -> None:
        self._seen[number] = now
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)


def _put_back(counted: Mapping[_T, int], into: dict[_T, int]) -> None:
    """Put counts back that could not be written, unless too many wait already."""
    if len(into) + len(counted) <= MOST_UNWRITTEN:
        for key, hits in counted.items():
            into[key] = into.get(key, 0) + hits


def write_later(funnel: Funnel) -> None:
    """Write from another thread in a few seconds, if the funnel still exists by then."""
    still = weakref.WeakMethod(funnel.write_due)
    timer = threading.Timer(WRITTEN_AFTER_S, lambda: (write := still()) and write())
    timer.daemon = True
    timer.name = "bot_linking funnel"
    timer.start()
