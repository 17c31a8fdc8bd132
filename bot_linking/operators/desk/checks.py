"""The findings of `check` for the page. They are looked for in a thread, since the page must not wait for
Messenger, and kept for a minute."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bot_linking.doors.findings import Finding
from bot_linking.operators.checkup import checkup

if TYPE_CHECKING:
    from bot_linking.installation import Installation

KEPT_S = 60.0
FIRST_WAIT_S = 3.0  # the first page of a process waits so long: there are no findings yet

_log = logging.getLogger("bot_linking")


class Checks:
    """The newest findings of one app in this process."""

    def __init__(self, here: Installation) -> None:
        self._here = here
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._findings: Sequence[Finding] = ()
        self._found_at: float | None = None

    def newest(self, *, again: bool = False) -> tuple[Sequence[Finding], float | None]:
        """The findings, and their age in seconds, None before the first. With `again` they are looked for
        now."""
        is_old = self._found_at is None or time.monotonic() - self._found_at > KEPT_S
        if again or is_old:
            thread = self._begin()
            if again or self._found_at is None:
                thread.join(FIRST_WAIT_S)
        found_at = self._found_at
        return self._findings, None if found_at is None else time.monotonic() - found_at

    def _begin(self) -> threading.Thread:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._look, name="bot_linking check", daemon=True)
                self._thread.start()
            return self._thread

    def _look(self) -> None:
        try:
            with self._here.app.app_context():
                self._findings = tuple(checkup(lambda: self._here))
        except Exception:
            _log.exception("the check for the operator's page failed")
            self._findings = (Finding("wrong", "the check itself failed: see the log"),)
        self._found_at = time.monotonic()
