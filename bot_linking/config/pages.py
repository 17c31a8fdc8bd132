"""A Facebook page as it is configured: its id, its token and its secrets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot_linking.config import readers as read

_KINDS = {
    "access_token": ("access_tokens", read.access_token),
    "app_secret": ("app_secrets", read.secret),
    "verify_token": ("verify_tokens", read.secret),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One Facebook page. `id` is None for every page whose events the app secret signs.

    Token and secrets have several values while one replaces another, the newest first. Calls to Graph use the
    newest; a webhook may be signed, or its handshake verified, by any of them.
    """

    id: str | None
    access_tokens: tuple[str, ...] = field(repr=False)
    app_secrets: tuple[str, ...] = field(repr=False)
    verify_tokens: tuple[str, ...] = field(repr=False)
    username: str | None = None

    @property
    def access_token(self) -> str:
        """The newest."""
        return self.access_tokens[0]

    @property
    def app_secret(self) -> str:
        """The newest."""
        return self.app_secrets[0]


def read_pages(value: Any) -> tuple[Page, ...]:
    """`{"PAGE_ID": {"access_token": ..., "app_secret": ..., "verify_token": ...}}`, or the same as JSON.
    Each of the three is one value or several, the newest first."""
    if isinstance(value, str):
        value = json.loads(value)
    if not isinstance(value, Mapping) or not value:
        raise ValueError("must be an object of page id to its settings")
    return tuple(read_page(read.page_id(each), of) for each, of in value.items())


def read_page(page_id: str, of: Any) -> Page:
    """One page. Raises `ValueError`, whose text names the page and what is wrong with it."""
    if not isinstance(of, Mapping) or set(of) - {"username"} != _KINDS.keys():
        raise ValueError(f"needs {', '.join(sorted(_KINDS))} for each page, and nothing else")
    values = dict[str, tuple[str, ...]]()
    for name, (field_name, one) in _KINDS.items():
        try:
            values[field_name] = read.several(one)(of[name])
        except ValueError as problem:
            raise ValueError(f"of page {page_id}: {name} {problem}") from None
    username = read.page_username(of["username"]) if of.get("username") else None
    return Page(id=page_id, username=username, **values)
