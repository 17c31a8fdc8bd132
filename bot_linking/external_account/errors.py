"""The refusals of this room, with slugs; the endpoint maps each slug to a status."""

from __future__ import annotations

from typing import ClassVar

from bot_linking.core.errors import BotLinkingError, StoreUnavailable


class TokenRefused(BotLinkingError):
    """The token is missing, or not good for this application now. The text does not say which."""

    slug: ClassVar[str] = "token_refused"


class ScopeMissing(BotLinkingError):
    """The token is good, but may not make this call."""

    slug: ClassVar[str] = "scope_missing"


class FieldRefused(BotLinkingError):
    """A field is missing or breaks its rule. The text begins with the field's name."""

    slug: ClassVar[str] = "field_refused"


class ExternalAccountUnknown(BotLinkingError):
    """This application and user have no such account. Another user's account is refused alike."""

    slug: ClassVar[str] = "external_account_unknown"


class BoundToAnother(BotLinkingError):
    """The pair of platform and unionID belongs to another user, who is not named."""

    slug: ClassVar[str] = "bound_to_another"


class BindRefused(BotLinkingError):
    """`may_bind` returned False, or the user has the most accounts that one may have."""

    slug: ClassVar[str] = "bind_refused"


class LinkDecides(BotLinkingError):
    """The account belongs to platform messenger: only a link binds it, and only unlinking removes it."""

    slug: ClassVar[str] = "link_decides"


class ExternalAccountDisabled(BotLinkingError):
    """The account is disabled, so it cannot sign in."""

    slug: ClassVar[str] = "external_account_disabled"


class SecondFactorMissing(BotLinkingError):
    """The user has two-factor sign-in on, and the code is missing."""

    slug: ClassVar[str] = "second_factor_missing"


class SecondFactorRefused(BotLinkingError):
    """The code is wrong, too old, or was used already."""

    slug: ClassVar[str] = "second_factor_refused"


class SecondFactorUnreadable(StoreUnavailable):
    """The secret cannot be decrypted with the configured keys. No code is accepted."""

    slug: ClassVar[str] = "second_factor_unreadable"


class AppKeyRefused(BotLinkingError):
    """The name of an application is taken, unknown or not valid."""

    slug: ClassVar[str] = "app_key_refused"
