"""Takes due entries from the outbox and hands each to its handler, until it got through or is given up.

An entry is leased, not removed. A worker that dies loses nothing: its lease runs out and another worker takes
the entry. Several workers may run, in threads, processes or machines.

One thread, the dispatcher, leases entries in batches and writes their outcomes, many in one commit. Other
threads only send, as many as there are sends.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

from bot_linking.core.errors import BotLinkingError, StoreUnavailable
from bot_linking.core.ports import Clock, Store, Tell
from bot_linking.core.ports.outbox import OutboxEntry
from bot_linking.delivery.attempt import Attempts
from bot_linking.delivery.forks import follow_forks, is_reloaders_watcher
from bot_linking.delivery.handlers import Handler
from bot_linking.delivery.leases import LEASE_S, Leases
from bot_linking.delivery.pace import Pace
from bot_linking.delivery.pauses import Pauses
from bot_linking.delivery.senders import Senders
from bot_linking.delivery.shares import shares_of
from bot_linking.delivery.telling import Telling
from bot_linking.delivery.waiting import Person, Waiting

THREADS = 32
POLL_S = 1.0
PURGE_EVERY_S = 600.0
STOP_S = 12.0  # longer than any call to Graph may take
GREET_S = 2.0  # how long a webhook waits for what is said first; Messenger wants its answer within five
ROOM_S = 0.02  # until a page that has used up its pace may send again

_log = logging.getLogger("bot_linking.delivery")


class Delivery:
    """One outbox, delivered by `handlers` (kind to callable, see `delivery.handlers`), with up to `threads`
    sends at once.

    `keys` names a page's present token and secret: a page that was paused with other ones goes on. `context`
    is what a handler runs in.
    """

    def __init__(
        self,
        store: Store,
        handlers: Mapping[str, Handler],
        *,
        tell: Tell,
        keys: Callable[[str], str],
        clock: Clock = time.time,
        context: Callable[[], AbstractContextManager[object]] = nullcontext,
        threads: int = THREADS,
    ) -> None:
        self.threads = threads
        self._store = store
        self.handlers = handlers
        self._tell = tell
        self._keys = keys
        self._clock = clock
        self._context = context
        self._purge_at = 0.0
        self._follows_forks = False
        self.pace = Pace()
        self.waiting = Waiting(store, self._greet)
        #: Called with each `wake`, to wake workers in other processes.
        self.on_wake: Callable[[], None] = lambda: None
        self._begin()

    def _begin(self) -> None:
        """Make what one process must not share with another: threads, locks and leases."""
        self._dispatcher: threading.Thread | None = None
        self._dispatchers = set[int]()  # the threads that write the outcomes of what others send
        self._stopping, self._due = threading.Event(), threading.Event()
        self._quiet_until = 0.0  # of the monotonic clock
        self._turn = threading.Lock()
        self._after_page = ""
        self._leases = Leases(self._store, self._now)
        self._pauses = Pauses(self._store, self._keys, self._now)
        self._senders: Senders[_Sending] = Senders(name="bot_linking sender")
        self._telling = Telling(self._tell, self._now)
        self._attempts = Attempts(
            self.handlers, self._pauses, self.waiting, now=self._now, keys=self._keys, context=self._context
        )

    def begin_again(self) -> None:
        """In the child of a fork, where the threads of the parent do not run."""
        was_running = self._dispatcher is not None and not self._stopping.is_set()
        self._begin()
        if was_running:
            self.start()

    # Running

    @property
    def is_running(self) -> bool:
        """Whether the dispatcher's thread runs in this process."""
        return self._dispatcher is not None and self._dispatcher.is_alive()

    def start(self, *, after: float = 0.0) -> None:
        """Deliver from daemon threads of this process, and of every process that is forked from it, for as
        long as the app lives. With `after`, begin after so many seconds, or with the next `wake`."""
        if not self._follows_forks:
            self._follows_forks = True
            follow_forks(self)
        if not self.is_running:
            self._stopping.clear()
            self._due.clear()
            self._senders = Senders(name="bot_linking sender")
            name, given = "bot_linking delivery", (weakref.ref(self), self._senders, self._due, after)
            self._dispatcher = threading.Thread(target=_dispatch, args=given, name=name, daemon=True)
            self._dispatcher.start()

    def take_nothing_for(self, seconds: float) -> None:
        """Begin no send for so many seconds. Sends that are under way go on. It waits for no lock, so that a
        signal handler may call it."""
        self._quiet_until = time.monotonic() + seconds

    def take_nothing_more(self) -> None:
        """Begin no other send. Sends that are under way go on."""
        self._stopping.set()
        self._due.set()

    def stop(self, timeout: float = STOP_S) -> None:
        """Lease nothing more, give back entries that were not begun, and finish what is being sent, within
        `timeout` seconds in all. Another worker tries again what is not finished by then."""
        self.take_nothing_more()
        deadline = time.monotonic() + timeout
        for sending in self._senders.withdraw():
            sending.give_back(self._leases)
        self._senders.wait(timeout)
        self._senders.end()
        if self._dispatcher is not None and self._dispatcher is not threading.current_thread():
            self._dispatcher.join(max(0.0, deadline - time.monotonic()))
        self._write_down()

    def wake(self) -> None:
        """Look now instead of at the next poll."""
        self._due.set()
        self.on_wake()

    def run_forever(self) -> None:
        """Deliver until `stop`. While the store is away, wait for it."""
        while not self.is_over():
            self._due.wait(self.deliver_until_idle())
        self.finish()

    def is_over(self) -> bool:
        """Whether a dispatcher has nothing more to do: it is to `finish`."""
        return self._stopping.is_set() or is_reloaders_watcher()

    def deliver_until_idle(self) -> float:
        """Deliver until nothing is under way and every outcome is written. Returns how many seconds to wait
        for a `wake`."""
        while True:
            with self._dispatching():
                pause = self._look()
            # From here on a send writes its own outcome. So none is left that began before the question.
            if self.is_over() or not self._leases.are_any():
                return pause
            with self._dispatching():
                self._due.wait(pause)

    def finish(self) -> None:
        """Wait for what is being sent, and write the outcomes."""
        with self._dispatching():
            self._senders.wait(STOP_S)
        self._write_down()

    def drain(self, *, within: float = float("inf")) -> int:
        """Deliver all that is due now, one after the other in this thread. No entry is begun after `within`
        seconds. Returns the number of entries that were tried."""
        tried, end = 0, time.monotonic() + within
        self._pauses.look(at_once=True)
        while time.monotonic() < end:
            entries, is_full = self._exchange(1, {})
            for entry in entries:
                self._try(entry)
            tried += len(entries)
            if not entries and not is_full:
                break
            if is_full:
                time.sleep(ROOM_S)
        self._exchange(0, {})
        return tried

    def drain_side_by_side(self, *, within: float = float("inf")) -> int:
        """The same as `drain`, with as many sends at once as `run_forever` makes."""
        tried, end = self._telling.tried, time.monotonic() + within
        self._pauses.look(at_once=True)
        with self._dispatching():
            while time.monotonic() < end and not self._stopping.is_set():
                self._due.clear()
                pause = self._fill()
                if pause == POLL_S and self._senders.wait(0):
                    break
                self._due.wait(pause)
            self._senders.wait(STOP_S)
        self._exchange(0, {})
        return self._telling.tried - tried

    # The dispatcher

    @contextmanager
    def _dispatching(self) -> Iterator[None]:
        """In this block this thread writes the outcomes of what others send."""
        me = threading.get_ident()
        self._dispatchers.add(me)
        try:
            yield
        finally:
            self._dispatchers.discard(me)

    def _look(self) -> float:
        """Write what was sent, and send what is due. Returns how long to wait for a `wake`."""
        self._due.clear()
        pause = POLL_S
        try:
            pause = self._fill()
            self.purge_sometimes()
        except BotLinkingError as problem:
            _log.error("delivery waits: %s", problem)
        except Exception:
            _log.exception("delivery failed unexpectedly and goes on")
        return 0.0 if self._stopping.is_set() else pause

    def _fill(self) -> float:
        """Give due entries to the senders, while there are places. Returns how long to wait for a `wake`."""
        while True:
            entries, is_full = self._exchange(self.threads, self._leases.under_way())
            for entry in entries:
                self._senders.give(_Sending([entry], self._send))
            if not entries:
                return ROOM_S if is_full else POLL_S

    def _exchange(self, places: int, under_way: Mapping[str, int]) -> tuple[list[OutboxEntry], bool]:
        """Write the outcomes of all threads and lease more entries, in one commit. Returns the entries, and
        whether every page with something due waits for its pace."""
        with self._turn:
            now, settled = self._now(), self._leases.settled()
            shares, is_full = self._shares(now, places, under_way) if places else ({}, False)
            if not settled and not shares:
                return [], is_full
            claimed = self._store.claim_due(now, now + LEASE_S * 1000, shares, settled=settled)
            self._leases.take(claimed)
            self._leases.drop(each.entry for each in settled)
            for entry in claimed:
                self.pace.take(entry.page_id)
        try:
            self._telling.tell_of(settled)
        except BaseException:
            self._leases.drop(claimed)
            raise
        return claimed, is_full

    def _takes_more(self) -> bool:
        return not self._stopping.is_set() and time.monotonic() >= self._quiet_until

    def _shares(self, now: int, places: int, under_way: Mapping[str, int]) -> tuple[dict[str, int], bool]:
        if not self._takes_more() or not self._store.has_due(now):
            return {}, False
        self._pauses.look()
        pages = self._pages_in_turn(now, 2 * places)
        shares = shares_of(pages, under_way, places=places, room=self.pace.room)
        self._after_page = next(reversed(shares), self._after_page)
        return shares, bool(pages) and not any(map(self.pace.room, pages))

    def _pages_in_turn(self, now: int, most: int) -> list[str]:
        """Pages that have something due and no pause, beginning behind the last page of the time before."""
        found = dict[str, None]()
        for after in (self._after_page, ""):
            while len(found) < most:
                pages = self._store.due_pages(now, after=after, most=most)
                found |= dict.fromkeys(page for page in pages if self._pauses.of(page) is None)
                if len(pages) < most:
                    break
                after = pages[-1]
            if not self._after_page:
                break
        return list(found)[:most]

    def _write_down(self) -> None:
        """Write the outcomes. Entries whose outcome cannot be written are sent again after their lease."""
        try:
            self._exchange(0, {})
        except StoreUnavailable as problem:
            _log.error("what was sent is not written down: %s", problem)

    # Sending

    def _send(self, sending: _Sending) -> None:
        try:
            for entry in sending.entries:
                if not self._takes_more():
                    return
                sending.begun += 1
                self._try(entry)
        finally:
            sending.give_back(self._leases)
            self._due.set()
            if not self._dispatchers:
                self._write_down()
            sending.done.set()

    def _try(self, entry: OutboxEntry) -> None:
        try:
            self._leases.note(self._attempts.make(entry))
        except BaseException:  # this thread ends: let the lease run out
            self._leases.drop([entry])
            raise

    def _greet(self, people: Collection[Person]) -> None:
        """Send what waits for these people, who have just written; wait up to `GREET_S` for it."""
        sendings = [sending for person in people if (sending := self._take_waiting(person))]
        deadline = time.monotonic() + GREET_S
        for sending in sendings:
            sending.done.wait(max(0.0, deadline - time.monotonic()))

    def _take_waiting(self, person: Person) -> _Sending | None:
        now = self._now()
        entries = self._store.take_waiting(*person, now, now + LEASE_S * 1000)
        if not entries:
            return None
        self._leases.take(entries)
        sending = _Sending(entries, self._send)
        self._senders.give(sending)
        return sending

    def purge_sometimes(self) -> None:
        """Purge the store, at most once in ten minutes."""
        if self._clock() >= self._purge_at:
            self._purge_at = self._clock() + PURGE_EVERY_S
            self._store.purge(self._now())

    def _now(self) -> int:
        return int(self._clock() * 1000)


def _dispatch(
    still: weakref.ref[Delivery], senders: Senders[_Sending], due: threading.Event, after: float
) -> None:
    """Deliver in a thread, from `after` seconds on, until `stop`, or until the app is dropped: while this
    waits with nothing under way, it does not keep the app alive."""
    due.wait(after)
    while (delivery := still()) is not None:
        if delivery.is_over():
            delivery.finish()
            return
        pause = delivery.deliver_until_idle()
        del delivery
        due.wait(pause)
    senders.end()


class _Sending:
    """Entries of one person, tried in order by `send`. It keeps the worker alive until that is done."""

    def __init__(self, entries: Sequence[OutboxEntry], send: Callable[[_Sending], None]) -> None:
        self.entries = entries
        self._send = send
        self.begun = 0
        self.done = threading.Event()

    def run(self) -> None:
        """Try the entries, and note what came of them."""
        self._send(self)

    def give_back(self, leases: Leases) -> None:
        """End the leases of the entries that were not begun."""
        leases.give_back(self.entries[self.begun :])
