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

    def save_api_key(self, key: ApiKey) -> bool:
        """Keep a new key. False, and nothing kept, when an active key has this name or any key this
        digest."""

    def find_api_key(self, digest: str) -> ApiKey | None:
        """The active key of this digest, as any process last committed it; None when it is unknown or
        revoked. It is asked anew at each call, so that a revoked key ends everywhere at once."""

    def list_api_keys(self) -> list[ApiKey]:
        """All keys by `created_at` and id, oldest first; revoked ones too, until they are purged."""

    def touch_api_key(self, key_id: str, now: int) -> None:
        """Note that a key was used at `now`. An earlier time never replaces a later one."""

    def revoke_api_key(self, name: str, now: int) -> bool:
        """End the active key of this name; committed when this returns. False when no active key has it."""
