"""Identifiers of a person at a site, and the account that they make. Pure rules, without a store."""

from __future__ import annotations

from dataclasses import dataclass

from bot_linking.core.errors import IdentifierRefused
from bot_linking.core.links import Account, Link, id_known_by
from bot_linking.core.marks import stripped
from bot_linking.core.reading import has_hidden_marks

LONGEST = {"username": 254, "email": 254, "phone_number": 32}


@dataclass(frozen=True, slots=True)
class Identifiers:
    """A user name, an e-mail address, a phone number, as a caller gave them; at least one is given. White
    space around them is removed, and text without a visible character counts as missing.

    Raises `IdentifierRefused`, which names the identifier that is too long or holds control characters.
    """

    username: str | None = None
    email: str | None = None
    phone_number: str | None = None

    def __post_init__(self) -> None:
        for name, longest in LONGEST.items():
            given = getattr(self, name)
            value = stripped(given) if given else None
            object.__setattr__(self, name, value)
            if value is not None and (len(value) > longest or has_hidden_marks(value)):
                raise IdentifierRefused(
                    f"{name} is not text of 1 to {longest} characters without control characters"
                )
        if not any(getattr(self, name) for name in LONGEST):
            raise IdentifierRefused("one of username, email and phone_number is needed")

    def over(self, link: Link | None) -> dict[str, str | None]:
        """A link's identifiers with these in their place, by name. Those that are not given stay, without a
        check."""
        return {name: getattr(self, name) or getattr(link, name, None) for name in LONGEST}


def account_after(given: Identifiers, before: Link | None, resolved: Account | None) -> Account:
    """The account that a link names after it was given these identifiers.

    The account that the site resolved, where it did. Else the account known by the user name, if one is
    given; else the present account; else the account known by the e-mail address, or by the phone number.
    """
    kept = given.over(before)
    if resolved is not None:
        return Account(resolved.id, **{name: kept[name] or getattr(resolved, name) for name in LONGEST})
    if before is not None and not given.username:
        return Account(before.account_id, **kept)
    return Account(id_known_by(given.username, given.email, given.phone_number), **kept)


def changed_identifiers(before: Link | None, after: Account | Link | None) -> tuple[str, ...]:
    """The names of the identifiers that differ."""
    return tuple(name for name in LONGEST if getattr(before, name, None) != getattr(after, name, None))
