"""The end of a process that delivers: it takes no new entry, and finishes what is being sent.

A server whose workers leave Python runs `atexit`. A server whose workers are processes of `multiprocessing`,
as Granian's are, runs the finalizers that are registered there. Where SIGTERM is left to the system neither
runs, so this module sets a handler for the signal.
"""

from __future__ import annotations

import atexit
import os
import signal
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Protocol

LONGEST_END_S = 15.0  # a delivery stops within less
QUIET_S = 60.0  # longer than servers give their workers; then a process that has not ended delivers again


class Stopped(Protocol):
    """An object that is stopped before the process ends."""

    def take_nothing_for(self, seconds: float) -> None:
        """Begin no send for so many seconds. A signal handler may call it: it waits for no lock."""

    def stop(self) -> None:
        """Finish what is under way, within a time of its own choice."""


Handler = Callable[[int, FrameType | None], object]

_delivering: weakref.WeakSet[Stopped] = weakref.WeakSet()


def stop_at_the_end(delivery: Stopped) -> None:
    """Stop the delivery when Python or a process of `multiprocessing` ends, this one or one that it forks,
    and at SIGTERM where no handler is set. Where the server or the host has set one, the delivery begins
    nothing new from the signal on, and their handler runs."""
    from multiprocessing.util import register_after_fork

    atexit.register(_stop, weakref.ref(delivery))
    _stop_with_multiprocessing(delivery)
    register_after_fork(delivery, _stop_with_multiprocessing)
    _delivering.add(delivery)
    if threading.current_thread() is threading.main_thread():
        _answer_sigterm()


def _stop_with_multiprocessing(delivery: Stopped) -> None:
    """Stop the delivery before this process of `multiprocessing` ends. A forked process forgets this."""
    from multiprocessing.util import Finalize

    Finalize(None, _stop, args=(weakref.ref(delivery),), exitpriority=0)


def _answer_sigterm() -> None:
    found = signal.getsignal(signal.SIGTERM)
    if found == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _end)
    elif callable(found) and getattr(found, "__module__", None) != __name__:
        signal.signal(signal.SIGTERM, _take_nothing_new_before(found))


def _take_nothing_new_before(theirs: Handler) -> Handler:
    def answer(number: int, frame: FrameType | None) -> None:
        for delivery in _delivering:
            delivery.take_nothing_for(QUIET_S)
        theirs(number, frame)

    return answer


def _end(number: int, _frame: FrameType | None) -> None:
    """Stop, then end as the system would have ended the process without us. Other threads stop the
    deliveries, as the one that the signal interrupts may hold a lock that they need."""
    signal.signal(number, signal.SIG_DFL)
    stopping = [threading.Thread(target=each.stop, daemon=True) for each in _delivering]
    for delivery in _delivering:
        delivery.take_nothing_for(QUIET_S)
    deadline = time.monotonic() + LONGEST_END_S
    with suppress(RuntimeError):  # no thread begins while Python ends, which stops them itself
        for thread in stopping:
            thread.start()
        for thread in stopping:
            thread.join(max(0.0, deadline - time.monotonic()))
    os.kill(os.getpid(), number)


def _stop(delivery: weakref.ref[Stopped]) -> None:
    if (still := delivery()) is not None:
        still.stop()
