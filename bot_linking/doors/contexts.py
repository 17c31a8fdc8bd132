"""The host's contexts where no request of its own is under way."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from types import TracebackType

_log = logging.getLogger("bot_linking")


class LoggedTeardown(AbstractContextManager[None]):
    """A context of Flask's whose end fails nothing: what was done in it is done, whatever the host's teardown
    functions raise. They are written for requests of the host's, so what they raise is logged."""

    def __init__(self, context: AbstractContextManager[object]) -> None:
        self._context = context

    def __enter__(self) -> None:
        self._context.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._context.__exit__(kind, error, trace)
        except Exception as problem:
            if problem is not error:
                _log.exception("a teardown function of the host failed")
