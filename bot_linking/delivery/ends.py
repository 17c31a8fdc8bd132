"""The end of a process that delivers: nothing new is taken, and what is being sent is finished.

A server that ends its workers by leaving Python lets `atexit` run. One that leaves SIGTERM to the system does
not; there the signal is answered here.
"""

from __future__ import annotations

import atexit
import os
import signal
import threading
import weakref
from typing import Protocol


class Stopped(Protocol):
    """What has to be stopped before the process ends."""

    def stop(self) -> None:
        """Finish what is under way, for as long as that may take."""


def stop_at_the_end(delivery: Stopped) -> None:
    """Stop it when Python ends, and at SIGTERM where no handler of the server's or the host's is set."""
    still = weakref.ref(delivery)
    atexit.register(_stop, still)
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda number, _frame: _end(number, still))


def _end(number: int, delivery: weakref.ref[Stopped]) -> None:
    """Stop, then end as the system would have ended the process without us."""
    signal.signal(number, signal.SIG_DFL)
    _stop(delivery)
    os.kill(os.getpid(), number)


def _stop(delivery: weakref.ref[Stopped]) -> None:
    if (still := delivery()) is not None:
        still.stop()
