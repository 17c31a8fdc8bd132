"""What Facebook sends beside webhooks: a request to delete a person's data, and a deauthorization."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from . import safety, wire
from .acts import Acts
from .exchange import Exchange
from .signed_request import ALGORITHM, sign_request
from .wire import Answer

#: Seconds from ``issued_at`` to ``expires`` in a request to delete.
_EXPIRES = 3600


class Callbacks(Acts):
    """Each callback is a form with one field, ``signed_request``, whose ``user_id`` is app-scoped: no PSID.

    The addresses are those of bot_linking on the webhook's host, unless they are set to others of this
    machine.
    """

    _deletion_url: str | None = None
    _deauthorize_url: str | None = None

    @property
    def deletion_url(self) -> str:
        """Where requests to delete are sent. In the app's dashboard: the data deletion callback."""
        return self._deletion_url or self._beside_the_webhook("data-deletion")

    @deletion_url.setter
    def deletion_url(self, url: str) -> None:
        self._deletion_url = safety.require_loopback_url(url)

    @property
    def deauthorize_url(self) -> str:
        """Where deauthorizations are sent. In the app's dashboard: the deauthorize callback."""
        return self._deauthorize_url or self._beside_the_webhook("deauthorize")

    @deauthorize_url.setter
    def deauthorize_url(self, url: str) -> None:
        self._deauthorize_url = safety.require_loopback_url(url)

    def ask_deletion(self, psid: str, **changes: Any) -> Answer:
        """Let the person ask Facebook to have the app delete their data; returns what the bot answered.

        Each of ``changes`` replaces a field of the payload (``user_id``, ``algorithm``, ``issued_at``,
        ``expires``), and ``None`` leaves it out.
        """
        payload = {**self._about(psid), "expires": int(self.clock()) + _EXPIRES, **changes}
        return self._call_back("deletion", self.deletion_url, payload, psid)

    def deauthorize(self, psid: str, **changes: Any) -> Answer:
        """Let the person remove the app; like ``ask_deletion``, with no ``expires``."""
        return self._call_back("deauthorize", self.deauthorize_url, {**self._about(psid), **changes}, psid)

    # --- inside

    def _beside_the_webhook(self, name: str) -> str:
        return f"{safety.origin_of(self.webhook_url)}/linking/{name}"

    def _about(self, psid: str) -> dict[str, Any]:
        now = int(self.clock())
        return {"user_id": self._known(psid).asid, "algorithm": ALGORITHM, "issued_at": now}

    def _call_back(self, kind: str, url: str, payload: dict[str, Any], psid: str) -> Answer:
        given = {name: value for name, value in payload.items() if value is not None}
        secret = f"not-{self.app_secret}" if self.switches.wrong_signature else self.app_secret
        body = urlencode({"signed_request": sign_request(given, secret)})
        headers = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "facebookexternalua"}
        at, answer = self.clock(), wire.post(url, body.encode(), headers)
        exchange = Exchange("POST", url, headers, body)
        self.wire.note_callback(kind, exchange, answer, at=at, psid=psid)
        return answer
