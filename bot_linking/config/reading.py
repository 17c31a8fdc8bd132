"""Settings are read once for each app, from `app.config` and the environment, and frozen.

A missing or unsafe value is a `ConfigurationError` that names the key and never shows the value.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from bot_linking.config.pages import Page
from bot_linking.config.readers import Reader
from bot_linking.config.settings import Settings, SiteSettings
from bot_linking.core.addresses import is_loopback
from bot_linking.core.errors import ConfigurationError

PREFIX = "BOT_LINKING_"
_SIMULATOR = "simulator-"  # how the simulator's throw-away secrets begin
_MISSING = {"secret_key": "is missing, and the app has no SECRET_KEY of 8 characters or more to use instead"}

Some = TypeVar("Some", bound=SiteSettings)


def table() -> Iterator[tuple[str, Any, str]]:
    """Each key, its default (`MISSING` where there is none) and what it means: the guide's table."""
    of_site = {each.name for each in fields(SiteSettings)}
    for each in sorted(fields(Settings), key=lambda each: each.name in of_site):
        yield key_of(each.name), each.default, each.metadata["meaning"]


def key_of(name: str) -> str:
    """The key of a setting."""
    return PREFIX + name.upper()


def read_settings(
    config: Mapping[str, Any], environment: Mapping[str, str], defaults: Mapping[str, Any]
) -> Settings:
    """The settings of a bot. Raises `ConfigurationError` for what is missing, unsafe or unknown."""
    return _with_pages(read(Settings, config, environment, defaults=defaults))


def read(
    kind: type[Some],
    config: Mapping[str, Any],
    environment: Mapping[str, str],
    *,
    defaults: Mapping[str, Any],
) -> Some:
    """The settings of this kind alone. Raises `ConfigurationError`."""
    known = {each.name for each in fields(Settings)}
    for name in config:
        if name.startswith(PREFIX) and name.removeprefix(PREFIX).lower() not in known:
            raise ConfigurationError(name, "is not a setting; see the table in the README")
    values: dict[str, Any] = {}
    for each in fields(kind):
        key = key_of(each.name)
        given = (source[key] for source in (config, environment) if source.get(key) not in (None, ""))
        raw = next(given, defaults.get(each.name))
        if raw is not None:
            values[each.name] = _read(key, each.metadata["read"], raw)
        elif each.default is MISSING:
            raise ConfigurationError(key, _MISSING.get(each.name, "is missing"))
        else:
            values[each.name] = each.default
    return kind(**values)


def _read(key: str, reader: Reader, raw: Any) -> Any:
    try:
        return reader(raw)
    except json.JSONDecodeError:
        raise ConfigurationError(key, "is not JSON") from None
    except ValueError as problem:
        raise ConfigurationError(key, str(problem)) from None


def _with_pages(settings: Settings) -> Settings:
    """The same settings with one page made of the single keys, checked as a whole."""
    if settings.pages:
        if settings.page_access_token or settings.app_secret or settings.page_id:
            raise ConfigurationError(PREFIX + "PAGES", "and the keys of a single page exclude each other")
        pages = settings.pages
    else:
        for name in ("page_access_token", "app_secret", "verify_token"):
            if not getattr(settings, name):
                raise ConfigurationError(key_of(name), "is missing")
        page = Page(
            id=settings.page_id,
            access_tokens=settings.page_access_token,
            app_secrets=settings.app_secret,
            verify_tokens=settings.verify_token,
        )
        pages = (page,)
    brand_name = settings.brand_name or urlsplit(settings.public_url).hostname or ""
    settings = replace(settings, pages=pages, brand_name=brand_name)
    _refuse_simulator(settings)
    return settings


def _refuse_simulator(settings: Settings) -> None:
    """The simulator's secrets are known to whoever runs one: only for a Graph on this very machine."""
    if is_loopback(settings.graph_url):
        return
    for page in settings.pages:
        if any(secret.startswith(_SIMULATOR) for secret in page.app_secrets):
            raise ConfigurationError(PREFIX + "APP_SECRET", "is the simulator's; take the real one")
        if any(token.startswith(_SIMULATOR) for token in page.access_tokens):
            raise ConfigurationError(PREFIX + "PAGE_ACCESS_TOKEN", "is the simulator's; take the real one")


def default_database(instance_path: str) -> str:
    """Where links are kept when nothing else is said: a file in the app's instance folder."""
    return "sqlite:///" + str(Path(instance_path) / "bot_linking.db")
