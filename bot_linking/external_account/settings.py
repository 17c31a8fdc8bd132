"""What of the settings this module reads; the same keys with a bot beside it or without."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from bot_linking.config.settings import Settings, read_part


@dataclass(frozen=True, kw_only=True)
class ExternalSettings:
    """The fields of `config.Settings` of the same names."""

    database: str
    brand_name: str
    trusted_proxies: int
    external_app: tuple[str, ...]
    external_keys: tuple[str, ...] = field(repr=False)
    external_token_age: int
    external_sign_in_limit: int
    external_address_limit: int
    external_app_limit: int


_NAMES = tuple(each.name for each in fields(ExternalSettings))


def of_bot(settings: Settings) -> ExternalSettings:
    """Those of the bot beside it."""
    return ExternalSettings(**{name: getattr(settings, name) for name in _NAMES})


def of_site(
    config: Mapping[str, Any], environment: Mapping[str, str], defaults: Mapping[str, Any]
) -> ExternalSettings:
    """Those of a site with no bot. Raises `ConfigurationError`."""
    return ExternalSettings(**read_part(_NAMES, config, environment, defaults))
