"""Where a webhook comes in: verify the raw bytes, read, act, acknowledge; always in this order.

200 is only said after the commit. 5xx is only said when an event could not be recorded, so that Messenger
sends it again. What is not account linking goes on to the bot as it came.
"""

from __future__ import annotations

import hmac
import logging
import re
from collections.abc import Callable, Collection, Mapping, Sequence, Sized
from io import BytesIO
from time import perf_counter
from typing import Any

from flask import Request, Response, current_app, request

from bot_linking.core.errors import (
    BotLinkingError,
    PayloadTooLarge,
    PayloadUnreadable,
    SignatureRefused,
    StoreUnavailable,
)
from bot_linking.core.events import LinkingRefused, WebhookReceived
from bot_linking.core.linking import Linking
from bot_linking.core.ports import Tell
from bot_linking.core.reading import read_json
from bot_linking.doors.body import UNKEPT, read_body, this_request
from bot_linking.messenger.events import KEY, events_of, linking_events_of, may_link, without_linking
from bot_linking.messenger.signature import HEADER, sign, signer_of

LARGEST_BODY = 1 << 20  # a batch of 1,000 events is about a tenth of it

STATUS = {
    SignatureRefused.slug: 403,
    PayloadTooLarge.slug: 413,
    PayloadUnreadable.slug: 400,
    StoreUnavailable.slug: 503,
}

Pages = Collection[str] | None
_PLAIN = "text/plain; charset=utf-8"
_HEADER_IN_ENVIRON = "HTTP_" + HEADER.upper().replace("-", "_")
_CHALLENGE = re.compile(r"[A-Za-z0-9_.\-]{1,256}")
_log = logging.getLogger("bot_linking.webhook")


class Webhook:
    """One app's webhook. `secrets` maps each app secret to the pages that it may speak for (None: any);
    `listeners` is empty while nobody wants to hear of each webhook."""

    def __init__(
        self,
        linking: Linking,
        *,
        secrets: Mapping[bytes, Pages],
        verify_tokens: Sequence[bytes],
        tell: Tell,
        listeners: Sized = (),
    ) -> None:
        self._linking = linking
        self._secrets = dict(secrets)
        self._verify_tokens = list(verify_tokens)
        self._tell = tell
        self._listeners = listeners

    # Without Flask

    def receive(self, body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
        """Act on the linking events in these bytes; the payload without them comes back.

        Raises `SignatureRefused`, `PayloadTooLarge`, `PayloadUnreadable`, and `StoreUnavailable` when
        Messenger must send it again (answer 503).
        """
        began = perf_counter()
        header = next((value for name, value in headers.items() if name.lower() == HEADER.lower()), None)
        try:
            pages = self._pages_of_signer(body, header)
            payload = read_json(body)
            events = events_of(payload)
            self._apply(payload, pages)
        except BotLinkingError as refusal:
            self._note(refusal.slug, began)
            raise
        if self._listeners:
            self._note(_result_of(events), began)
        return without_linking(payload)

    def _note(self, result: str, began: float) -> None:
        if self._listeners:
            self._tell(WebhookReceived(result, perf_counter() - began))

    def _pages_of_signer(self, body: bytes, header: str | None) -> Pages:
        if len(body) > LARGEST_BODY:
            raise PayloadTooLarge(f"the body is larger than {LARGEST_BODY} bytes")
        secret = signer_of(body, header, self._secrets)
        if secret is None:
            raise SignatureRefused(f"no valid {HEADER}")
        return self._secrets[secret]

    def _apply(self, payload: dict[str, Any], pages: Pages) -> None:
        events = linking_events_of(payload, pages)
        passed_over = sum(KEY in event for event in events_of(payload)) - len(events)
        if passed_over:
            self._tell(LinkingRefused("event_not_ours"))
            _log.warning(
                "%d account linking event(s) passed over: malformed or of another page",
                passed_over,
            )
        if events:
            self._linking.receive(events)

    # As a decorator around the bot's own view

    def serve(self, view: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """The bot's view behind signature and linking; it sees what it always saw, verified."""
        began, this = perf_counter(), this_request()
        if this.method != "POST":
            return self._other_method(view, args, kwargs, began)
        try:
            body, pages = self._read_request(this, for_view=True)
            rest = self._take(body, pages) if may_link(body) else body
        except BotLinkingError as refusal:
            return self._refuse(refusal, began)
        if self._listeners:
            self._note("other" if rest is body else "linking", began)
        if rest is body:
            return view(*args, **kwargs)
        return self._pass_rest(rest, view, args, kwargs) if rest else _acknowledge()

    def _take(self, body: bytes, pages: Pages) -> bytes:
        """Act on the linking events; what is left for the view: the same bytes, fewer, or none."""
        payload = read_json(body)
        if not any(KEY in event for event in events_of(payload)):
            return body
        self._apply(payload, pages)
        rest = without_linking(payload)
        return _dump(rest) if rest["entry"] else b""

    def _pass_rest(self, rest: bytes, view: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Call the view on a request that holds, rightly signed, what was not ours."""
        signer = signer_of(request.get_data(), request.headers.get(HEADER), self._secrets)
        environ = request.environ | {
            "wsgi.input": BytesIO(rest),
            "CONTENT_LENGTH": str(len(rest)),
            "HTTP_X_HUB_SIGNATURE_256": sign(rest, signer or b""),
        }
        for stale in ("HTTP_X_HUB_SIGNATURE", "HTTP_TRANSFER_ENCODING", "werkzeug.request"):
            environ.pop(stale, None)
        with current_app._get_current_object().request_context(environ):  # type: ignore[attr-defined]
            return view(*args, **kwargs)

    def _other_method(self, view: Callable[..., Any], args: Any, kwargs: Any, began: float) -> Any:
        if request.content_length or request.headers.get("Transfer-Encoding"):
            return self._refuse(SignatureRefused("only a signed POST carries events"), began)
        only_handshake = _is_added_by_us(request.method)
        if "hub.mode" in request.args:
            answer = self.handshake()
            if only_handshake or answer.status_code == 200:
                return answer  # otherwise the view has a handshake of its own, perhaps with its own token
        return _plain("only POST\n", 405) if only_handshake else view(*args, **kwargs)

    # As the blueprint's own route

    def route(self, handler: Callable[[dict[str, Any]], Any] | None) -> Response:
        """`/webhook` for a bot that has none: each event that is not account linking goes to the handler.

        A handler that raises is logged and fails neither the batch nor the linking events.
        """
        began, this = perf_counter(), this_request()
        if this.method != "POST":
            return self.handshake()
        try:
            body, pages = self._read_request(this, for_view=False)
            payload = read_json(body)
            events = events_of(payload)
            if may_link(body):
                self._apply(payload, pages)
        except BotLinkingError as refusal:
            return self._refuse(refusal, began)
        if self._listeners:
            self._note(_result_of(events), began)
        if handler is not None:
            self._hand_on(events, handler)
        return _acknowledge()

    def _hand_on(self, events: list[dict[str, Any]], handler: Callable[[dict[str, Any]], Any]) -> None:
        for event in events:
            if KEY not in event:
                try:
                    handler(event)
                except Exception:
                    _log.exception("the bot's message handler failed")

    def handshake(self) -> Response:
        """Messenger's verification GET: the challenge back, as plain text, for the right token."""
        token = request.args.get("hub.verify_token", "").encode("utf-8", "replace")
        challenge = request.args.get("hub.challenge", "")
        known = sum(hmac.compare_digest(token, each) for each in self._verify_tokens) > 0
        if request.args.get("hub.mode") != "subscribe" or not known or not _CHALLENGE.fullmatch(challenge):
            return _plain("the verify token is not ours\n", 403)
        return _plain(challenge, 200)

    def _read_request(self, this: Request, *, for_view: bool) -> tuple[bytes, Pages]:
        body = read_body(this, LARGEST_BODY, for_others=for_view)
        return body, self._pages_of_signer(body, this.environ.get(_HEADER_IN_ENVIRON))

    def _refuse(self, refusal: BotLinkingError, began: float) -> Response:
        if refusal.slug == StoreUnavailable.slug:
            _log.error("webhook not recorded, Messenger will send it again: %s", refusal)
        self._tell(LinkingRefused(refusal.slug))
        self._note(refusal.slug, began)
        reason = "the store is not available" if refusal.slug == StoreUnavailable.slug else str(refusal)
        return _plain(reason + "\n", STATUS[refusal.slug])


def _result_of(events: list[dict[str, Any]]) -> str:
    return "linking" if any(KEY in event for event in events) else "other"


class _Added(str):
    """A method that a route has for our handshake only. It stays itself where Flask and Werkzeug put
    methods into sets and upper case, and gives way to the same method of the view's own."""

    def upper(self) -> str:
        return self


HANDSHAKE_METHODS = frozenset({_Added("GET"), "POST"})


def _is_added_by_us(method: str) -> bool:
    """Whether the view itself was never meant for this method (HEAD comes with GET)."""
    methods = (request.url_rule and request.url_rule.methods) or ()
    of_get = [each for each in methods if each == "GET"]
    return method in {"GET", "HEAD"} and any(isinstance(each, _Added) for each in of_get)


def _acknowledge() -> Response:
    return Response(b"EVENT_RECEIVED", content_type=_PLAIN)


def _plain(text: str, status: int) -> Response:
    return Response(text.encode(), status, UNKEPT, content_type=_PLAIN)


def _dump(payload: dict[str, Any]) -> bytes:
    """As Messenger writes it: ASCII, everything else escaped."""
    import json

    return json.dumps(payload, separators=(",", ":")).encode("ascii")
