"""Sends the signals and log lines of tries, once their outcomes are written."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from bot_linking.core.events import MessageFailed, MessageSent
from bot_linking.core.ports import Tell
from bot_linking.core.ports.outbox import Buried, Done, GivenBack, Postponed, Settled
from bot_linking.delivery.alarm import Alarm

_log = logging.getLogger("bot_linking.delivery")


class Telling:
    """The signals and log lines of one process. `tried` counts the tries so far."""

    def __init__(self, tell: Tell, now: Callable[[], int]) -> None:
        self._tell = tell
        self._now = now
        self._alarm = Alarm()
        self.tried = 0

    def tell_of(self, settled: Sequence[Settled]) -> None:
        """Send one signal for each outcome, and log one line for each failure."""
        for outcome in settled:
            if isinstance(outcome, GivenBack):
                continue
            self.tried += 1
            if isinstance(outcome, Done):
                self._tell_sent(outcome)
            else:
                self._tell_failed(outcome)

    def _tell_sent(self, outcome: Done) -> None:
        entry = outcome.entry
        waited = max(0.0, (self._now() - entry.created_at) / 1000)
        self._tell(MessageSent(entry.page_id, entry.psid, entry.kind, waited))

    def _tell_failed(self, outcome: Postponed | Buried) -> None:
        entry, dead = outcome.entry, isinstance(outcome, Buried)
        level, state = _state_of(outcome)
        _log.log(level, "%s not delivered (%s): %s", entry.kind, state, outcome.reason)
        self._tell(MessageFailed(entry.page_id, entry.psid, entry.kind, outcome.reason, dead))
        if dead:
            self._alarm.count(outcome.reason)


def _state_of(outcome: Postponed | Buried) -> tuple[int, str]:
    if isinstance(outcome, Buried):
        return logging.ERROR, "given up"
    if outcome.held_for == "window":
        return logging.INFO, "waits for the person to write"
    return logging.WARNING, "kept"
