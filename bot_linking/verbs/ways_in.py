"""The four ways by which Messenger's events come into a bot."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from inspect import iscoroutinefunction
from typing import Any, TypeVar

from flask import Flask, current_app

from bot_linking.messenger.headers import Headers, Query
from bot_linking.messenger.host import HANDSHAKE_METHODS, MARK, take_get
from bot_linking.messenger.inbox import Answer
from bot_linking.verbs.registered import Registered

View = TypeVar("View", bound=Callable[..., Any])
Handler = TypeVar("Handler", bound=Callable[..., Any])


class WaysIn(Registered):
    """The decorator, `attach`, raw bytes, and the blueprint's own webhook."""

    def __init__(self) -> None:
        super().__init__()
        self._message_handler: Callable[[dict[str, Any]], Any] | None = None
        self._decorated: list[str] = []

    def webhook(self, view: View) -> View:
        """Decorates the webhook view of your bot, below its route decorator.

        Verifies the signature, takes the account linking events, and calls the view for everything else. It
        answers Messenger's GET handshake, and itself answers 403, 413, 400 or 503 where that is due.
        """
        run = runnable(view)

        @wraps(view)
        def webhook(*args: Any, **kwargs: Any) -> Any:
            return self._here().webhook.serve(run, args, kwargs)

        webhook.required_methods = HANDSHAKE_METHODS  # type: ignore[attr-defined]  # Flask adds them to the rule
        setattr(webhook, MARK, True)
        self._decorated.append(getattr(view, "__name__", "a view"))
        return webhook  # type: ignore[return-value]

    def events(self) -> list[dict[str, Any]]:
        """For a view under `webhook`: each event of this request that is not account linking, in order, from
        every entry.

        An event that has not the shape that Messenger sends is left out, so that no body can make the view
        fail: parts (`message`, `postback`, ...) are dicts, `message["text"]` is text, and a message has a
        sender and a recipient. `RuntimeError` where the request was not verified.
        """
        return self._here().webhook.events()

    def attach(self, app: Flask, endpoint: str) -> None:
        """The same as `webhook` for a view that you cannot edit, by its endpoint's name. `LookupError` where
        the app has no such endpoint."""
        if endpoint not in app.view_functions:
            raise LookupError(f"the app has no endpoint {endpoint!r}")
        app.view_functions[endpoint] = self.webhook(app.view_functions[endpoint])
        take_get(app, endpoint)

    def receive(self, body: bytes, headers: Headers) -> dict[str, Any]:
        """For a bot without Flask: verifies these raw bytes and applies their linking events.

        Returns the payload without those events, for the bot to handle. `headers` is a mapping, pairs, or a
        WSGI environ. Raises `SignatureRefused`, `PayloadTooLarge`, `PayloadUnreadable` (answer 403, 413, 400)
        or `StoreUnavailable` (answer 503, so that Messenger sends it again).
        """
        return self._here().webhook.receive(body, headers)

    def answer(self, body: bytes, headers: Headers) -> Answer:
        """The same as `receive`, with an answer for Messenger in place of errors.

        Send `status`, `body` and `headers` as they are. `events` has the events for the bot, each a dict of
        the shape that `events()` promises; `payload` is the payload that `receive` returns. After a refusal
        both are empty. Raises `TypeError` for a body that is not bytes, and for headers of another shape.
        """
        return self._here().webhook.answer(body, headers)

    def handshake(self, query: Query) -> Answer:
        """For a bot without Flask: the answer to Messenger's GET, which verifies a webhook's address.

        `query` has the parameters (`hub.mode`, `hub.verify_token`, `hub.challenge`), each as text or a list
        of one text; or it is the query itself, as text or bytes.
        """
        return self._here().webhook.handshake(query)

    def on_message(self, handler: Handler) -> Handler:
        """For a bot without a webhook of its own: the blueprint's `/webhook` calls the handler with each
        event (a dict) that is not account linking. An error of the handler is logged."""
        self._message_handler = runnable(handler)
        return handler

    def _own_webhook(self) -> Any:
        return self._here().webhook.route(self._message_handler)


def runnable(view: Callable[..., Any]) -> Callable[..., Any]:
    """The view itself, or for an `async` view a function that runs it by the app's `ensure_sync`."""
    return partial(_run_async, view) if iscoroutinefunction(view) else view


def _run_async(view: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return current_app.ensure_sync(view)(*args, **kwargs)
