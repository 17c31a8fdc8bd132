"""Who may open the operator's page, and where each of its addresses leads.

Everyone else gets the answer of an address that does not exist, with every method and on every path.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from flask import Response, request
from werkzeug.exceptions import NotFound

from bot_linking.core.events import MessageFailed, MessageSent, WebhookReceived, result_of
from bot_linking.core.hooks import Operator
from bot_linking.core.text import safe_name
from bot_linking.operators.desk import acts, keys, letters, now, people, stages
from bot_linking.operators.desk.checks import Checks
from bot_linking.operators.desk.visit import Visit
from bot_linking.signals import message_failed, message_sent, webhook_received
from bot_linking.webview.not_found import show_not_found
from bot_linking.webview.pages import Notice
from bot_linking.webview.stamps import Stamps
from bot_linking.webview.stops import STOPS, notice_of
from bot_linking.webview.viewing import Route

if TYPE_CHECKING:
    from bot_linking.installation import Installation

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
LONGEST_NAME = 64

View = Callable[[Visit], Response]

LOOKS: dict[str, View] = {
    "": now.show,
    "funnel": stages.show,
    "people": people.search,
    "person": people.show,
    "person/unlink": people.ask_unlink,
    "person/undo": people.ask_undo,
    "person/erase": people.ask_erase,
    "messages": letters.show,
    "messages/retry": letters.ask_retry,
    "messages/retry-all": letters.ask_retry_all,
    "keys": keys.show,
    "keys/create": keys.ask_create,
    "keys/revoke": keys.ask_revoke,
    "acts": acts.show,
}
ACTS: dict[str, View] = {
    "person/show": people.unmask,
    "person/unlink": people.unlink,
    "person/undo": people.undo,
    "person/erase": people.erase,
    "messages/retry": letters.retry,
    "messages/retry-all": letters.retry_all,
    "keys/create": keys.create,
    "keys/revoke": keys.revoke,
}


class Desk:
    """The operator's page of one app. `operator() -> str | None` names the operator who makes this
    request."""

    def __init__(self, here: Installation, operator: Operator) -> None:
        self._here = here
        self._operator = operator
        self._stamps = Stamps(here.settings.secret_key, here.linking.now)
        self._checks = Checks(here)
        self._watch()

    def routes(self) -> list[Route]:
        """Rule, endpoint, view, methods."""
        return [
            ("/operator", "operator", self.serve, METHODS),
            ("/operator/<path:path>", "operator_page", self.serve, METHODS),
        ]

    def serve(self, path: str = "") -> Response:
        """Any address below the operator's page."""
        pages = self._here.webview.pages
        operator = self._who()
        if operator is None:
            return show_not_found(pages, NotFound())
        visit = Visit(here=self._here, operator=operator, stamps=self._stamps, checks=self._checks)
        try:
            return self._view_of(path)(visit)
        except Notice as notice:
            return pages.notice(notice)
        except STOPS as problem:
            return pages.notice(notice_of(problem))

    def _who(self) -> str | None:
        """The operator's name; None for everyone else. Raises `TypeError` where the host returns no text."""
        operator: object = self._operator()
        if not operator:
            return None
        if not isinstance(operator, str):
            raise TypeError(f"operator returns a name or None, not {type(operator).__name__}")
        return safe_name(operator, LONGEST_NAME) or None

    @staticmethod
    def _view_of(path: str) -> View:
        is_look = request.method in ("GET", "HEAD")
        views = LOOKS if is_look else ACTS if request.method == "POST" else {}
        if path in views:
            return views[path]
        raise Notice("missing", 405 if path in LOOKS or path in ACTS else 404)

    def _watch(self) -> None:
        """Count webhooks and messages by the minute, for the charts."""
        app, count = self._here.app, self._here.funnel.pass_by

        def hear_webhook(_app: object, event: WebhookReceived) -> None:
            count("webhook", event.result)

        def hear_message(_app: object, event: MessageSent | MessageFailed) -> None:
            count("message", result_of(event))

        webhook_received.connect(hear_webhook, sender=app)
        message_sent.connect(hear_message, sender=app)
        message_failed.connect(hear_message, sender=app)
