"""A mailbox for what a bot would send by e-mail, whose links can be tapped on the page ``/mailbox``."""

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
        """Keep a mail; of more than two hundred the oldest is dropped."""
        mail = Mail(self._clock(), to, subject, text)
        with self._lock:
            self._mails.append(mail)
        return mail

    @property
    def mails(self) -> list[Mail]:
        """Every mail that is kept, oldest first."""
        with self._lock:
            return list(self._mails)
