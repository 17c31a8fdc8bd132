"""Sends a new Log In button to the chat, for a person whose page has expired or was left."""

from __future__ import annotations

from bot_linking.core.linking import Linking
from bot_linking.core.links import LOGIN
from bot_linking.doors.throttle import TooManyAttempts
from bot_linking.webview.admission import Admission
from bot_linking.webview.browser import Browser
from bot_linking.webview.pages import Notice
from bot_linking.webview.tickets import Ticket

MAX_AGE_MS = 86_400_000  # after a day the person no longer waits for the button
OFFERED_WITH = frozenset({"expired", "left"})


class NewButtons:
    """The new buttons of one app. A button goes to the chat that Messenger named for the login. Only the
    browser that had the login's page can ask for it."""

    def __init__(self, linking: Linking, browser: Browser, admission: Admission) -> None:
        self._linking = linking
        self._browser = browser
        self._admission = admission

    def offer(self, notice: Notice) -> str | None:
        """The ticket of the form that asks for a new button. None unless the login's chat is known and this
        browser had its page."""
        ticket = notice.ticket
        if ticket is None or notice.name not in OFFERED_WITH or _chat_of(ticket) is None:
            return None
        return self._browser.signed(ticket) if self._browser.had_page_of(ticket) else None

    def send(self) -> str:
        """Queue the button. Returns the address that leads back to Messenger. Raises `Notice`."""
        ticket = self._browser.ticket(max_age_ms=MAX_AGE_MS)
        chat = _chat_of(ticket)
        if chat is None:
            raise Notice("expired", back=ticket.return_url)
        if not self._browser.had_page_of(ticket):
            raise Notice("elsewhere", back=ticket.return_url)
        try:
            self._admission.count_button(*chat)
        except TooManyAttempts as limit:
            raise Notice("many", 429, back=ticket.return_url, retry_after=limit.retry_after) from None
        self._linking.queue(*chat, "prompt", None)
        return ticket.return_url


def _chat_of(ticket: Ticket) -> tuple[str, str] | None:
    """Page and PSID of a login by the Log In button. The address of another way may have been forwarded to a
    person who is not in the chat."""
    if ticket.way != LOGIN or ticket.page_id is None or ticket.psid is None:
        return None
    return ticket.page_id, ticket.psid
