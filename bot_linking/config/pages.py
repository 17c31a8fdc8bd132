"""A page's side of the protocol, as it is configured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot_linking.config.readers import page_id, secret, secret_text, several


@dataclass(frozen=True, slots=True)
class Page:
    """One page's side of the protocol. `id` is None for "whatever page the app secret signs for"."""

    id: str | None
    access_token: str = field(repr=False)
    app_secrets: tuple[str, ...] = field(repr=False)
    verify_token: str = field(repr=False)


def read_pages(value: Any) -> tuple[Page, ...]:
    """`{"PAGE_ID": {"access_token": ..., "app_secret": ..., "verify_token": ...}}`, or the same as JSON."""
    if isinstance(value, str):
        value = json.loads(value)
    if not isinstance(value, Mapping) or not value:
        raise ValueError("must be an object of page id to its settings")
    return tuple(_page(page_id(each), of) for each, of in value.items())


def _page(page_id: str, of: Any) -> Page:
    wanted = {"access_token", "app_secret", "verify_token"}
    if not isinstance(of, Mapping) or set(of) != wanted:
        raise ValueError(f"needs {', '.join(sorted(wanted))} for each page, and nothing else")
    secrets = several(secret)(of["app_secret"])
    return Page(page_id, secret_text(of["access_token"]), secrets, secret_text(of["verify_token"]))
