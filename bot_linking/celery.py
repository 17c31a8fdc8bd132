"""Delivery by Celery, for a team that runs it anyway: the extra `bot-linking[celery]`.

The outbox in the database stays the truth. What goes through the broker is "look at the outbox", without any
content: a worker takes what is due, as `flask linking deliver` does, and what a killed worker had taken is
due again when its lease has run out. So a queue that is flushed, or a broker that is down, loses nothing: the
next beat finds what waits.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from mmap import mmap
from typing import TYPE_CHECKING, Any

from bot_linking.core.errors import BotLinkingError, ConfigurationError

if TYPE_CHECKING:
    from celery import Celery

    from bot_linking.extension import AccountLinking

TASK = "bot_linking.deliver"
LONGEST_S = 30.0  # then the worker is free for others; the next beat goes on
LOOK_S = 1.0  # between two looks whether the worker ends
EXPIRES_S = 60

_log = logging.getLogger("bot_linking.delivery")


def install(celery_app: Celery, linking: AccountLinking, *, every: float = 2.0) -> Any:
    """Let Celery's workers deliver, at once after each change and, by its beat, `every` so many seconds for
    what is overdue. Call it wherever the Celery app is made, in web processes, workers and beat alike.

    The task comes back, named `bot_linking.deliver`, to be routed as you like. Raises `ConfigurationError`
    unless `BOT_LINKING_DELIVERY` is `worker`.
    """
    if linking.settings.delivery != "worker":
        raise ConfigurationError("BOT_LINKING_DELIVERY", "must be worker where Celery delivers")
    from celery.signals import worker_shutting_down

    delivery = linking.delivery
    ending = mmap(-1, 1)  # the processes of a prefork pool see it, too: only their parent hears the signal

    def end(**_: Any) -> None:
        ending[0] = 1
        delivery.take_nothing_more()

    def work() -> None:
        until = time.monotonic() + LONGEST_S
        try:
            while not ending[0] and time.monotonic() < until and delivery.drain_side_by_side(within=LOOK_S):
                pass
            delivery.purge_sometimes()
        except BotLinkingError as problem:
            _log.error("delivery waits: %s", problem)

    worker_shutting_down.connect(end, weak=False)
    deliver: Any = celery_app.task(name=TASK, ignore_result=True, shared=False)(work)
    delivery.on_wake = _Bell(lambda: deliver.apply_async(expires=EXPIRES_S, retry=False)).ring
    celery_app.conf.beat_schedule = {
        **(celery_app.conf.beat_schedule or {}),
        TASK: {"task": TASK, "schedule": every, "options": {"expires": EXPIRES_S}},
    }
    return deliver


class _Bell:
    """Tells the broker from a thread of its own, so that no webhook waits for it; once is enough for many."""

    def __init__(self, tell: Callable[[], object]) -> None:
        self._tell = tell
        self._forget()

    def _forget(self) -> None:
        self._lock, self._pid = threading.Lock(), os.getpid()
        self._rung = self._is_telling = False

    def ring(self) -> None:
        if self._pid != os.getpid():
            self._forget()  # forked, perhaps while another thread rang
        with self._lock:
            self._rung = True
            if self._is_telling:
                return
            self._is_telling = True
        threading.Thread(target=self._tell_all, name="bot_linking bell", daemon=True).start()

    def _tell_all(self) -> None:
        while self._take():
            try:
                self._tell()
            except Exception as problem:  # the broker's own kinds of error; their text may hold a password
                _log.warning("Celery was not told (%s); its beat finds it", type(problem).__name__)

    def _take(self) -> bool:
        with self._lock:
            self._is_telling, self._rung = self._rung, False
            return self._is_telling
