"""What this module refuses, as slugs; the endpoint maps each to a status."""

from __future__ import annotations

from typing import ClassVar

from bot_linking.core.errors import BotLinkingError, StoreUnavailable


class TokenRefused(BotLinkingError):
    """No token, or none that is good for this application now. Says not which."""

    slug: ClassVar[str] = "token_refused"


class ScopeMissing(BotLinkingError):
    """A good token that may not make this call."""

    slug: ClassVar[str] = "scope_missing"


class FieldRefused(BotLinkingError):
    """A field is missing or against its rule; the text begins with the field's name."""

    slug: ClassVar[str] = "field_refused"


class ExternalAccountUnknown(BotLinkingError):
    """No such account of this application and user. Another user's does not exist, either."""

    slug: ClassVar[str] = "external_account_unknown"


class BoundToAnother(BotLinkingError):
    """The pair of platform and unionID belongs to another user, who is not named."""

    slug: ClassVar[str] = "bound_to_another"


class BindRefused(BotLinkingError):
    """`may_bind` said no, or the user holds as many accounts as one may."""

    slug: ClassVar[str] = "bind_refused"


class LinkDecides(BotLinkingError):
    """The account is bound by a link with Messenger: only a link binds it, only unlinking removes it."""

    slug: ClassVar[str] = "link_decides"


class ExternalAccountDisabled(BotLinkingError):
    """The account may not sign in while it is disabled."""

    slug: ClassVar[str] = "external_account_disabled"


class SecondFactorMissing(BotLinkingError):
    """The user has two-factor sign-in on, and there was no code."""

    slug: ClassVar[str] = "second_factor_missing"


class SecondFactorRefused(BotLinkingError):
    """The code is wrong, too old, or was used already."""

    slug: ClassVar[str] = "second_factor_refused"


class SecondFactorUnreadable(StoreUnavailable):
    """The secret cannot be decrypted with the keys at hand. No one passes."""

    slug: ClassVar[str] = "second_factor_unreadable"


class AppKeyRefused(BotLinkingError):
    """The name of an application is taken, unknown, or no name."""

    slug: ClassVar[str] = "app_key_refused"
