"""Handles a webhook without a framework: verify the raw bytes, read, act, answer; in this order.

The answer is 200 only after the commit, and 5xx only when an event could not be recorded: Messenger sends it
again then. Events that are not account linking are left for the bot as they came.
"""

from __future__ import annotations

import hmac
import logging
import re
from collections.abc import Mapping, Sequence, Sized
from contextlib import suppress
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from bot_linking.core.conflicts import PolicyFailed
from bot_linking.core.errors import (
    BotLinkingError,
    PayloadTooLarge,
    PayloadUnreadable,
    SignatureRefused,
    StoreUnavailable,
)
from bot_linking.core.events import LinkingRefused, WebhookReceived
from bot_linking.core.linking import Linking
from bot_linking.core.log_throttle import log_sparingly
from bot_linking.core.ports import Tell
from bot_linking.core.reading import read_json
from bot_linking.delivery.waiting import Waiting
from bot_linking.doors.charset import CharsetRefused, in_utf_8
from bot_linking.messenger.chat import Chat
from bot_linking.messenger.events import (
    NOTHING_OF_OURS,
    AllowedPages,
    Batch,
    Event,
    chat_events,
    is_of,
    mentions_ours,
    sort_events,
    without,
)
from bot_linking.messenger.pages import Pages
from bot_linking.messenger.senders import people_in
from bot_linking.messenger.signature import HEADER
from bot_linking.messenger.signers import Signers

LARGEST_BODY = 1 << 20  # a batch of 1,000 events is about a tenth of it

STATUS = {
    SignatureRefused.slug: 403,
    PayloadTooLarge.slug: 413,
    PayloadUnreadable.slug: 400,
    CharsetRefused.slug: 415,
    StoreUnavailable.slug: 503,
    PolicyFailed.slug: 503,
}
UNFORESEEN = 500  # of any other refusal: nothing was recorded, and Messenger sends the events again
SENTENCES = {503: "the store is not available", UNFORESEEN: "the events could not be recorded"}
RETRY_AFTER_S = 5
RECEIVED = "EVENT_RECEIVED"

_HEADERS = {
    "Content-Type": "text/plain; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
_HANDSHAKE = ("mode", "verify_token", "challenge")
_CHALLENGE = re.compile(r"[A-Za-z0-9_.\-]{1,256}")
_log = logging.getLogger("bot_linking.webhook")


@dataclass(frozen=True, slots=True)
class Answer:
    """What to answer Messenger, for any framework: `status`, `body` and `headers`. `events` are the events
    left for the bot, in order, and `payload` is the webhook that holds them; both are empty after a
    refusal."""

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=_HEADERS.copy)
    events: Sequence[Event] = field(default=(), repr=False)
    payload: Mapping[str, Any] = field(default_factory=dict, repr=False)


def read_payload(body: bytes, content_type: str | None) -> Any:
    """The JSON of a webhook, in the charset that it declares. Raises `PayloadUnreadable` and
    `CharsetRefused`."""
    return read_json(in_utf_8(body, content_type))


class Inbox:
    """One app's webhook. `pages` gives the app secrets of the pages that are served now. `listeners` are the
    receivers of `webhook_received`: without any, the signal costs nothing."""

    def __init__(
        self,
        linking: Linking,
        *,
        pages: Pages,
        tell: Tell,
        chat: Chat,
        listeners: Sized,
        waiting: Waiting,
    ) -> None:
        self._waiting = waiting
        self._chat = chat
        self._linking = linking
        self._pages = pages
        self._signers = Signers(pages)
        self._tell = tell
        self._listeners = listeners

    def take(
        self,
        body: bytes,
        signature: str | None,
        began: float,
        *,
        content_type: str | None = None,
        whole: bool = True,
    ) -> Batch:
        """Act on our events in these bytes, and sort the others.

        With `whole=False` a body that can hold no event of ours is not parsed: `NOTHING_OF_OURS`. `began` is
        the `perf_counter` at the request's start; `content_type` may declare a charset. Raises
        `SignatureRefused`, `PayloadTooLarge`, `PayloadUnreadable`, `CharsetRefused` and `StoreUnavailable`;
        hand them to `refuse`.
        """
        signer = self.signer_of(body, signature)
        waits = self._waiting.is_any()
        may_be_ours = mentions_ours(body)
        if not whole and not may_be_ours:
            batch = NOTHING_OF_OURS
            if waits:
                self._meet_in(body, content_type, signer)
        else:
            payload = read_payload(body, content_type)
            pages = self._pages.pages_by_secret().get(signer, ())
            batch = sort_events(payload, pages)
            if may_be_ours and not is_of(payload, pages):
                self._pages.refresh_together()  # or events of a page that was just added would be lost
                pages = self._pages.pages_by_secret().get(signer, ())
                batch = sort_events(payload, pages)
            if may_be_ours:
                self._apply(batch)
            if waits:
                self._meet(payload, batch, pages)
            if may_be_ours:
                batch = self._without_ours(batch, pages)._replace(signer=signer)
        if self._listeners:
            self._note("linking" if batch.holds_ours else "other", began)
        return batch

    def _meet_in(self, body: bytes, content_type: str | None, signer: bytes) -> None:
        """Look for people in a body of the bot's alone, which may be of any form."""
        with suppress(BotLinkingError):
            payload = read_payload(body, content_type)
            self._meet(payload, sort_events(payload, ()), self._pages.pages_by_secret().get(signer, ()))

    def _meet(self, payload: dict[str, Any], batch: Batch, pages: AllowedPages) -> None:
        if payload.get("object") == "page":
            people = people_in(batch.others, pages)
            if people:
                self._waiting.meet(people)

    def _without_ours(self, batch: Batch, pages: AllowedPages) -> Batch:
        """Handle what people typed or tapped for linking. The batch without those events."""
        events = chat_events(batch, pages)
        taken = {id(event) for event, page_id, psid in events if self._chat.take(event, page_id, psid)}
        return without(batch, taken) if taken else batch

    def signer_of(self, body: bytes, signature: str | None) -> bytes:
        """The app secret that signed these bytes. Raises `SignatureRefused`; `PayloadTooLarge` before
        hashing."""
        if len(body) > LARGEST_BODY:
            raise PayloadTooLarge(f"the body is larger than {LARGEST_BODY} bytes")
        secret = self._signers.find(body, signature)
        if secret is None:
            self._pages.require_all()
            raise SignatureRefused(f"no valid {HEADER}")
        return secret

    def _apply(self, batch: Batch) -> None:
        if batch.passed_over:
            self._tell(LinkingRefused("event_not_ours"))
            text = "%d account linking event(s) passed over: malformed or of another page"
            log_sparingly(_log, logging.WARNING, f"passed over {id(self)}", text, batch.passed_over)
        if batch.linking:
            self._linking.receive(batch.linking)

    def refuse(self, refusal: BotLinkingError, began: float) -> Answer:
        """Tell the refusal to the signals, and return the answer: 500 for a slug that `STATUS` lacks."""
        status = STATUS.get(refusal.slug, UNFORESEEN)
        if status >= 500:
            text = "webhook not recorded, Messenger will send it again: %s"
            log_sparingly(_log, logging.ERROR, f"webhook {id(self)}", text, refusal)
        self._tell(LinkingRefused(refusal.slug))
        if self._listeners:
            self._note(refusal.slug, began)
        return _refusal(status, SENTENCES.get(status, str(refusal)))

    def _note(self, result: str, began: float) -> None:
        self._tell(WebhookReceived(result, perf_counter() - began))

    def handshake(self, query: Mapping[str, Any]) -> Answer:
        """Answer Messenger's verification GET: the challenge as plain text, when the verify token is
        right. 503 for a token that may be an added page's which could not be read yet."""
        mode, token, challenge = (_only(query, f"hub.{name}") for name in _HANDSHAKE)
        given = token.encode("utf-8", "replace")
        known = sum(hmac.compare_digest(given, each) for each in self._pages.verify_tokens()) > 0
        if known and mode == "subscribe" and _CHALLENGE.fullmatch(challenge):
            return Answer(200, challenge)
        try:
            self._pages.require_all()
        except StoreUnavailable:
            return _refusal(503, SENTENCES[503])
        return _refusal(403, "the verify token is not ours")


def _refusal(status: int, sentence: str) -> Answer:
    headers = _HEADERS | ({"Retry-After": str(RETRY_AFTER_S)} if status == 503 else {})
    return Answer(status, f"{sentence}\n", headers)


def _only(query: Mapping[str, Any], name: str) -> str:
    """The parameter's text, also from a list of one; anything else counts as missing, so that no framework's
    choice between two of the same name matters."""
    value = query.getlist(name) if hasattr(query, "getlist") else query.get(name)
    if isinstance(value, (list, tuple)) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, str) else ""
