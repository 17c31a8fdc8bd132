"""The other ways to link, as a person walks them: a web link, the menu, an m.me link."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from bot_linking.testing.pages import forms_of
from bot_linking.testing.visitor import Visitor

if TYPE_CHECKING:
    import requests

_DIGITS = re.compile(r"(?<!\d)(\d{3}) ?(\d{3})(?!\d)")
_ADDRESS = re.compile(r"https?://[^\s\"'<>]+")


class Ways(Visitor):
    """The steps of the other ways, which `LinkingWalk` inherits."""

    # From the chat to any browser

    def open_web_link(self, psid: str, part: str = "/web/") -> requests.Response:
        """Open the newest address in the person's chat that has `part` in it; waits for one to come."""
        return self.visit(self._awaited(f"no address with {part}", lambda: self._address(psid, part)))

    def digits(self) -> str:
        """The six digits that the page shows; `LookupError` when it shows none."""
        words = unescape(re.sub(r"<[^>]*>", " ", self.page.text)).split()
        found = _DIGITS.search(" ".join(words))
        if found is None:
            raise LookupError(f"no six digits on the page {self.page.url}")
        return "".join(found.groups())

    def type_digits(self, psid: str) -> None:
        """Say the digits of the page in the chat."""
        self._messenger.say(psid, self.digits())

    # From the persistent menu

    def open_menu(self, psid: str, title: str | None = None) -> requests.Response:
        """Tap the item of this title in the menu, by default the first that opens a page of Extensions."""
        for item in self._messenger.menu(psid):
            if title == item["title"] or (title is None and item.get("messenger_extensions") is True):
                return self.visit(str(self._messenger.tap(psid, item)))
        raise LookupError(f"the menu has no {title or 'page of Messenger Extensions'}")

    def prove_by_context(self, psid: str, **changes: Any) -> requests.Response:
        """Do what the page's script does with `getContext`: send its form with a `signed_request`.

        `changes` bend the request, as in `Simulator.signed_request`.
        """
        for form in forms_of(self.page.text):
            if "signed_request" in form.fields:
                signed = self._messenger.signed_request(psid, **changes)
                return self.post(
                    urljoin(self.page.url, form.action), {**form.fields, "signed_request": signed}
                )
        raise LookupError(f"no form for a signed_request on the page {self.page.url}")

    # From the site to the chat

    def arrive(self, psid: str, url: str) -> None:
        """Open an m.me link; a newcomer taps Get Started as well."""
        self._messenger.follow(psid, url)
        if self._messenger.can_get_started(psid):
            self._messenger.get_started(psid)

    def m_me_link(self) -> str:
        """The m.me address on the page; `LookupError` when there is none."""
        for address in _ADDRESS.findall(self.page.text):
            if "/m.me/" in address:
                return unescape(address)
        raise LookupError(f"no m.me link on the page {self.page.url}")

    def reply(self, psid: str, title: str) -> None:
        """Tap the quick reply of this title under the newest message that has it; waits for one to come."""
        self._messenger.tap(
            psid, self._awaited(f"no quick reply {title}", lambda: self._quick_reply(psid, title))
        )

    # Inside

    def _awaited(self, otherwise: str, find: Any) -> Any:
        if not self._messenger.wait_until(find):
            raise LookupError(otherwise)
        return find()

    def _address(self, psid: str, part: str) -> str | None:
        for sent in reversed(self._messenger.messages(psid)):
            for text in _texts(sent.get("message")):
                for address in _ADDRESS.findall(text):
                    if part in address:
                        return str(address)
        return None

    def _quick_reply(self, psid: str, title: str) -> dict[str, Any] | None:
        for sent in reversed(self._messenger.messages(psid)):
            for reply in (sent.get("message") or {}).get("quick_replies", ()):
                if reply.get("title") == title:
                    return dict(reply)
        return None


def _texts(value: Any) -> Iterator[str]:
    """Every text in a message, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
