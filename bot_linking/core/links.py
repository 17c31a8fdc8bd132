"""The two values that everything is about: an Account of the site, and a Link to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bot_linking.core.reading import is_unicode

_EPOCH_MS = 1000


def from_ms(milliseconds: int) -> datetime:
    """An aware UTC datetime from milliseconds since the epoch, the unit of every store column."""
    return datetime.fromtimestamp(milliseconds / _EPOCH_MS, UTC)


def to_ms(moment: datetime) -> int:
    """Milliseconds since the epoch, the inverse of `from_ms`."""
    return round(moment.timestamp() * _EPOCH_MS)


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the business's own site. `id` is the site's own key for it, as text.

    `authenticate`, `current_account` and `create_account` return one. What is given beside the id is
    kept with the link; `display_name` is only shown to the person on the consent page.
    """

    id: str
    username: str | None = None
    email: str | None = None
    phone_number: str | None = None
    display_name: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.id, str) or not self.id or len(self.id) > 255:
            raise TypeError("Account.id must be text of 1 to 255 characters")
        for name in ("id", "username", "email", "phone_number", "display_name"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise TypeError(f"Account.{name} must be text or None")
            if value is not None and ("\0" in value or not is_unicode(value)):
                raise ValueError(f"Account.{name} is not Unicode text")

    @property
    def label(self) -> str:
        """What the person knows this account by."""
        return self.display_name or self.email or self.username or self.phone_number or self.id


@dataclass(frozen=True, slots=True)
class Link:
    """One person in one page's Messenger, joined to one account. There is at most one for each
    (page_id, psid). `source` says who made it (`login`, `api`, `cli`); the times are aware and UTC."""

    page_id: str
    psid: str
    account_id: str
    username: str | None
    email: str | None
    phone_number: str | None
    source: str
    linked_at: datetime
    updated_at: datetime

    def as_dict(self) -> dict[str, Any]:
        """The same as plain JSON values; times in RFC 3339."""
        return {name: _plain(getattr(self, name)) for name in self.__slots__}


def _plain(value: object) -> object:
    return value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else value
