"""Settings are read once for each app, from `app.config` and the environment, and frozen.

A missing or unsafe value is a `ConfigurationError` that names the key and never shows the value.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from bot_linking.config.pages import Page
from bot_linking.config.samples import is_monotonous
from bot_linking.config.settings import GRAPH_HOST, Settings, SiteSettings
from bot_linking.core.addresses import is_loopback
from bot_linking.core.errors import ConfigurationError

PREFIX = "BOT_LINKING_"
_SIMULATOR = "simulator-"  # how the simulator's throw-away secrets begin
_ONE_PAGE = ("page_access_token", "app_secret", "verify_token")
_IF_MISSING = {
    "public_url": ": the address of this app, like https://bot.example.com. For a try on this machine it is"
    " like http://127.0.0.1:5000, and BOT_LINKING_SECRET_KEY is not needed then",
    "secret_key": ", and the app has no SECRET_KEY of 16 characters or more to use instead",
}

_OF_THE_APP = {"secret_key": " (this one is the app's SECRET_KEY)"}

Problem = tuple[str, str]  # a key, and what is wrong with it

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
    """The settings of a bot. Raises one `ConfigurationError` for all that is missing, unsafe or unknown."""
    values, problems = _collect(Settings, config, environment, defaults)
    if not (values.get("pages", "unreadable") or _is_left_to_the_store(values)):
        problems += [_missing(name) for name in _ONE_PAGE if name in values and not values[name]]
    return _checked(_made(Settings, values, problems))


def _is_left_to_the_store(values: Mapping[str, Any]) -> bool:
    """Whether all pages are added at run time: there is a key for them, and no setting of a single page."""
    return bool(values.get("page_keys")) and not any(values.get(name) for name in (*_ONE_PAGE, "page_id"))


def read(
    kind: type[Some],
    config: Mapping[str, Any],
    environment: Mapping[str, str],
    *,
    defaults: Mapping[str, Any],
) -> Some:
    """The settings of this kind alone. Raises one `ConfigurationError` for all that is wrong with them."""
    return _made(kind, *_collect(kind, config, environment, defaults))


def _made(kind: type[Some], values: Mapping[str, Any], problems: Sequence[Problem]) -> Some:
    if problems:
        first, *more = sorted(problems, key=lambda problem: problem[0] != key_of("public_url"))
        raise ConfigurationError(*first, *more)
    return kind(**values)


def _collect(
    kind: type[Some],
    config: Mapping[str, Any],
    environment: Mapping[str, str],
    defaults: Mapping[str, Any],
) -> tuple[dict[str, Any], list[Problem]]:
    """The values that can be read, and what is wrong with the others."""
    values: dict[str, Any] = {}
    problems = _unknown(config)
    for each in fields(kind):
        key = key_of(each.name)
        given = (source[key] for source in (config, environment) if source.get(key) not in (None, ""))
        is_given = (raw := next(given, None)) is not None
        raw = raw if is_given else defaults.get(each.name)
        try:
            if raw is not None:
                values[each.name] = each.metadata["read"](raw)
            elif each.default is not MISSING:
                values[each.name] = each.default
            else:
                problems.append(_missing(each.name))
        except json.JSONDecodeError:
            problems.append((key, "is not JSON"))
        except ValueError as problem:
            problems.append((key, str(problem) + ("" if is_given else _OF_THE_APP.get(each.name, ""))))
    return values, problems


def _unknown(config: Mapping[str, Any]) -> list[Problem]:
    known = {key_of(each.name) for each in fields(Settings)}
    return [
        (name, "is not a setting; see the table in bot_linking/config/README.md")
        for name in config
        if name.startswith(PREFIX) and name not in known
    ]


def _missing(name: str) -> Problem:
    """The problem of a missing key, which says what the key is for."""
    (meaning,) = (each.metadata["meaning"] for each in fields(Settings) if each.name == name)
    return key_of(name), "is missing" + _IF_MISSING.get(name, f": {meaning[0].lower()}{meaning[1:]}")


def _checked(settings: Settings) -> Settings:
    """Check the settings together, and make a page of the keys of a single page."""
    if settings.pages and (settings.page_access_token or settings.app_secret or settings.page_id):
        raise ConfigurationError(key_of("pages"), "and the keys of a single page exclude each other")
    pages = settings.pages
    if not pages and settings.page_access_token:
        page = Page(
            id=settings.page_id,
            access_tokens=settings.page_access_token,
            app_secrets=settings.app_secret,
            verify_tokens=settings.verify_token,
        )
        pages = (page,)
    if settings.page_keys and find_spec("cryptography") is None:
        raise ConfigurationError(key_of("page_keys"), "needs cryptography: the extra bot-linking[pages]")
    brand_name = settings.brand_name or urlsplit(settings.public_url).hostname or ""
    settings = replace(settings, pages=pages, brand_name=brand_name)
    for each in pages:
        judge_page(settings, each)
    _refuse_monotonous(
        settings,
        secret_key=settings.secret_key,
        external_keys=settings.external_keys,
        page_keys=settings.page_keys,
    )
    return settings


def judge_page(settings: Settings, page: Page) -> None:
    """Raise `ConfigurationError` for a page with secrets of the simulator or monotonous ones, unless Graph is
    on this machine, too."""
    if not is_loopback(settings.graph_url):
        for name, values in (("app_secret", page.app_secrets), ("page_access_token", page.access_tokens)):
            if any(value.startswith(_SIMULATOR) for value in values):
                raise ConfigurationError(key_of(name), "is the simulator's; take the real one")
    _refuse_monotonous(settings, app_secret=page.app_secrets, verify_token=page.verify_tokens)


def _refuse_monotonous(settings: Settings, **secrets: Sequence[str]) -> None:
    """Refuse secrets like `kkkk...`, of any length, unless Graph is on this machine."""
    for name, values in secrets.items():
        if not is_loopback(settings.graph_url) and any(map(is_monotonous, values)):
            raise ConfigurationError(key_of(name), "is a sample value; use a real secret")


def defaults_of(
    instance_path: str,
    secret_key: str | bytes | None,
    config: Mapping[str, Any],
    environment: Mapping[str, str],
) -> dict[str, Any]:
    """Defaults that depend on the app: the database in its instance folder, and its own signing key."""
    defaults: dict[str, Any] = {"database": default_database(instance_path)}
    public_url = config.get(key_of("public_url")) or environment.get(key_of("public_url"))
    if secret_key:
        defaults["secret_key"] = [secret_key, *(config.get("SECRET_KEY_FALLBACKS") or [])]
    elif is_loopback(public_url):
        defaults["secret_key"] = secrets.token_hex(32)  # for a try on this machine, until the next start
    return defaults


def strange_graph(settings: Settings) -> str | None:
    """A warning of a Graph address that is neither Meta's nor on this machine; else None."""
    host = urlsplit(settings.graph_url).hostname
    if host == GRAPH_HOST or is_loopback(settings.graph_url):
        return None
    return f"{key_of('graph_url')} is {host}, not {GRAPH_HOST}: each page token goes there"


def default_database(instance_path: str) -> str:
    """Where links are kept by default: a file in the app's instance folder."""
    return "sqlite:///" + str(Path(instance_path) / "bot_linking.db")
