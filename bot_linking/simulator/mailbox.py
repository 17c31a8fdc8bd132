"""A mailbox: what a bot would send by e-mail is kept here, so that it can be read and its links be tapped."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

_KEEP = 200


@dataclass(frozen=True)
class Mail:
    """One e-mail; ``at`` is in seconds since the epoch."""

    at: float
    to: str
    subject: str
    text: str


class Mailbox:
    """Takes mails from any thread. Nothing leaves the machine."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._mails: deque[Mail] = deque(maxlen=_KEEP)

    def put(self, to: str, subject: str, text: str) -> Mail:
        """Keep a mail; the oldest go when there are many."""
        mail = Mail(self._clock(), to, subject, text)
        with self._lock:
            self._mails.append(mail)
        return mail

    @property
    def mails(self) -> list[Mail]:
        """Every mail that is kept, oldest first."""
        with self._lock:
            return list(self._mails)
