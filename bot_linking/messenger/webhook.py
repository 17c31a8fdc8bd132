"""Where a webhook comes in: around the bot's own view, at a route of ours, or as bytes without Flask."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from time import perf_counter
from typing import Any

from flask import Request, Response, request

from bot_linking.core.errors import BotLinkingError, SignatureRefused
from bot_linking.doors.body import read_body, replace_body, this_request
from bot_linking.messenger.events import Batch, Event, sort_events
from bot_linking.messenger.headers import CONTENT_TYPE, Headers, Query, header_in, parameters_in, raw_bytes
from bot_linking.messenger.host import is_added
from bot_linking.messenger.inbox import LARGEST_BODY, RECEIVED, Answer, Inbox, read_payload
from bot_linking.messenger.signature import HEADER, sign

View = Callable[..., Any]
_SIGNATURE = "HTTP_X_HUB_SIGNATURE_256"
_OLD_SIGNATURE = "HTTP_X_HUB_SIGNATURE"  # SHA-1: never believed here, but some bots check it
_VERIFIED = "bot_linking.verified"
_log = logging.getLogger("bot_linking.webhook")


class Webhook:
    """The entrances to one app's inbox."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    def receive(self, body: bytes, headers: Headers) -> dict[str, Any]:
        """Without Flask: act on our events in these bytes. Returns the payload without them."""
        began = perf_counter()
        try:
            return self._take(body, headers, began).rest
        except BotLinkingError as refusal:
            self._inbox.refuse(refusal, began)
            raise

    def answer(self, body: bytes, headers: Headers) -> Answer:
        """The same, but returns the answer to Messenger, also for what `receive` raises."""
        began = perf_counter()
        try:
            batch = self._take(body, headers, began)
        except BotLinkingError as refusal:
            return self._inbox.refuse(refusal, began)
        return Answer(200, RECEIVED, events=batch.events, payload=batch.rest)

    def handshake(self, query: Query) -> Answer:
        """Answer Messenger's verification GET: the challenge as plain text, when the verify token is
        right."""
        return self._inbox.handshake(parameters_in(query))

    def _take(self, body: bytes, headers: Headers, began: float) -> Batch:
        signature, content_type = header_in(headers, HEADER), header_in(headers, CONTENT_TYPE)
        return self._inbox.take(raw_bytes(body), signature, began, content_type=content_type)

    def serve(self, view: View, args: Any, kwargs: Any) -> Any:
        """Call the bot's view with a verified request, without the events that are ours."""
        began, this = perf_counter(), this_request()
        if this.method != "POST":
            return self._other_method(view, args, kwargs, began)
        try:
            body = read_body(this, LARGEST_BODY)
            signature, kind = this.environ.get(_SIGNATURE), this.environ.get("CONTENT_TYPE")
            batch = self._inbox.take(body, signature, began, content_type=kind, whole=False)
        except BotLinkingError as refusal:
            return _respond(self._inbox.refuse(refusal, began))
        this.environ[_VERIFIED] = self
        if not batch.holds_ours:
            return view(*args, **kwargs)
        if not batch.rest["entry"]:
            return _acknowledge()
        self._put_rest(batch, this)
        return view(*args, **kwargs)

    def route(self, handler: Callable[[Event], Any] | None) -> Response:
        """`/webhook` for a bot that has none: each event that is not account linking goes to the handler.

        What a handler raises is logged; the other events go on.
        """
        began, this = perf_counter(), this_request()
        if this.method != "POST":
            return _respond(self._inbox.handshake(request.args))
        try:
            body = read_body(this, LARGEST_BODY)
            signature, kind = this.environ.get(_SIGNATURE), this.environ.get("CONTENT_TYPE")
            batch = self._inbox.take(body, signature, began, content_type=kind)
        except BotLinkingError as refusal:
            return _respond(self._inbox.refuse(refusal, began))
        if handler is not None:
            _hand_on(batch, handler)
        return _acknowledge()

    def events(self) -> list[Event]:
        """The bot's events in this verified request. Raises `RuntimeError` for a request that is not
        verified."""
        this = this_request()
        if this.environ.get(_VERIFIED) is not self:
            raise RuntimeError(
                "this request was not verified: @linking.webhook belongs below the route's decorator"
            )
        try:
            payload = read_payload(this.get_data(), this.environ.get("CONTENT_TYPE"))
            return sort_events(payload, ()).events
        except BotLinkingError:
            return []

    def _put_rest(self, batch: Batch, this: Request) -> None:
        """Put the bot's events into the request as its signed body, for the view and later hooks."""
        rest = _dump(batch.rest)
        replace_body(this, rest)
        for header, digest in ((_SIGNATURE, "sha256"), (_OLD_SIGNATURE, "sha1")):
            if header in this.environ:
                this.environ[header] = sign(rest, batch.signer, digest)

    def _other_method(self, view: View, args: Any, kwargs: Any, began: float) -> Any:
        if request.content_length or request.headers.get("Transfer-Encoding"):
            refusal = SignatureRefused("only a signed POST carries events")
            return _respond(self._inbox.refuse(refusal, began))
        only_handshake = request.method in {"GET", "HEAD"} and is_added(request.url_rule)
        if "hub.mode" in request.args:
            answer = self._inbox.handshake(request.args)
            if only_handshake or answer.status == 200:
                return _respond(answer)  # else the view may answer, with a token of its own
        return _respond(Answer(405, "only POST\n")) if only_handshake else view(*args, **kwargs)


def _hand_on(batch: Batch, handler: Callable[[Event], Any]) -> None:
    for event in batch.others:
        try:
            handler(event)
        except Exception:
            _log.exception("the bot's message handler failed")


def _acknowledge() -> Response:
    return Response(RECEIVED.encode(), content_type="text/plain; charset=utf-8")


def _respond(answer: Answer) -> Response:
    return Response(answer.body.encode(), answer.status, answer.headers)


def _dump(payload: dict[str, Any]) -> bytes:
    """JSON as Messenger writes it: ASCII, with every other character escaped."""
    return json.dumps(payload, separators=(",", ":")).encode("ascii")
