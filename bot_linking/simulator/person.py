"""A person who chats with the page, and the page-scoped id (PSID) by which the page knows them."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Literal

Device = Literal["phone", "desktop"]


@dataclass(frozen=True)
class Person:
    """A person who chats with the page.

    ``psid`` is the page-scoped id, digits in a string as on the wire; ``locale`` is Facebook's
    spelling with an underscore (``en_US``). On a ``desktop`` a Log In button opens the address alone, with
    neither token nor ``redirect_uri``, and there are no Messenger Extensions. With ``european`` the chat is
    under the rules for Europe: Log In buttons are refused with 10/2018336. ``begun=False`` is a person who
    has never written to the page.
    """

    psid: str
    first_name: str
    last_name: str
    locale: str = "en_US"
    device: Device = "phone"
    european: bool = False
    begun: bool = True

    @property
    def name(self) -> str:
        """First and last name, as the chat page shows them."""
        return f"{self.first_name} {self.last_name}".strip()

    @property
    def initials(self) -> str:
        """One or two capital letters for the avatar."""
        return (self.first_name[:1] + self.last_name[:1]).upper() or "?"

    @property
    def asid(self) -> str:
        """The app-scoped id, which differs from the PSID: digits, the same in every run."""
        digest = hashlib.sha256(f"app-scoped {self.psid}".encode()).digest()
        return "1" + str(int.from_bytes(digest[:7], "big")).zfill(17)

    @property
    def email(self) -> str:
        """The address that a ``user_email`` quick reply sends."""
        return f"{self.first_name.lower() or 'somebody'}@example.com"

    @property
    def phone_number(self) -> str:
        """The number that a ``user_phone_number`` quick reply sends; it is not in use."""
        return "+1555" + self.psid[-7:].zfill(7)


#: The first two people, who have chatted with the page before.
PEOPLE = (
    Person("24680135791357", "Ada", "Lovelace", "en_US"),
    Person("24680135792468", "Grace", "Hopper", "en_US"),
)
#: The names of people who are added without one.
_NEWCOMERS = (
    ("Katherine", "Johnson"),
    ("Alan", "Turing"),
    ("Radia", "Perlman"),
    ("Edsger", "Dijkstra"),
    ("Barbara", "Liskov"),
    ("Tim", "Berners-Lee"),
)


def new_psid() -> str:
    """Mint a page-scoped id: seventeen digits."""
    return "2" + str(secrets.randbelow(10**16)).zfill(16)


def newcomer(number: int) -> tuple[str, str]:
    """Return first and last name of newcomer ``number``, counted from zero."""
    return _NEWCOMERS[number % len(_NEWCOMERS)]
