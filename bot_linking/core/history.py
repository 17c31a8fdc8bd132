"""The history of links: what changed, when, and who changed it. It holds ids, never a secret.

Of the identifiers that changed only the names are kept, without their values: after an unlink, the account's
id is all by which the person could be looked up at the site.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Audit:
    """What a caller of the account_link API leaves in the history: its key's id, its own id for the
    request, and its `meta`."""

    key_id: str | None = None
    request_id: str | None = None
    meta: str | None = None


NO_AUDIT = Audit()


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one person's link; `at` is aware and UTC.

    `source` says who made it: `login` (the linking page), `messenger` (the Log Out button),
    `python`, `api`, `cli` or `import`. `identifiers` names what changed of username, email and phone_number;
    the last three are what the API's caller left.
    """

    at: datetime
    page_id: str
    psid: str
    source: str
    what: Literal["linked", "changed", "unlinked"]
    account_before: str | None
    account_after: str | None
    identifiers: tuple[str, ...] = ()
    key_id: str | None = None
    request_id: str | None = None
    meta: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The same as plain JSON values; the time in RFC 3339."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return values | {
            "at": self.at.isoformat(timespec="milliseconds"),
            "identifiers": list(self.identifiers),
        }
