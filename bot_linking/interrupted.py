"""The calls that a login interrupted. Any process of the bot can resume them: handlers are found by name."""

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
    """The handlers of one bot that require a login, by name."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}
        self._when_cancelled: dict[str, Handler] = {}

    def add(self, handler: Handler, runs: Handler, cancelled: Handler | None) -> str:
        """Register a handler and return its name. `runs` is called to resume it, `cancelled` when the person
        declines. Raises `ValueError` for a lambda, a `partial` and a callable object, which have no name."""
        called = getattr(handler, "__qualname__", "<lambda>")
        if called.endswith("<lambda>"):
            raise ValueError("login_required needs a function with a name, to find it again after the login")
        name = f"{handler.__module__}.{called}"
        self._handlers[name] = runs
        if cancelled is not None:
            self._when_cancelled[name] = cancelled
        return name

    def resume(self, call: Any, link: Link) -> None:
        """Run the interrupted handler, now with its link.

        Raises `DeliveryFailed` while this process has no handler of that name: it may still be starting, or
        run another version of the bot.
        """
        if not _is_call(call):
            return  # the host's own value for prompt_login(resume=...), which `AccountLinked` carries
        handler = self._handlers.get(call["handler"])
        if handler is None:
            raise DeliveryFailed(f"no handler is called {call['handler']} here")
        handler(call["event"], link, *call["args"], **call["kwargs"])

    def cancel(self, call: Any) -> None:
        """Call what the handler has for a person who declined."""
        if _is_call(call) and (hook := self._when_cancelled.get(call["handler"])):
            guarded(partial(hook, call["event"], *call["args"], **call["kwargs"]))


def call_of(name: str, event: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Resume:
    """A handler's call as it is stored: JSON values only."""
    return {"handler": name, "event": event, "args": args, "kwargs": kwargs}


def person_of(event: Any) -> tuple[str, str | None]:
    """PSID and page of a webhook event; None for the page of a bare PSID. Raises `TypeError` for the rest."""
    if isinstance(event, str):
        return event, None
    try:
        page = event.get("recipient", {}).get("id")
        return str(event["sender"]["id"]), None if page is None else str(page)
    except (TypeError, KeyError, AttributeError):
        kind = type(event).__name__
        raise TypeError(f"a handler takes a webhook event or a PSID first, not {kind}") from None


def _is_call(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"handler", "event", "args", "kwargs"}
