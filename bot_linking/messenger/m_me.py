"""The m.me address that opens the chat with a page, and the page's name in it."""

from __future__ import annotations

from urllib.parse import quote

from bot_linking.config.settings import Settings
from bot_linking.core.errors import PageUnknown, StoreUnavailable
from bot_linking.messenger.pages import Pages


def m_me(name: str, *, ref: str = "") -> str:
    """The address that opens the chat with the page of this name. Messenger sends the `ref` to the
    webhook."""
    return f"https://m.me/{quote(name)}" + (f"?ref={ref}" if ref else "")


def name_of_page(pages: Pages, page_id: str, *, settings: Settings) -> str:
    """The page's user name, else its id. Raises `PageUnknown` and `StoreUnavailable`."""
    own = settings.page_username if len(pages.all()) == 1 else None
    return pages.page(page_id).username or own or page_id


def chat_of(pages: Pages, page_id: str | None, *, settings: Settings) -> str | None:
    """The address that opens the chat with this page, or with the only one; None for an unknown page."""
    all_pages = pages.all()
    if page_id is None and len(all_pages) == 1:
        page_id = all_pages[0].id
    try:
        return page_id and m_me(name_of_page(pages, page_id, settings=settings))
    except (PageUnknown, StoreUnavailable):
        return None
