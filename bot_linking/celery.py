"""Delivery by Celery, for a team that runs it anyway: the extra `bot-linking[celery]`.

The outbox in the database stays the truth. The task that goes through the broker has no content: a worker
takes what is due from the outbox, as `flask linking deliver` does. What a killed worker had taken is due
again when its lease has expired. So a flushed queue or a broker that is down loses no message: the next beat
finds what waits.
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
from bot_linking.core.log_throttle import log_sparingly

if TYPE_CHECKING:
    from celery import Celery

    from bot_linking.extension import AccountLinking

TASK = "bot_linking.deliver"
LONGEST_S = 30.0  # then the worker is free for other tasks, and the next beat goes on
LOOK_S = 1.0  # between two checks whether the worker is shutting down
EXPIRES_S = 60  # a task that has waited longer is dropped: each beat sends another

_log = logging.getLogger("bot_linking.delivery")


def install(celery_app: Celery, linking: AccountLinking, *, every: float = 2.0) -> Any:
    """Let Celery's workers deliver: at once after each change, and `every` so many seconds, by Celery's beat,
    what is overdue. Call it wherever the Celery app is made: in web processes, workers and beat.

    Returns the task, named `bot_linking.deliver`, which you may route. Raises `ConfigurationError` unless
    `BOT_LINKING_DELIVERY` is `worker`.
    """
    if linking.settings.delivery != "worker":
        raise ConfigurationError("BOT_LINKING_DELIVERY", "must be worker where Celery delivers")
    from celery.signals import worker_shutting_down

    delivery = linking.delivery
    ending = mmap(-1, 1)  # shared with the processes of a prefork pool, whose parent alone gets the signal

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
    delivery.on_wake = _Notifier(lambda: deliver.apply_async(expires=EXPIRES_S, retry=False)).notify
    celery_app.conf.beat_schedule = {
        **(celery_app.conf.beat_schedule or {}),
        TASK: {"task": TASK, "schedule": every, "options": {"expires": EXPIRES_S}},
    }
    return deliver


class _Notifier:
    """Calls `tell` in a thread, so that no webhook waits for the broker. Several notices become one call."""

    def __init__(self, tell: Callable[[], object]) -> None:
        self._tell = tell
        self._reset()

    def _reset(self) -> None:
        self._lock, self._pid = threading.Lock(), os.getpid()
        self._is_due = self._is_telling = False

    def notify(self) -> None:
        if self._pid != os.getpid():
            self._reset()  # after a fork, in which another thread may have held the lock
        with self._lock:
            self._is_due = True
            if self._is_telling:
                return
            self._is_telling = True
        threading.Thread(target=self._tell_while_due, name="bot_linking notifier", daemon=True).start()

    def _tell_while_due(self) -> None:
        while self._take():
            try:
                self._tell()
            except Exception as problem:  # brokers have errors of their own, whose text may hold a password
                text = "Celery was not told (%s); its beat finds it"
                log_sparingly(_log, logging.WARNING, f"celery {id(self)}", text, type(problem).__name__)

    def _take(self) -> bool:
        with self._lock:
            self._is_telling, self._is_due = self._is_due, False
            return self._is_telling
