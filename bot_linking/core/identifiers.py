"""What a site may know a person by, and which account that makes. Pure rules, no store."""

from __future__ import annotations

from dataclasses import dataclass, fields

from bot_linking.core.errors import IdentifierRefused
from bot_linking.core.links import Account, Link
from bot_linking.core.reading import has_hidden_marks

LONGEST = {"username": 254, "email": 254, "phone_number": 32}


@dataclass(frozen=True, slots=True)
class Identifiers:
    """A user name, an e-mail address, a phone number: one of them at least. An empty one is as good as none.

    Raises `IdentifierRefused`, which names the one that is too long or holds control characters.
    """

    username: str | None = None
    email: str | None = None
    phone_number: str | None = None

    def __post_init__(self) -> None:
        for name, longest in LONGEST.items():
            value = getattr(self, name) or None
            object.__setattr__(self, name, value)
            if value is not None and (len(value) > longest or has_hidden_marks(value)):
                raise IdentifierRefused(
                    f"{name} is not text of 1 to {longest} characters without control characters"
                )
        if not any(getattr(self, name) for name in LONGEST):
            raise IdentifierRefused("one of username, email and phone_number is needed")

    def over(self, link: Link | None) -> Identifiers:
        """These in place of a link's; what is not given stays."""
        if link is None:
            return self
        return Identifiers(**{name: getattr(self, name) or getattr(link, name) for name in LONGEST})


def account_after(given: Identifiers, before: Link | None, resolved: Account | None) -> Account:
    """The account that a link names after it was given these identifiers.

    The site's own answer where there is one. Else the user name, else what it was, else the e-mail
    address, else the phone number.
    """
    kept = given.over(before)
    if resolved is not None:
        values = {name: getattr(kept, name) or getattr(resolved, name) for name in LONGEST}
        return Account(resolved.id, **values)
    account_id = given.username or (before and before.account_id) or kept.email or kept.phone_number
    return Account(account_id or "", kept.username, kept.email, kept.phone_number)


def changed_identifiers(before: Link | None, after: Account | Link | None) -> tuple[str, ...]:
    """The names of the identifiers that differ."""
    return tuple(
        each.name
        for each in fields(Identifiers)
        if getattr(before, each.name, None) != getattr(after, each.name, None)
    )
