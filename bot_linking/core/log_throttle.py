"""Limits log lines that strangers or outages can cause without end: one line a second, with a count."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from time import monotonic as _monotonic
from typing import Any

PAUSE_S = 1.0
MOST_KEYS = 1000


class LogThrottle:
    """Lets one line of each kind through in a second, and counts the lines that it holds back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next_at: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def admit(self, kind: str) -> int | None:
        """The number of lines that were left out since the last one; None when this one is left out, too."""
        now = _monotonic()
        with self._lock:
            if now < self._next_at.get(kind, now):
                self._left_out[kind] = self._left_out.get(kind, 0) + 1
                return None
            if len(self._next_at) > MOST_KEYS:
                self._next_at.clear()
            self._next_at[kind] = now + PAUSE_S
            return self._left_out.pop(kind, 0)


_throttle = LogThrottle()


def log_sparingly(
    log: logging.Logger,
    level: int,
    kind: str,
    message: str,
    *args: object,
    extra: Mapping[str, Any] | None = None,
    exc_info: bool | BaseException | None = False,
) -> None:
    """Log a line unless one of its kind was logged within the last second. The next one says how many were
    left out, in its text and as the field `left_out`."""
    left_out = _throttle.admit(kind)
    if left_out is None:
        return
    if left_out:
        message, args = f"{message} (%d more since the last line)", (*args, left_out)
    fields = {**(extra or {}), "left_out": left_out}
    log.log(level, message, *args, extra=fields, exc_info=exc_info, stacklevel=2)


def log_failure(log: logging.Logger, message: str) -> None:
    """Log the exception that is being handled, with its traceback, as sparingly: each message is a kind."""
    log_sparingly(log, logging.ERROR, message, message, exc_info=True)
