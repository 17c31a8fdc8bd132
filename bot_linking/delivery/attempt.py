"""One try of one entry: run its handler, and judge the result."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from bot_linking.core.errors import BotLinkingError, DeliveryFailed, GiveUp, StoreUnavailable
from bot_linking.core.log_throttle import log_sparingly
from bot_linking.core.ports.outbox import Done, GivenBack, OutboxEntry, Postponed, Settled
from bot_linking.delivery.handlers import Handler
from bot_linking.delivery.pauses import Pauses
from bot_linking.delivery.verdict import is_over, pause_after, verdict_on
from bot_linking.delivery.waiting import Waiting

_log = logging.getLogger("bot_linking.delivery")


class Attempts:
    """The tries of one process. The dispatcher writes their outcomes. Only a page's pause is written here, at
    once, so that no other try of that page begins meanwhile."""

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        pauses: Pauses,
        waiting: Waiting,
        *,
        now: Callable[[], int],
        keys: Callable[[str], str],
        context: Callable[[], AbstractContextManager[object]],
    ) -> None:
        self._handlers = handlers
        self._pauses = pauses
        self._waiting = waiting
        self._now = now
        self._keys = keys
        self._context = context

    def make(self, entry: OutboxEntry) -> Settled:
        """Try an entry that is leased. It is given back untried where its page is paused by now."""
        if self._pauses.of(entry.page_id) is not None:
            return GivenBack(entry)
        if over := is_over(entry, self._now()):
            return over
        try:
            done = self._run(entry)
        except DeliveryFailed as problem:
            return self._judge(entry, problem)
        self._got_through(entry.page_id)
        return done

    def _run(self, entry: OutboxEntry) -> Done:
        """Run the handler. Raises `DeliveryFailed` for every error of it."""
        handler = self._handlers.get(entry.kind)
        if handler is None:
            raise GiveUp(f"nothing handles entries of kind {entry.kind}")
        try:
            with self._context():
                return Done(entry, *(handler(entry) or ()))
        except DeliveryFailed:
            raise
        except BotLinkingError as problem:
            raise DeliveryFailed(str(problem)) from None
        except Exception as problem:  # the site's own code; its text may hold anything
            about = f"handler {entry.kind} {type(problem).__name__} {id(self)}"
            text = "delivering a %s entry failed"
            log_sparingly(_log, logging.ERROR, about, text, entry.kind, exc_info=True)
            failed = DeliveryFailed(f"{type(problem).__name__} in the handler")
            failed.held_for = "handler"  # the person's other entries do not wait for it
            raise failed from None

    def _judge(self, entry: OutboxEntry, problem: DeliveryFailed) -> Settled:
        now, since = self._now(), self._pauses.since(entry.page_id, problem.cause)
        outcome = verdict_on(entry, problem, now)
        keys = self._keys(entry.page_id) if problem.whole_page else ""
        if pause := pause_after(problem, outcome, now, keys=keys, paused_since=since):
            if pause.cause:
                _log.error("page %s may not send (%s): %s", pause.page_id, pause.cause, pause.reason)
            try:
                self._pauses.begin(pause)
            except StoreUnavailable as away:
                text = "other processes do not know that a page waits: %s"
                log_sparingly(_log, logging.WARNING, f"pause {id(self)}", text, away)
        if isinstance(outcome, Postponed) and outcome.held_for == "window":
            self._waiting.begins()
        return outcome

    def _got_through(self, page_id: str) -> None:
        try:
            self._pauses.got_through(page_id)
        except StoreUnavailable as away:
            text = "a pause that is over is not forgotten: %s"
            log_sparingly(_log, logging.WARNING, f"pause over {id(self)}", text, away)
