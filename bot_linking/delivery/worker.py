"""Takes what is due from the outbox and hands it to its handler, until it got through or never will.

An entry is leased, not removed, so a worker that dies loses nothing: its lease runs out and another takes
over. Several workers may run, in threads, processes or machines.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress

from bot_linking.core.errors import BotLinkingError, DeliveryFailed, GiveUp, StoreUnavailable
from bot_linking.core.events import MessageFailed, MessageSent
from bot_linking.core.ports import Clock, Done, OutboxEntry, Store, Tell
from bot_linking.core.text import escaped
from bot_linking.delivery.backoff import MESSAGE_MAX_AGE_S, SHORTEST_PROBE_S, wait_before
from bot_linking.delivery.leases import LEASE_S, Leases

THREADS = 4
POLL_S = 1.0
PURGE_EVERY_S = 600.0
UNTIL_IT_WORKS = {"unlink_call"}

_log = logging.getLogger("bot_linking.delivery")


Counter = tuple[str, int]  # a key of the throttles, and when its count starts again (ms)
Handler = Callable[[OutboxEntry], Counter | None]


class Delivery:
    """One outbox, delivered by `handlers` (kind to callable).

    A handler returns when its entry got through or is not needed any more, and with it the counter on which
    that counts, if any; it raises `DeliveryFailed` when not. `tokens` names the access tokens in use, so that
    entries held for a bad one go on with another.
    """

    def __init__(
        self,
        store: Store,
        handlers: Mapping[str, Handler],
        *,
        tell: Tell,
        tokens: Callable[[str], str],
        all_tokens: Callable[[], Sequence[str]],
        clock: Clock = time.time,
        context: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._store = store
        self._handlers = handlers
        self._tell = tell
        self._token_of = tokens
        self._all_tokens = all_tokens
        self._clock = clock
        self._context = context
        self._purge_at = 0.0
        self._follows_forks = False
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()
        self._due = threading.Event()
        self._leases = Leases(store, self._now)
        #: Called after each change too, for workers elsewhere.
        self.on_wake: Callable[[], None] = lambda: None

    # Running

    def start(self) -> None:
        """Deliver from daemon threads of this process, and of every process forked from it."""
        if not self._follows_forks:
            self._follows_forks = True
            restart = weakref.WeakMethod(self._restart_after_fork)
            os.register_at_fork(after_in_child=lambda: (again := restart()) and again())
        if not any(thread.is_alive() for thread in self._threads):
            self._stopping.clear()
            name = "bot_linking delivery"
            self._threads = [
                threading.Thread(target=self.run_forever, name=name, daemon=True) for _ in range(THREADS)
            ]
            for thread in self._threads:
                thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """Finish what is being sent, then end the threads or the loop; `timeout` is for all of them."""
        self._stopping.set()
        self._due.set()
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def wake(self) -> None:
        """Look now instead of at the next poll."""
        self._due.set()
        self.on_wake()

    def run_forever(self) -> None:
        """Deliver until `stop`. A store that is away is waited for."""
        while not self._stopping.is_set():
            self._due.clear()
            try:
                busy = self._step()
                self.purge_sometimes()
            except BotLinkingError as problem:
                busy = False
                _log.error("delivery waits: %s", problem)
            except Exception:
                busy = False
                _log.exception("delivery failed unexpectedly and goes on")
            if not busy and not self._stopping.is_set():
                self._due.wait(POLL_S)
        with suppress(StoreUnavailable):  # else it is sent once more, when its lease is over
            self._exchange(0)

    def drain(self, *, within: float = float("inf")) -> int:
        """Deliver all that is due now, in this thread, beginning no more after `within` seconds. The number
        of entries that were tried."""
        tried, end = 0, time.monotonic() + within
        while time.monotonic() < end and self._step():
            tried += 1
        self._exchange(0)
        return tried

    def _step(self) -> bool:
        """Deliver the one entry that has been due for longest. Whether there was one."""
        entry = next(iter(self._exchange(1)), None)
        if entry is None:
            return False
        self._due.set()  # there may be more, for the other threads
        try:
            done = self._deliver(entry)
        except BaseException:
            self._leases.drop(entry)
            raise
        if done is None:
            self._leases.drop(entry)
        else:
            self._leases.note(done)
        return True

    def _exchange(self, most: int) -> list[OutboxEntry]:
        """Mark what got through, whichever thread's it was, and lease up to so many more: one commit for each
        message."""
        with self._leases.turn:  # one at a time, so that the share of a page is what it says
            now, busy, done = self._now(), self._leases.busy_pages(), self._leases.done()
            tokens = self._all_tokens()
            if not done and not (most and self._store.has_due(now, tokens, busy)):
                return []
            claimed = self._store.claim_due(now, now + LEASE_S * 1000, most, tokens, busy, done=done)
            for entry in claimed:
                self._leases.take(entry)
            self._leases.drop(*(each.entry for each in done))
        try:
            self._tell_of(done, now)
        except BaseException:
            self._leases.drop(*claimed)
            raise
        return claimed

    def _tell_of(self, done: Sequence[Done], now: int) -> None:
        for each in done:
            waited = max(0.0, (now - each.entry.created_at) / 1000)
            self._tell(MessageSent(each.entry.page_id, each.entry.psid, each.entry.kind, waited))

    # One entry

    def _deliver(self, entry: OutboxEntry) -> Done | None:
        """None for what did not get through."""
        handler = self._handlers.get(entry.kind)
        try:
            if handler is None:
                raise GiveUp(f"nothing handles entries of kind {entry.kind}")
            with self._context():
                counter = handler(entry)
        except BotLinkingError as problem:
            self._fail(
                entry, problem if isinstance(problem, DeliveryFailed) else DeliveryFailed(str(problem))
            )
        except Exception as problem:  # the site's own code; its text may hold anything
            _log.exception("delivering a %s entry failed", entry.kind)
            failed = DeliveryFailed(f"{type(problem).__name__} in the handler")
            failed.held_for = "handler"  # the person's other entries do not wait for it
            self._fail(entry, failed)
        else:
            return Done(entry, *(counter or ()))
        return None

    def _fail(self, entry: OutboxEntry, problem: DeliveryFailed) -> None:
        now, reason = self._now(), escaped(str(problem))[:500]
        dead = self._is_hopeless(entry, problem, now)
        if dead:
            self._store.bury(entry, reason, now, then=_last_word(entry, problem))
        else:
            self._postpone(entry, problem, reason, now)
        level = logging.ERROR if dead or problem.advice == "page" else logging.WARNING
        _log.log(level, "%s not delivered (%s): %s", entry.kind, "given up" if dead else "kept", reason)
        self._tell(MessageFailed(entry.page_id, entry.psid, entry.kind, reason, dead))

    def _is_hopeless(self, entry: OutboxEntry, problem: DeliveryFailed, now: int) -> bool:
        if entry.kind in UNTIL_IT_WORKS or problem.advice == "page":
            return False
        is_old = now - entry.created_at > MESSAGE_MAX_AGE_S * 1000
        return is_old or problem.advice in ("never", "window")

    def _postpone(self, entry: OutboxEntry, problem: DeliveryFailed, reason: str, now: int) -> None:
        waited = (now - entry.created_at) / 1000
        wait, held_for = wait_before(entry.attempts, waited, problem.retry_after), problem.held_for
        if problem.advice == "page":  # another token or secret, or the operator's word at Meta
            is_ours = problem.cause in ("token", "secret", None)
            held_for = self._token_of(entry.page_id) if is_ours else f"page {problem.cause}"
            wait = wait if is_ours else wait_before(entry.attempts, waited, SHORTEST_PROBE_S)
        elif problem.advice == "never":
            wait = max(wait, min(waited / 10, MESSAGE_MAX_AGE_S))
        self._store.postpone(
            entry,
            now + int(wait * 1000),
            reason,
            now=now,
            whole_page=problem.whole_page,
            held_for=held_for,
        )

    def purge_sometimes(self) -> None:
        """Remove what has had its day, every ten minutes at most."""
        if self._clock() >= self._purge_at:
            self._purge_at = self._clock() + PURGE_EVERY_S
            self._store.purge(self._now())

    def _now(self) -> int:
        return int(self._clock() * 1000)

    def _restart_after_fork(self) -> None:
        was_running = bool(self._threads) and not self._stopping.is_set()
        self._threads, self._stopping, self._due = [], threading.Event(), threading.Event()
        self._leases = Leases(self._store, self._now)
        if was_running:
            self.start()


def _last_word(entry: OutboxEntry, problem: DeliveryFailed) -> str | None:
    """What the person hears of an entry that is given up: only of their own question, and only where they can
    be written to."""
    if entry.kind != "resume" or (problem.advice == "never" and not isinstance(problem, GiveUp)):
        return None
    return "sorry"
