"""Four ways for Messenger's events into a bot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial, wraps
from inspect import iscoroutinefunction
from typing import Any, TypeVar

from flask import Flask, current_app

from bot_linking.messenger.webhook import HANDSHAKE_METHODS
from bot_linking.verbs.registered import Registered

View = TypeVar("View", bound=Callable[..., Any])
Handler = TypeVar("Handler", bound=Callable[..., Any])


class WaysIn(Registered):
    """The decorator, `attach`, raw bytes, and the blueprint's own webhook."""

    def __init__(self) -> None:
        super().__init__()
        self._message_handler: Callable[[dict[str, Any]], Any] | None = None

    def webhook(self, view: View) -> View:
        """Decorates the webhook view that your bot has already, below its route decorator.

        Verifies the signature, takes the account linking events, and calls the view with everything
        else; answers Messenger's GET handshake. Answers 403, 413, 400 or 503 itself where that is due.
        """

        run = runnable(view)

        @wraps(view)
        def webhook(*args: Any, **kwargs: Any) -> Any:
            return self._here().webhook.serve(run, args, kwargs)

        webhook.required_methods = HANDSHAKE_METHODS  # type: ignore[attr-defined]  # Flask adds them to the rule
        return webhook  # type: ignore[return-value]

    def attach(self, app: Flask, endpoint: str) -> None:
        """The same as `webhook` for a view that can't be edited: by its endpoint's name."""
        if endpoint not in app.view_functions:
            raise LookupError(f"the app has no endpoint {endpoint!r}")
        app.view_functions[endpoint] = self.webhook(app.view_functions[endpoint])
        paths = {rule.rule for rule in app.url_map.iter_rules(endpoint)}
        for path in paths:
            methods = {m for r in app.url_map.iter_rules() if r.rule == path for m in r.methods or ()}
            if "GET" not in methods:
                app.add_url_rule(path, f"{endpoint}_handshake", self._handshake)

    def _handshake(self, **_: Any) -> Any:
        return self._here().webhook.handshake()

    def receive(self, body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
        """For a bot without Flask: acts on the linking events in these raw bytes.

        The payload comes back without them, for the bot to go on with. Raises `SignatureRefused`,
        `PayloadTooLarge`, `PayloadUnreadable` (answer 403, 413, 400) or `StoreUnavailable` (answer 503,
        so that Messenger sends it again).
        """
        return self._here().webhook.receive(body, headers)

    def on_message(self, handler: Handler) -> Handler:
        """For a bot with no webhook of its own: the blueprint's `/webhook` calls the handler with each
        event (a dict) that is not account linking. What it raises is logged."""
        self._message_handler = runnable(handler)
        return handler

    def _own_webhook(self) -> Any:
        return self._here().webhook.route(self._message_handler)


def runnable(view: Callable[..., Any]) -> Callable[..., Any]:
    """The view itself; one that is `async` is run in the app's own way."""
    return partial(_run_async, view) if iscoroutinefunction(view) else view


def _run_async(view: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return current_app.ensure_sync(view)(*args, **kwargs)
