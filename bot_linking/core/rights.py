"""Data rights: everything that is held about an account, and Meta's requests to delete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot_linking.core.linking import Linking
from bot_linking.core.ports import Store


def export_account(store: Store, account_id: str) -> dict[str, Any]:
    """Everything that is held about an account of the site and its chats, as plain JSON values."""
    links = store.find_links_of_account(account_id)
    chats = [store.export(link.page_id, link.psid) for link in links]
    return {"account_id": account_id, "chats": chats, **store.export_account(account_id)}


def request_deletion(
    linking: Linking, kind: str, user_id: str, digest: str, code: str, *, pages: Sequence[str] | None = None
) -> str:
    """Record Meta's request about an app-scoped id, for the outbox to fulfil. Returns its code, which is the
    former one where the same request came before. Where `pages` are named, only chats with them are meant.
    Raises `StoreUnavailable`."""
    kept = linking.store.save_deletion(kind, user_id, digest, code, linking.now(), pages=pages)
    linking.wake()
    return kept
