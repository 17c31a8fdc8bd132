"""What a person does in Messenger, and which event Messenger sends the bot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import events
from .arrivals import Arrivals
from .events import Event
from .login import Outcome, bare_url, opened_url, read_return
from .tokens import TokenState


class Acts(Arrivals):
    """Each method takes the PSID of the person who acts, and raises ``ValueError`` for an unknown one."""

    def say(self, psid: str, text: str) -> Event:
        """Let the person write ``text``; returns the event, which is delivered in the background."""
        self._act(psid, text)
        return self._post(events.message_event(psid, self.page_id, self._stamp(), text))

    def tap(self, psid: str, button: Mapping[str, Any]) -> Event | str | None:
        """Let the person tap a button, a quick reply or an item of the menu.

        A postback, a quick reply and Log Out return the event (``None`` from Log Out when nothing was
        linked); a link and Log In return the URL that opens. Raises ``ValueError`` for any other button.
        """
        person = self._known(psid)
        kind = button.get("type") or (
            "quick_reply" if "payload" in button or "content_type" in button else None
        )
        if kind == "postback":
            return self._tap_postback(psid, str(button["title"]), str(button["payload"]))
        if kind == "quick_reply":
            asked = button.get("content_type")
            given = {"user_email": person.email, "user_phone_number": person.phone_number}.get(str(asked))
            title = given or str(button.get("title", ""))
            return self._tap_quick_reply(psid, title, given or str(button["payload"]))
        if kind == "account_unlink":
            return self.unlink(psid)
        if kind == "account_link":
            return self.open_login(psid, str(button["url"]))
        if kind == "web_url":
            return str(button["url"])
        raise ValueError(f"there is no button of type {kind!r}")

    def open_login(self, psid: str, button_url: str) -> str:
        """Let the person tap Log In; returns the URL that Messenger opens, its token good for five minutes.

        The token comes first and ``redirect_uri`` second, after the query of the button's own URL. A
        desktop opens the button's URL as it is.
        """
        if self._known(psid).device == "desktop":
            return bare_url(button_url)
        return opened_url(button_url, token=self.tokens.mint(psid), messenger_url=self.url)

    def return_to(self, url: str) -> Outcome:
        """Let the browser come back to ``redirect_uri``, with or without an ``authorization_code`` added.

        With a code and a live token the signed ``linked`` event goes out. Raises ``ValueError`` for a URL
        that is not the simulator's return address: Facebook would not see it.
        """
        token, code = read_return(url, messenger_url=self.url)
        return self.finish_login(token, code)

    def finish_login(self, token: str, code: str) -> Outcome:
        """End a login: what the return address does with the two parameters in its query."""
        if not code:
            return Outcome.CANCELLED
        if self.switches.expired_linking_token:
            return Outcome.EXPIRED
        if not self._is_delivered("linked"):
            return Outcome.UNSUBSCRIBED  # Facebook's page says that linking failed, and posts nothing
        state, psid = self.tokens.use(token)
        if state is not TokenState.LIVE:
            return Outcome(state.value)
        if self.person(psid) is None:  # forgotten since the token was minted
            return Outcome.UNKNOWN
        self.link(psid, code)
        return Outcome.LINKED

    def link(self, psid: str, code: str) -> Event:
        """Link the person as at the end of a login, with this ``authorization_code``; returns the event."""
        self._mark_linked(psid)
        return self._post(events.linked_event(psid, self.page_id, self._stamp(), code=code))

    def unlink(self, psid: str) -> Event | None:
        """Unlink the person, as Log Out and ``unlink_accounts`` do; returns the event, if any was due."""
        if not self._mark_unlinked(psid):
            return None
        return self._post(events.unlinked_event(psid, self.page_id, self._stamp()))

    def opt_in(self, psid: str, ref: str = "") -> Event:
        """Let the person agree on a site to be written to: an ``optin`` event, which opens the chat."""
        self._open(psid)
        return self._post(events.optin_event(psid, self.page_id, self._stamp(), ref=ref))

    def read(self, psid: str) -> Event:
        """Let the person read what the bot has written. It does not open the 24 hours: nothing was said."""
        self._known(psid)
        return self._post(events.read_event(psid, self.page_id, self._stamp()))

    def reach(self, psid: str) -> Event:
        """Let the bot's messages arrive on the person's device."""
        mids = [sent["mid"] for sent in self.messages(psid) if sent["mid"]]
        return self._post(events.delivery_event(psid, self.page_id, self._stamp(), mids=mids))

    # --- inside

    def _tap_quick_reply(self, psid: str, title: str, payload: str) -> Event:
        self._act(psid, title)
        return self._post(events.message_event(psid, self.page_id, self._stamp(), title, payload=payload))
