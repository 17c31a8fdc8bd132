"""Chooses how a person is asked to log in: by Messenger's Log In button, or by an address for any browser.

The button works in the phone apps only, and never for pages and people under the European and Japanese
rules. Source: Europe and Japan updates; `subject_to_new_eu_privacy_rules` of the profile; 10/2018336.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bot_linking.core.errors import BotLinkingError
from bot_linking.core.links import LOGIN, WEB
from bot_linking.core.ways import Ways
from bot_linking.messenger.bots import Bots
from bot_linking.messenger.buttons import Button, ButtonOf, Message, message_with
from bot_linking.messenger.graph import GraphError
from bot_linking.translations import translate

AUTO = "auto"  # choose; LOGIN and WEB decide
UNDER_RULES = (10, 2018336)  # what Graph answers to a Log In button in such a chat
ASKED_AGAIN_MS = 86_400_000


class Choice:
    """The choice of one app. `preferred` are the ways in order of preference; `offers_web` adds a second
    button to a Log In message."""

    def __init__(
        self,
        bots: Bots,
        ways: Ways,
        *,
        base_url: str,
        login_button: ButtonOf,
        preferred: Sequence[str],
        offers_web: bool,
        now: Callable[[], int],
    ) -> None:
        self._bots = bots
        self._ways = ways
        self._base_url = base_url
        self._login_button = login_button
        self._preferred = preferred
        self._offers_web = offers_web
        self._now = now
        self._rules: dict[str | None, tuple[bool, int]] = {}

    def send(self, psid: str, page_id: str | None, text: str, locale: str, *, by: str = AUTO) -> str:
        """Ask by the way that can work, and return that way. Raises `GraphError`, and `ValueError` for a text
        that is too long."""
        if self._is_web(page_id, by):
            self._send_web(psid, page_id, text, locale)
            return WEB
        try:
            self._send(psid, page_id, self._login_message(psid, page_id, text, locale))
            return LOGIN
        except GraphError as problem:
            if by == LOGIN or (problem.code, problem.subcode) != UNDER_RULES:
                raise
            self._send_web(psid, page_id, text, locale)
            return WEB

    def message(
        self, psid: str | None, page_id: str | None, text: str, locale: str, *, by: str, **looks: str | None
    ) -> Message:
        """The message that `send` would send, for a host that sends it itself. `looks` are the title,
        subtitle and picture of a template. Without a PSID it holds the Log In button; `ValueError` where `by`
        is WEB then."""
        if by == WEB and psid is None:
            raise ValueError("by='web' needs psid=: an address is one chat's")
        if psid is None or not self._is_web(page_id, by):
            return self._login_message(psid, page_id, text, locale, **looks)
        url = self._address(psid, page_id)
        if self._is_under_rules(page_id):
            return _plain(text, url)
        return message_with(_web_button(translate(locale, "Log in"), url), text, **looks)

    def _login_message(
        self, psid: str | None, page_id: str | None, text: str, locale: str, **looks: str | None
    ) -> Message:
        message = message_with(self._login_button(page_id), text, **looks)
        if self._offers_web and psid is not None:
            button = _web_button(translate(locale, "Open in a browser"), self._address(psid, page_id))
            payload = message["attachment"]["payload"]
            payload.get("elements", [payload])[0]["buttons"].append(button)
        return message

    def _send_web(self, psid: str, page_id: str | None, text: str, locale: str) -> None:
        """Send the address as a URL button, or as plain text where the rules forbid buttons, too."""
        url = self._address(psid, page_id)
        if not self._is_under_rules(page_id):
            try:
                self._send(psid, page_id, message_with(_web_button(translate(locale, "Log in"), url), text))
                return
            except GraphError as problem:
                if (problem.code, problem.subcode) != UNDER_RULES:
                    raise
        self._send(psid, page_id, _plain(text, url))

    def _address(self, psid: str, page_id: str | None) -> str:
        return f"{self._base_url}/web/{self._ways.web_token(psid, page_id)}"

    def _is_web(self, page_id: str | None, by: str) -> bool:
        if by != AUTO:
            return by == WEB
        return self._preferred[0] == WEB or (WEB in self._preferred and self._is_under_rules(page_id))

    def _is_under_rules(self, page_id: str | None) -> bool:
        """Whether Graph says that the page is under the rules; asked once a day. False while Graph does not
        say: it refuses the button in a chat that is under them."""
        known, now = self._rules.get(page_id), self._now()
        if known is None or now - known[1] > ASKED_AGAIN_MS:
            known = self._rules[page_id] = (self._ask(page_id), now)
        return known[0]

    def _ask(self, page_id: str | None) -> bool:
        try:
            answer = self._bots.graph_of(page_id).get(
                "me/messenger_profile", fields="subject_to_new_eu_privacy_rules"
            )
        except BotLinkingError:
            return False
        rows = answer.get("data")
        row = rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else {}
        return row.get("subject_to_new_eu_privacy_rules") is True

    def _send(self, psid: str, page_id: str | None, message: Message) -> None:
        from bot_linking.messenger.send import send_with

        send_with(self._bots.of(page_id), psid, message)


def _web_button(title: str, url: str) -> Button:
    return {"type": "web_url", "title": title, "url": url}


def _plain(text: str, url: str) -> Message:
    return {"text": f"{text}\n{url}"}
