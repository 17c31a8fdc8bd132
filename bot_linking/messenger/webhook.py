"""Where a webhook comes in: around the bot's own view, at a route of ours, or as bytes without Flask."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from io import BytesIO
from time import perf_counter
from typing import Any

from flask import Request, Response, current_app, request

from bot_linking.core.errors import BotLinkingError, SignatureRefused
from bot_linking.core.reading import read_json
from bot_linking.doors.body import read_body, this_request
from bot_linking.messenger.events import Batch, Event, sort_events
from bot_linking.messenger.inbox import LARGEST_BODY, Answer, Inbox
from bot_linking.messenger.signature import HEADER, sign

View = Callable[..., Any]
_SIGNATURE = "HTTP_" + HEADER.upper().replace("-", "_")
_VERIFIED = "bot_linking.verified"
_log = logging.getLogger("bot_linking.webhook")


class Webhook:
    """The ways into one app's inbox."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    def receive(self, body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
        """Without Flask: act on the linking events in these bytes; the payload without them comes back."""
        began = perf_counter()
        signature = next((value for name, value in headers.items() if name.lower() == HEADER.lower()), None)
        try:
            return self._inbox.take(body, signature, began).rest
        except BotLinkingError as refusal:
            self._inbox.refuse(refusal, began)
            raise

    def serve(self, view: View, args: Any, kwargs: Any) -> Any:
        """The bot's view behind signature and linking; it sees what it always saw, verified."""
        began, this = perf_counter(), this_request()
        if this.method != "POST":
            return self._other_method(view, args, kwargs, began)
        try:
            body = read_body(this, LARGEST_BODY, for_others=True)
            batch = self._inbox.take(body, this.environ.get(_SIGNATURE), began, whole=False)
        except BotLinkingError as refusal:
            return _respond(self._inbox.refuse(refusal, began))
        this.environ[_VERIFIED] = self
        if not batch.holds_ours:
            return view(*args, **kwargs)
        return self._pass_rest(batch, view, args, kwargs) if batch.rest["entry"] else _acknowledge()

    def route(self, handler: Callable[[Event], Any] | None) -> Response:
        """`/webhook` for a bot that has none: each event that is not account linking goes to the handler.

        A handler that raises is logged and fails neither the batch nor the linking events.
        """
        began, this = perf_counter(), this_request()
        if this.method != "POST":
            return self.handshake()
        try:
            body = read_body(this, LARGEST_BODY)
            batch = self._inbox.take(body, this.environ.get(_SIGNATURE), began)
        except BotLinkingError as refusal:
            return _respond(self._inbox.refuse(refusal, began))
        if handler is not None:
            _hand_on(batch, handler)
        return _acknowledge()

    def events(self) -> list[Event]:
        """What this verified request holds for the bot, whatever else is in its body."""
        this = this_request()
        if this.environ.get(_VERIFIED) is not self:
            raise RuntimeError(
                "this request was not verified: @linking.webhook belongs below the route's decorator"
            )
        try:
            return sort_events(read_json(this.get_data()), ()).events
        except BotLinkingError:
            return []

    def handshake(self) -> Response:
        """Messenger's verification GET: the challenge back, as plain text, for the right token."""
        return _respond(self._inbox.handshake(request.args))

    def _pass_rest(self, batch: Batch, view: View, args: Any, kwargs: Any) -> Any:
        """Call the view on a request that holds, rightly signed, what was not ours."""
        rest = _dump(batch.rest)
        signer = self._inbox.signer_of(request.get_data(), request.headers.get(HEADER))
        environ = request.environ | {
            "wsgi.input": BytesIO(rest),
            "CONTENT_LENGTH": str(len(rest)),
            _SIGNATURE: sign(rest, signer),
        }
        for stale in ("HTTP_X_HUB_SIGNATURE", "HTTP_TRANSFER_ENCODING", "werkzeug.request"):
            environ.pop(stale, None)
        with current_app._get_current_object().request_context(environ):  # type: ignore[attr-defined]
            return view(*args, **kwargs)

    def _other_method(self, view: View, args: Any, kwargs: Any, began: float) -> Any:
        if request.content_length or request.headers.get("Transfer-Encoding"):
            refusal = SignatureRefused("only a signed POST carries events")
            return _respond(self._inbox.refuse(refusal, began))
        only_handshake = _is_added_by_us(request)
        if "hub.mode" in request.args:
            answer = self.handshake()
            if only_handshake or answer.status_code == 200:
                return answer  # otherwise the view has a handshake of its own, perhaps with its own token
        return _respond(Answer(405, "only POST\n")) if only_handshake else view(*args, **kwargs)


class _Added(str):
    """A method that a route has for our handshake only. It stays itself where Flask and Werkzeug put
    methods into sets and upper case, and gives way to the same method of the view's own."""

    def upper(self) -> str:
        return self


HANDSHAKE_METHODS = frozenset({_Added("GET"), "POST"})


def _is_added_by_us(this: Request) -> bool:
    """Whether the view itself was never meant for this method (HEAD comes with GET)."""
    methods = (this.url_rule and this.url_rule.methods) or ()
    of_get = [each for each in methods if each == "GET"]
    return this.method in {"GET", "HEAD"} and any(isinstance(each, _Added) for each in of_get)


def _hand_on(batch: Batch, handler: Callable[[Event], Any]) -> None:
    for event in batch.others:
        try:
            handler(event)
        except Exception:
            _log.exception("the bot's message handler failed")


def _acknowledge() -> Response:
    return Response(b"EVENT_RECEIVED", content_type="text/plain; charset=utf-8")


def _respond(answer: Answer) -> Response:
    return Response(answer.body.encode(), answer.status, answer.headers)


def _dump(payload: dict[str, Any]) -> bytes:
    """As Messenger writes it: ASCII, everything else escaped."""
    return json.dumps(payload, separators=(",", ":")).encode("ascii")
