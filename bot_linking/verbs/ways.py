"""The verbs of the other ways to link: addresses for any browser, and from the site to the chat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bot_linking.core.funnel import Reached
from bot_linking.core.links import WEB, Account
from bot_linking.core.reading import require_storable
from bot_linking.core.ways import PREFIX, shown
from bot_linking.messenger.buttons import Message
from bot_linking.messenger.erasure import PAYLOAD
from bot_linking.messenger.m_me import m_me
from bot_linking.messenger.replies import with_replies
from bot_linking.translations import translate
from bot_linking.verbs.registered import Registered
from bot_linking.webview.qr import qr_code


@dataclass(frozen=True, slots=True)
class ChatLink:
    """A way from the site into the chat, good for a quarter of an hour and one chat.

    `url` opens the chat (`https://m.me/...?ref=...`). `code` may be typed in the chat instead
    (`LINK 7K4Q-9P2M`). `svg` is the address as a QR code, an inline SVG element.
    """

    url: str
    code: str
    svg: str


class LinkWays(Registered):
    """Web links, chat links, the menu's button, and erasure from the chat."""

    def web_link(self, psid: str, page_id: str | None = None, resume: Any = None) -> str:
        """An address that links this chat from any browser, within a quarter of an hour.

        The person signs in there, and types into the chat six digits that the page shows. `resume` comes back
        with the linked event. Raises `PageUnknown`, and `ValueError` for an id that is no Unicode text.
        """
        require_storable(psid=psid, page_id=page_id)
        here = self._here()
        if resume is not None:
            here.linking.remember(psid, resume, page_id)
        address = f"{here.base_url}/web/{here.ways.web_token(psid, page_id)}"
        here.funnel.reach(Reached.PROMPTED, WEB, page_id)
        return address

    def chat_link(self, account: Account, resume: Any = None, page_id: str | None = None) -> ChatLink:
        """An address, a QR code and a code to type, each of which can link a chat to this account.

        The chat is asked first, and only its answer links. With several pages name one by `page_id`, or
        `PageUnknown` is raised.
        """
        here = self._here()
        page = page_id or here.linking.only_page()
        made = here.ways.make_chat_link(account, page, resume=resume)
        url = m_me(here.name_of_page(page), ref=PREFIX + made.token)
        return ChatLink(url, shown(made.code), qr_code(url))

    def menu_button(self, title: str | None = None) -> dict[str, Any]:
        """The button for the persistent menu and for URL buttons: it opens our `/menu` page in Messenger's
        webview, where Messenger says who the person is. `ValueError` without `BOT_LINKING_APP_ID`, and for a
        title that is empty or over 20 characters. Source: Messenger Extensions.
        """
        here = self._here()
        if here.settings.app_id is None:
            raise ValueError("menu_button needs BOT_LINKING_APP_ID")
        title = title or translate(here.settings.locale, "Connect account")
        if not 1 <= len(title) <= LONGEST_TITLE:
            raise ValueError(f"a button's title has 1 to {LONGEST_TITLE} characters")
        return {
            "type": "web_url",
            "title": title,
            "url": f"{here.base_url}/menu",
            "webview_height_ratio": "tall",
            "messenger_extensions": True,
        }

    def erasure_message(self, text: str | None = None) -> Message:
        """A message with the quick reply *Delete my data*. The first tap asks once more; the second
        erases."""
        locale = self._here().settings.locale
        text = text or translate(locale, "You can delete everything that we keep about this chat.")
        return with_replies(text, [(translate(locale, "Delete my data"), PAYLOAD)])


LONGEST_TITLE = 20
