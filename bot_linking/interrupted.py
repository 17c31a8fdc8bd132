"""What a login interrupted: handlers by name, so that any process of the bot can go on with them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from bot_linking.core.errors import DeliveryFailed
from bot_linking.core.links import Link
from bot_linking.signals import guarded

Handler = Callable[..., Any]
Resume = dict[str, Any]


class Interrupted:
    """The handlers of one bot that ask for a login. What is kept of a call are JSON values only."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}
        self._when_cancelled: dict[str, Handler] = {}

    def add(self, handler: Handler, runs: Handler, cancelled: Handler | None) -> str:
        """The name that the handler is kept under; `runs` is what to call for it. `ValueError` for a lambda,
        which has no name."""
        name = f"{handler.__module__}.{handler.__qualname__}"
        if handler.__name__ == "<lambda>":
            raise ValueError("login_required needs a function with a name, to find it again after the login")
        self._handlers[name] = runs
        if cancelled is not None:
            self._when_cancelled[name] = cancelled
        return name

    def go_on(self, resume: Any, link: Link) -> None:
        """Run the handler, now with its link.

        Raises `DeliveryFailed` while no handler of that name is there: this process may not have come so far,
        or runs another version of the bot.
        """
        if not _is_call(resume):
            return  # given to prompt_login: it came with the linked event
        handler = self._handlers.get(resume["handler"])
        if handler is None:
            raise DeliveryFailed(f"no handler is called {resume['handler']} here")
        handler(resume["event"], link, *resume["args"], **resume["kwargs"])

    def cancel(self, resume: Any) -> None:
        """Tell the handler that the person declined."""
        if _is_call(resume) and (hook := self._when_cancelled.get(resume["handler"])):
            guarded(partial(hook, resume["event"], *resume["args"], **resume["kwargs"]))


def call_of(name: str, event: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Resume:
    """A call as it is kept."""
    return {"handler": name, "event": event, "args": args, "kwargs": kwargs}


def person_of(event: Any) -> tuple[str, str | None]:
    """PSID and page of a webhook event; a bare PSID will do. `TypeError` for anything else."""
    if isinstance(event, str):
        return event, None
    try:
        page = event.get("recipient", {}).get("id")
        return str(event["sender"]["id"]), None if page is None else str(page)
    except (TypeError, KeyError, AttributeError):
        kind = type(event).__name__
        raise TypeError(f"a handler takes a webhook event or a PSID first, not {kind}") from None


def _is_call(resume: Any) -> bool:
    return isinstance(resume, dict) and resume.keys() == {"handler", "event", "args", "kwargs"}
