"""Delivery goes on in the processes that a server forks, and pauses in a process that serves nothing."""

from __future__ import annotations

import os
import sys
import threading
import weakref
from typing import Protocol

_RELOADER = "werkzeug._reloader"


class Forked(Protocol):
    """An object that runs threads and is called after each fork."""

    def begin_again(self) -> None:
        """In the child of a fork: start the threads again that ran in the parent."""


def follow_forks(delivery: Forked) -> None:
    """Call `begin_again` in each child that is forked, for as long as the object lives. Call this once."""
    if hasattr(os, "register_at_fork"):  # Windows has no forks
        again = weakref.WeakMethod(delivery.begin_again)
        os.register_at_fork(after_in_child=lambda: (begin := again()) and begin())


def is_reloaders_watcher() -> bool:
    """Whether this process only watches files for Werkzeug's reloader, while its child serves.

    It keeps the old code, so it must not run the bot's handlers.
    """
    if _RELOADER not in sys.modules or os.environ.get("WERKZEUG_RUN_MAIN") == "true":
        return False
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    while frame is not None:
        if frame.f_code.co_name == "restart_with_reloader" and frame.f_globals.get("__name__") == _RELOADER:
            return True
        frame = frame.f_back
    return False
