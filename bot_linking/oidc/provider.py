"""What a host configures of its identity provider."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from bot_linking.core.addresses import is_guarded
from bot_linking.core.errors import ConfigurationError
from bot_linking.core.links import Account

AccountOf = Callable[[Mapping[str, Any]], Account | None]


@dataclass(frozen=True, kw_only=True)
class OIDC:
    """An identity provider at which people sign in, for `AccountLinking(oidc=...)`.

    `issuer` is its https address, as its tokens spell it. `client_id` and `client_secret` come from the
    provider; register `<public URL>/<prefix>/oidc` there as the redirect address. `account_of(claims) ->
    Account | None` returns the account for the verified claims of an id_token. Find it by `iss` and `sub`: an
    e-mail address or a user name may pass to another person. `name` is the provider's name on the button, by
    default the issuer's host. `scope` is sent to the provider.

    Raises `ConfigurationError` for a wrong argument, and where Authlib is not installed.
    """

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    account_of: AccountOf
    name: str = ""
    scope: str = "openid profile email"

    def __post_init__(self) -> None:
        if find_spec("authlib") is None:
            raise ConfigurationError("AccountLinking(oidc=...)", "needs Authlib: install the extra oidc")
        if problem := _problem_of(self):
            raise ConfigurationError(f"OIDC({problem}=...)", "is missing or not what a provider takes")

    @property
    def label(self) -> str:
        return self.name or urlsplit(self.issuer).netloc


def _problem_of(given: OIDC) -> str | None:
    """The name of the first wrong argument."""
    try:
        parts = urlsplit(given.issuer)
        is_plain = not parts.query and not parts.fragment
        is_issuer = bool(parts.hostname) and is_guarded(given.issuer) and is_plain
    except (ValueError, TypeError, AttributeError):
        return "issuer"
    if not is_issuer or parts.username is not None:
        return "issuer"
    if "openid" not in given.scope.split():
        return "scope"
    missing = (name for name in ("client_id", "client_secret") if not getattr(given, name))
    return next(missing, None if callable(given.account_of) else "account_of")
