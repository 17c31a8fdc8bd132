"""The store's role for the account_link API: its keys, by digest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key of the account_link API as the store knows it: by its digest. `pages` are the pages it may act
    on; empty means every page. Times are milliseconds since the epoch."""

    id: str
    name: str
    digest: str
    pages: tuple[str, ...]
    created_at: int
    last_used_at: int | None = None
    revoked_at: int | None = None


class ApiKeys(Protocol):
    """Keys of the account_link API, active and revoked."""

    def save_api_key(self, key: ApiKey) -> bool: ...
    def find_api_key(self, digest: str) -> ApiKey | None: ...
    def list_api_keys(self) -> list[ApiKey]: ...
    def touch_api_key(self, key_id: str, now: int) -> None: ...
    def revoke_api_key(self, name: str, now: int) -> bool: ...
