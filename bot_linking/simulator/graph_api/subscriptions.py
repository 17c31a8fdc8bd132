"""Which fields the webhook gets: those that both the page and the app subscribe to.

On both levels a write replaces the list: Facebook merges nothing.
"""

from __future__ import annotations

from .. import safety
from .call import Fields, GraphRequest, Messenger, comma_separated, unknown_path
from .errors import GraphError, refused


class Subscriptions:
    """Answers calls to ``/<page id>/subscribed_apps`` and ``/<app id>/subscriptions``."""

    def __init__(self, messenger: Messenger) -> None:
        self._messenger = messenger

    def read_page(self, call: GraphRequest) -> Fields:
        """Return the app with the page's fields; nothing when the page has unsubscribed."""
        fields = self._messenger.page_fields
        app = {
            "category": "Business",
            "name": "Simulated app",
            "id": self._messenger.app_id,
            "subscribed_fields": list(fields),
        }
        return {"data": [app] if fields else []}

    def write_page(self, call: GraphRequest) -> Fields:
        """Subscribe the page to these fields and to no others."""
        refuse_without_permission(self._messenger)
        fields = comma_separated(call.get("subscribed_fields"))
        if not fields:
            raise refused("The parameter subscribed_fields is required")
        self._messenger.page_fields = list(dict.fromkeys(fields))
        return {"success": True}

    def clear_page(self, call: GraphRequest) -> Fields:
        """Unsubscribe the page."""
        refuse_without_permission(self._messenger)
        self._messenger.page_fields = []
        return {"success": True}

    def answer_app(self, call: GraphRequest, version: str) -> Fields:
        """Read, write or delete the app's subscription to its page."""
        if call.method == "GET":
            return self._read_app(version)
        refuse_without_permission(self._messenger)
        if call.get("object") != "page":
            raise refused("The parameter object must be page")
        if call.method == "DELETE":
            self._messenger.app_fields = []
        elif call.method == "POST":
            self._write_app(call)
        else:
            raise unknown_path(call)
        return {"success": True}

    def _read_app(self, version: str) -> Fields:
        fields = [{"name": name, "version": version} for name in self._messenger.app_fields]
        page = {
            "object": "page",
            "callback_url": self._messenger.webhook_url,
            "active": True,
            "fields": fields,
        }
        return {"data": [page] if fields else []}

    def _write_app(self, call: GraphRequest) -> None:
        """Verify the callback as Facebook does, then replace address and fields."""
        fields, callback = comma_separated(call.get("fields")), str(call.get("callback_url") or "")
        if not fields or not callback:
            raise refused("The parameters callback_url and fields are required")
        if not safety.is_loopback_url(callback):
            raise refused("The simulator posts to loopback addresses only")
        verify_token = call.get("verify_token")
        if not self._messenger.handshake(callback, None if verify_token is None else str(verify_token)):
            raise GraphError(2200, "(#2200) Callback verification failed: the challenge did not come back")
        self._messenger.webhook_url = callback
        self._messenger.app_fields = list(dict.fromkeys(fields))


def refuse_without_permission(messenger: Messenger) -> None:
    """Raise ``GraphError`` when the switch says that the token lacks the permission to change the page."""
    if messenger.switches.missing_permission:
        message = "(#200) Requires pages_manage_metadata permission to manage the object"
        raise GraphError(200, message, status=403)
