"""Threads that send: as many as there are sends at this moment."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, Protocol, TypeVar


class Job(Protocol):
    """What a thread runs, once."""

    def run(self) -> None:
        """Do the work, in a thread of its own. It must not raise."""


J = TypeVar("J", bound=Job)

IDLE_S = 5.0  # how long a thread waits for another job before it ends


class Senders(Generic[J]):
    """Runs each job in a thread of its own. A thread that waits for a job keeps nothing else alive."""

    def __init__(self, *, name: str) -> None:
        self._name = name
        self._jobs: deque[J] = deque()
        self._busy = 0  # jobs that are not done, begun or not
        self._idle = 0  # threads that wait for a job
        self._ending = False
        lock = threading.Lock()
        self._given, self._done = threading.Condition(lock), threading.Condition(lock)

    def give(self, job: J) -> None:
        """Run this job at once, in an idle thread or a new one."""
        with self._given:
            self._jobs.append(job)
            self._busy += 1
            if self._idle >= len(self._jobs):
                self._given.notify()
                return
        threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def withdraw(self) -> list[J]:
        """Take back the jobs that no thread has begun."""
        with self._done:
            jobs = list(self._jobs)
            self._jobs.clear()
            self._busy -= len(jobs)
            self._done.notify_all()
        return jobs

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until no job is under way. False when that took longer than `timeout` seconds."""
        with self._done:
            return self._done.wait_for(lambda: self._busy == 0, timeout)

    def end(self) -> None:
        """End the idle threads now, and every other thread when it becomes idle."""
        with self._given:
            self._ending = True
            self._given.notify_all()

    def _run(self) -> None:
        while self._run_one():
            pass

    def _run_one(self) -> bool:
        """Run one job and forget it. False when none came."""
        if (job := self._next()) is None:
            return False
        try:
            job.run()
        finally:
            with self._done:
                self._busy -= 1
                self._done.notify_all()
        return True

    def _next(self) -> J | None:
        with self._given:
            if not self._jobs:
                self._idle += 1
                self._given.wait_for(lambda: bool(self._jobs) or self._ending, IDLE_S)
                self._idle -= 1
            return self._jobs.popleft() if self._jobs else None
