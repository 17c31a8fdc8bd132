"""`GET <prefix>/health`, for a load balancer or a supervisor: one word says whether the process is ready."""

from __future__ import annotations

from collections.abc import Callable

from flask import Response

from bot_linking.core.errors import StoreUnavailable
from bot_linking.doors.body import NO_STORE

RETRY_AFTER_S = 5


class Health:
    """The health of one app. Each of `needs` raises `StoreUnavailable` while its part is away; the answer is
    its name then."""

    def __init__(self, **needs: Callable[[], object]) -> None:
        self._needs = needs

    def show(self) -> Response:
        """200 `ready`, or 503 and the name of the part that is away. Only reads."""
        for word, need in self._needs.items():
            try:
                need()
            except StoreUnavailable:
                return _answer(503, word, {"Retry-After": str(RETRY_AFTER_S)})
        return _answer(200, "ready", {})


def _answer(status: int, word: str, headers: dict[str, str]) -> Response:
    return Response(word, status, NO_STORE | headers, content_type="text/plain; charset=utf-8")
