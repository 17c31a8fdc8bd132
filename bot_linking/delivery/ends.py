"""The end of a process that delivers: nothing new is taken, and what is being sent is finished.

A server that ends its workers by leaving Python lets `atexit` run. One whose workers are processes of
`multiprocessing`, as Granian's are, does not, but finishes what is registered there. One that leaves SIGTERM
to the system does neither; there the signal is answered here.
"""

from __future__ import annotations

import atexit
import os
import signal
import threading
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Protocol

QUIET_S = 60.0  # longer than servers give their workers; then a process that has not ended delivers again


class Stopped(Protocol):
    """What has to be stopped before the process ends."""

    def take_nothing_for(self, seconds: float) -> None:
        """Begin nothing for so long. Callable from a signal's handler: waits for no lock."""

    def stop(self) -> None:
        """Finish what is under way, for as long as that may take."""


Handler = Callable[[int, FrameType | None], object]

_delivering: weakref.WeakSet[Stopped] = weakref.WeakSet()


def stop_at_the_end(delivery: Stopped) -> None:
    """Stop it when Python ends, or a process of `multiprocessing`, this one or one that it forks; and at
    SIGTERM, where no handler is set. Where the server or the host has set one, take nothing new from then."""
    from multiprocessing.util import register_after_fork

    atexit.register(_stop, weakref.ref(delivery))
    _stop_with_multiprocessing(delivery)
    register_after_fork(delivery, _stop_with_multiprocessing)
    _delivering.add(delivery)
    if threading.current_thread() is threading.main_thread():
        _answer_sigterm()


def _stop_with_multiprocessing(delivery: Stopped) -> None:
    """What this process of `multiprocessing` finishes before it ends. A fork forgets it."""
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
    """Stop, then end as the system would have ended the process without us."""
    signal.signal(number, signal.SIG_DFL)
    for delivery in _delivering:
        delivery.take_nothing_for(QUIET_S)
    for delivery in _delivering:
        delivery.stop()
    os.kill(os.getpid(), number)


def _stop(delivery: weakref.ref[Stopped]) -> None:
    if (still := delivery()) is not None:
        still.stop()
