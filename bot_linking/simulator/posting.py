"""How Messenger reaches the bot: its webhook's address, its subscriptions, and what was posted."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any, TextIO

from . import events, safety, wire
from .events import Event
from .state import State
from .webhook_queue import WebhookQueue
from .wire import Delivery
from .wirelog import WireLog

#: The subscriptions of page and app at the start. The app has more, so that the page alone can add one.
PAGE_FIELDS = ("messages", "messaging_postbacks", "messaging_account_linking", "messaging_referrals")
APP_FIELDS = (*PAGE_FIELDS, "message_echoes", "message_deliveries", "message_reads", "messaging_optins")


class Posting(State):
    """Signs events and posts them in the background."""

    def __init__(
        self,
        webhook_url: str,
        *,
        app_secret: str | None,
        verify_token: str | None,
        retry_pauses: Sequence[float],
        wire_out: TextIO | None,
        **state: Any,
    ) -> None:
        super().__init__(**state)
        self.webhook_url = webhook_url
        self.app_secret = safety.require_throw_away("app_secret", app_secret or safety.throw_away())
        self.verify_token = verify_token or safety.throw_away()
        self.page_fields = list(PAGE_FIELDS)
        self.app_fields = list(APP_FIELDS)
        self.wire = WireLog(self._touch, wire_out)
        self._queue = WebhookQueue(self, self.wire.note_delivery, self._touch, retry_pauses)

    @property
    def webhook_url(self) -> str:
        """Where events are posted: an address of this machine, which may be changed at any time."""
        return self._webhook_url

    @webhook_url.setter
    def webhook_url(self, url: str) -> None:
        self._webhook_url = safety.require_loopback_url(url)

    @property
    def deliveries(self) -> list[Delivery]:
        """What was posted to the webhook, oldest first."""
        return self._queue.deliveries

    def handshake(self, url: str | None = None, verify_token: str | None = None) -> bool:
        """Verify the webhook as Facebook does on subscribing; True when the challenge came back."""
        token = self.verify_token if verify_token is None else verify_token
        return wire.shake_hands(url or self.webhook_url, token, str(secrets.randbelow(10**10)))

    def post_again(self, line_id: str, body: str | None = None) -> None:
        """Post a webhook of the wire log once more, or another body in its place, signed anew.

        Raises ``KeyError`` when there is no such webhook any more, ``ValueError`` when ``body`` is not JSON.
        """
        line = self.wire.line(line_id)
        if line is None or not line_id.startswith("w"):
            raise KeyError(line_id)
        data = (line.exchange.body if body is None else body).encode()
        self._queue.take_body(data, events.events_in(data))

    def _post(self, event: Event) -> Event:
        if self._is_delivered(events.kind_of(event)):
            self._queue.take(event)
        self._touch()
        return event

    def _is_delivered(self, kind: str) -> bool:
        """Tell whether page and app both subscribe to events of that kind."""
        return events.FIELD_OF_KIND[kind] in set(self.page_fields) & set(self.app_fields)

    def _switched(self, name: str) -> None:
        if name == "batch":
            self._queue.flush()
        super()._switched(name)
