"""What a person does in Messenger, and what Messenger tells the bot of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import events
from .events import Event
from .login import Outcome, opened_url, read_return
from .posting import Posting
from .tokens import TokenState


class Acts(Posting):
    """Each act takes the PSID of the person who acts, and raises ``ValueError`` for one that is not here."""

    def say(self, psid: str, text: str) -> Event:
        """Let the person write ``text``; returns the event, which is delivered in the background."""
        self._act(psid, text)
        return self._post(events.message_event(psid, self.page_id, self._stamp(), text))

    def tap(self, psid: str, button: Mapping[str, Any]) -> Event | str | None:
        """Let the person tap a button or a quick reply that the bot sent.

        A postback, a quick reply and Log Out return the event (``None`` from Log Out when nothing was
        linked); a link and Log In return the URL that opens. Raises ``ValueError`` for any other button.
        """
        self._known(psid)
        kind = button.get("type") or ("quick_reply" if "payload" in button else None)
        if kind == "postback":
            return self._tap_postback(psid, str(button["title"]), str(button["payload"]))
        if kind == "quick_reply":
            return self._tap_quick_reply(psid, str(button.get("title", "")), str(button["payload"]))
        if kind == "account_unlink":
            return self.unlink(psid)
        if kind == "account_link":
            return self.open_login(psid, str(button["url"]))
        if kind == "web_url":
            return str(button["url"])
        raise ValueError(f"there is no button of type {kind!r}")

    def open_login(self, psid: str, button_url: str) -> str:
        """Let the person tap Log In; returns the URL that Messenger opens, its token good for five minutes.

        The token comes first and ``redirect_uri`` second, after whatever query the button's own URL has.
        """
        self._known(psid)
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
        if "messaging_account_linking" not in self._delivered_fields():
            return Outcome.UNSUBSCRIBED  # Facebook's page says that linking failed, and posts nothing
        state, psid = self.tokens.use(token)
        if state is not TokenState.LIVE:
            return Outcome(state.value)
        self._mark_linked(psid)
        self._post(events.linked_event(psid, self.page_id, self._stamp(), code=code))
        return Outcome.LINKED

    def unlink(self, psid: str) -> Event | None:
        """Unlink the person, as Log Out and ``unlink_accounts`` do; returns the event, if any was due."""
        if not self._mark_unlinked(psid):
            return None
        return self._post(events.unlinked_event(psid, self.page_id, self._stamp()))

    @property
    def url(self) -> str:
        """The address of the chat page and of the Graph API, without a slash at the end."""
        raise RuntimeError("the address is known once the simulator has been started")

    # --- inside

    def _tap_postback(self, psid: str, title: str, payload: str) -> Event:
        self._act(psid, title)
        event = events.postback_event(psid, self.page_id, self._stamp(), title=title, payload=payload)
        return self._post(event)

    def _tap_quick_reply(self, psid: str, title: str, payload: str) -> Event:
        self._act(psid, title)
        return self._post(events.message_event(psid, self.page_id, self._stamp(), title, payload=payload))

    def _act(self, psid: str, words: str) -> None:
        """Note what the person wrote or tapped: it opens the page's 24 hours anew."""
        with self._changed:
            chat = self._chat(psid)
            chat.acted_at = self.clock()
            chat.talk.add_words(chat.acted_at, words)
