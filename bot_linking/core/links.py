"""The two main values: an `Account` of the site, and a `Link` of a chat to it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from bot_linking.core.codes import digest_of
from bot_linking.core.marks import folded
from bot_linking.core.reading import is_unicode

LOGIN, WEB, MENU, CHAT = WAYS = ("login", "web", "menu", "chat")  # values of `Link.source`
_EPOCH_MS = 1000
_LONGEST_ID = 255
_NAME_SPACES = ("username:", "email:", "tel:")


def id_known_by(username: str | None, email: str | None, phone_number: str | None) -> str:
    """The id of the account that is known by these alone; see `Account.known_by`."""
    for space, name in zip(_NAME_SPACES, (username, email, phone_number), strict=True):
        if name:
            plain = folded(name) or name
            return space + (plain if len(space + plain) <= _LONGEST_ID else digest_of(plain))
    raise ValueError("one of username, email and phone_number is needed")


def from_ms(milliseconds: int) -> datetime:
    """An aware UTC datetime from milliseconds since the epoch, the unit of every store column."""
    return datetime.fromtimestamp(milliseconds / _EPOCH_MS, UTC)


def to_ms(moment: datetime) -> int:
    """Milliseconds since the epoch, the inverse of `from_ms`."""
    return round(moment.timestamp() * _EPOCH_MS)


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the business's own site. `id` is the site's own key for it, as text.

    `authenticate`, `current_account` and `create_account` return one. User name, e-mail address and phone
    number are kept with the link; `display_name` is only shown to the person, on the pages.
    """

    id: str
    username: str | None = None
    email: str | None = None
    phone_number: str | None = None
    display_name: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.id, str) or not self.id or len(self.id) > _LONGEST_ID:
            raise TypeError(f"Account.id must be text of 1 to {_LONGEST_ID} characters")
        for name in ("id", "username", "email", "phone_number", "display_name"):
            value = getattr(self, name)
            if value is None:
                continue
            if not isinstance(value, str):
                raise TypeError(f"Account.{name} must be text or None")
            if "\0" in value or not is_unicode(value):
                raise ValueError(f"Account.{name} is not Unicode text")

    @classmethod
    def known_by(
        cls, username: str | None = None, email: str | None = None, phone_number: str | None = None
    ) -> Account:
        """An account that no one has signed in to, known by what a caller said of it.

        The id is made of the first name that is given, with a prefix: `username:ada`,
        `email:ada@example.com`, `tel:18900001111`. No sign-in returns such an id. Names that differ only in
        invisible or look-alike characters make the same id. `resolve_account` may return such an account for
        a person who is not a customer yet. `ValueError` where nothing is given.
        """
        return cls(id_known_by(username, email, phone_number), username, email, phone_number)

    @property
    def is_known_by_name(self) -> bool:
        """Whether `known_by` made the id of a name; otherwise it is the site's own."""
        return self.id.startswith(_NAME_SPACES)

    @property
    def label(self) -> str:
        """What the person knows this account by."""
        return self.display_name or self.email or self.username or self.phone_number or self.id


@dataclass(frozen=True, slots=True)
class Link:
    """A chat, which is a page and a PSID, linked to one account of the site. A chat has at most one link.
    `source` says who made it: `login`, `web`, `menu`, `chat`, `api`, `cli` or `import`. Times are aware and
    UTC."""

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
        return {each.name: _plain(getattr(self, each.name)) for each in fields(self)}


@dataclass(frozen=True, slots=True)
class Connection(Link):
    """A link as the account's owner sees it: with the person's name at Messenger (`profile_name`), None where
    Messenger does not tell it."""

    profile_name: str | None = None

    @classmethod
    def of(cls, link: Link, profile_name: str | None) -> Connection:
        """The same link with a name."""
        known: dict[str, Any] = {each.name: getattr(link, each.name) for each in fields(link)}
        return cls(**known | {"profile_name": profile_name})


def iso_of(milliseconds: int) -> str:
    """A moment in RFC 3339, to the millisecond, in UTC."""
    return from_ms(milliseconds).isoformat(timespec="milliseconds")


def _plain(value: object) -> object:
    return value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else value
