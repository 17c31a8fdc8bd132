"""How Messenger reaches the bot: where its webhook is, what it has subscribed to, and what was posted."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from . import events, safety, wire
from .events import Event
from .postman import Postman
from .state import State
from .wire import Delivery

#: What the page subscribes to at the start; the app has echoes too, in case the page wants them.
PAGE_FIELDS = ("messages", "messaging_postbacks", "messaging_account_linking")
APP_FIELDS = (*PAGE_FIELDS, "message_echoes")


class Posting(State):
    """Signs events and posts them in the background."""

    def __init__(
        self,
        webhook_url: str,
        *,
        app_secret: str | None,
        verify_token: str | None,
        retry_pauses: Sequence[float],
        **state: Any,
    ) -> None:
        super().__init__(**state)
        self.webhook_url = webhook_url
        self.app_secret = safety.require_throw_away("app_secret", app_secret or safety.throw_away())
        self.verify_token = verify_token or safety.throw_away()
        self.page_fields = list(PAGE_FIELDS)
        self.app_fields = list(APP_FIELDS)
        self._postman = Postman(self, self._touch, retry_pauses)

    @property
    def webhook_url(self) -> str:
        """Where events are posted; on this machine, and may be changed at any time."""
        return self._webhook_url

    @webhook_url.setter
    def webhook_url(self, url: str) -> None:
        self._webhook_url = safety.require_loopback_url(url)

    @property
    def deliveries(self) -> list[Delivery]:
        """What was posted to the webhook, oldest first."""
        return self._postman.deliveries

    def handshake(self) -> bool:
        """Verify the webhook as Facebook does on subscribing; True when the challenge came back."""
        return wire.shake_hands(self.webhook_url, self.verify_token, str(secrets.randbelow(10**10)))

    def _post(self, event: Event) -> Event:
        if events.FIELD_OF_KIND[events.kind_of(event)] in self._delivered_fields():
            self._postman.take(event)
        self._touch()
        return event

    def _delivered_fields(self) -> set[str]:
        return set(self.page_fields) & set(self.app_fields)

    def _switched(self, name: str) -> None:
        if name == "batch":
            self._postman.flush()
        super()._switched(name)
