"""How a person comes into the chat: by an m.me link, by Get Started, or by the menu of an open chat."""

from __future__ import annotations

from typing import Any

from . import events
from .events import Event
from .extensions import Extensions
from .links import read_link
from .posting import Posting

NO_GET_STARTED = "Came by a link whose ref is lost: the page has no Get Started button"


class Arrivals(Posting, Extensions):
    """Each method takes the PSID of the person who comes, and raises ``ValueError`` for an unknown one."""

    def follow(self, psid: str, url: str) -> Event | None:
        """Let the person open an m.me link, or scan it as a QR code.

        In a chat that has begun, the bot gets an event with the ``ref``, which is returned. A newcomer sees
        Get Started first, and ``get_started`` carries the ``ref``; without a Get Started button it is lost,
        as in Messenger. Raises ``ValueError`` for an address that is not an m.me link of this page.
        """
        page, ref = read_link(url, messenger_url=self.url)
        if not self.is_called(page):
            raise ValueError(f"this link leads to another page, {page!r}")
        if self._note_arrival(psid, ref) or ref is None:
            return None
        self._open(psid)
        return self._post(events.referral_event(psid, self.page_id, self._stamp(), ref=ref))

    def is_called(self, page: str) -> bool:
        """Tell whether an m.me link with this name or id leads to the page."""
        return page.lower() in (self.page_id, self.page_username.lower())

    def can_get_started(self, psid: str) -> bool:
        """Tell whether the chat shows Get Started: to a newcomer, where the page has the button."""
        with self._changed:
            return self._chat(psid).acted_at is None and "get_started" in self.profile

    def get_started(self, psid: str) -> Event:
        """Let a newcomer tap Get Started: a postback with the page's payload, and the ``ref`` of the link.

        Raises ``ValueError`` where the chat does not show it.
        """
        if not self.can_get_started(psid):
            raise ValueError("there is no Get Started button: the chat has begun, or the page has none")
        with self._changed:
            ref = self._chat(psid).came_by
        return self._tap_postback(psid, "Get Started", str(self.profile["get_started"]["payload"]), ref=ref)

    def menu(self, psid: str) -> list[dict[str, Any]]:
        """Return the items of the persistent menu as this person sees it; each may be given to ``tap``."""
        locale = self._known(psid).locale
        menus = {menu["locale"]: menu for menu in self.profile.get("persistent_menu", ())}
        found = menus.get(locale) or menus.get("default") or {}
        return [dict(item) for item in found.get("call_to_actions", ())]

    # --- inside

    def _note_arrival(self, psid: str, ref: str | None) -> bool:
        """Note in the chat how the person came; returns whether the person is new."""
        with self._changed:
            chat = self._chat(psid)
            is_new = chat.acted_at is None
            if is_new:
                chat.came_by = ref
            lost = is_new and ref and "get_started" not in self.profile
            chat.talk.add_note(self.clock(), NO_GET_STARTED if lost else "Came by a link")
        self._touch()
        return is_new

    def _tap_postback(self, psid: str, title: str, payload: str, ref: str | None = None) -> Event:
        self._act(psid, title)
        return self._post(
            events.postback_event(psid, self.page_id, self._stamp(), title=title, payload=payload, ref=ref)
        )

    def _act(self, psid: str, words: str) -> None:
        """Note what the person wrote or tapped. It opens the page's 24 hours again."""
        self._open(psid)
        with self._changed:
            self._talk(psid).add_words(self.clock(), words)

    def _open(self, psid: str) -> None:
        with self._changed:
            chat = self._chat(psid)
            chat.acted_at, chat.came_by = self.clock(), None
