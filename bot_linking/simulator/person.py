"""Who can be in the chat: a person and the page-scoped id (PSID) by which the page knows them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Person:
    """Somebody who chats with the page.

    ``psid`` is the page-scoped id, digits in a string as on the wire; ``locale`` is Facebook's
    spelling with an underscore (``en_US``).
    """

    psid: str
    first_name: str
    last_name: str
    locale: str = "en_US"

    @property
    def name(self) -> str:
        """First and last name, as the chat page shows them."""
        return f"{self.first_name} {self.last_name}".strip()

    @property
    def initials(self) -> str:
        """One or two capital letters for the avatar."""
        return (self.first_name[:1] + self.last_name[:1]).upper() or "?"
