"""Settings: read once from `app.config` and the environment, checked at start-up, frozen.

Every key begins with `BOT_LINKING_`; `app.config` wins over an environment variable of the same name. A
missing or unsafe value is a `ConfigurationError` that names the key and never shows the value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bot_linking.core.errors import ConfigurationError
from bot_linking.core.reading import read_id
from bot_linking.messenger.return_url import DEFAULT_HOSTS, is_loopback, origin_of

PREFIX = "BOT_LINKING_"
_LOOPBACK_HOSTS = {"127.0.0.1", "localhost", "::1"}
_SIMULATOR = "simulator-"  # how the simulator's throw-away secrets begin
_SAMPLES = {"changeme", "secret", "password", "app_secret", "your_app_secret", "test", "dev", "..."}
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be text")
    return value.strip()


def _at_least(length: int) -> Callable[[Any], str]:
    """A secret, which is no sample and not guessable by its length."""

    def read(value: Any) -> str:
        secret = _text(value.decode("latin-1") if isinstance(value, bytes) else value)
        if secret.lower() in _SAMPLES or len(secret) < length:
            raise ValueError("is too short or a sample value; use a real secret")
        return secret

    return read


_secret = _at_least(8)


def _secret_text(value: Any) -> str:
    """A secret whose length is Messenger's or the operator's to choose."""
    secret = _text(value)
    if secret.lower() in _SAMPLES - {"test", "dev"}:
        raise ValueError("is a sample value; use the real one")
    return secret


def _several(one: Callable[[Any], str]) -> Callable[[Any], tuple[str, ...]]:
    """One value, a list of them, or a comma-separated string."""

    def read(value: Any) -> tuple[str, ...]:
        if isinstance(value, str):
            value = [part for part in value.split(",") if part.strip()]
        if isinstance(value, bytes):
            value = [value]
        if not isinstance(value, list | tuple) or not value:
            raise ValueError("must be one value or a list of values")
        return tuple(one(part) for part in value)

    return read


def _page_id(value: Any) -> str:
    page_id = read_id(value)
    if page_id is None:
        raise ValueError("is not a page id")
    return page_id


def _boolean(value: Any) -> bool:
    if isinstance(value, bool) or value in (0, 1):
        return bool(value)
    if isinstance(value, str) and value.strip().lower() in _TRUE | _FALSE:
        return value.strip().lower() in _TRUE
    raise ValueError("must be true or false")


def _between(low: int, high: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,12}", str(value)):
            raise ValueError("must be a whole number")
        if not low <= int(value) <= high:
            raise ValueError(f"must be between {low} and {high}")
        return int(value)

    return read


def _address(value: Any) -> str:
    """An https address without query or fragment; plain http on loopback only."""
    url = _text(value).rstrip("/")
    try:
        parts = urlsplit(url)
        valid = bool(parts.hostname) and not (parts.query or parts.fragment or "@" in parts.netloc)
        _ = parts.port
    except ValueError:
        valid = False
    if not valid or not url.isascii() or any(character in url for character in " \\\"'<>"):
        raise ValueError("is not an address like https://bot.example.com")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK_HOSTS):
        raise ValueError("must be https (plain http is for loopback only)")
    return url


def is_loopback_address(url: object) -> bool:
    """Whether an address is of this very machine."""
    return isinstance(url, str) and urlsplit(url).hostname in _LOOPBACK_HOSTS


def _page_address(value: Any) -> str:
    """Like an address, but a path on this site will do, and a query may follow."""
    url = _text(value)
    if url.startswith("/") and not url.startswith("//") and "\\" not in url:
        return url
    _address(url.partition("?")[0])
    return url


def _return_host(value: Any) -> str:
    return origin_of(_text(value).rstrip("/"))


def _matching(pattern: str, what: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if not re.fullmatch(pattern, _text(value)):
            raise ValueError(f"must be {what}")
        return _text(value)

    return read


# Whatever else libpq would take: an @ or a / that a password holds unescaped would end up in its host.
_POSTGRES = re.compile(
    r"postgres(?:ql)?://(?:[^:@/?#\s]+(?::[^:@/?#\s]*)?@)?[\w.,:\[\]%-]*(?:/[^/@?#\s]*)?(?:\?[^#\s]*)?"
)

_REDIS = (
    r"rediss?://(?:[^:@/?#\s]*(?::[^:@/?#\s]*)?@)?[\w.\[\]%-]+(?::[0-9]{1,5})?(?:/[0-9]{0,3})?"
    r"(?:\?ssl_\w+=[^&#\s]*(?:&ssl_\w+=[^&#\s]*)*)?"
)


def _database(value: Any) -> str:
    """An address that `open_store` knows. It may hold a password."""
    url = _text(value)
    if re.fullmatch(r"sqlite:///.+", url) or _POSTGRES.fullmatch(url):
        return url
    if url.startswith("postgres"):
        raise ValueError("must be postgresql://user:password@host/name; write an @ in it as %40, a / as %2F")
    raise ValueError("must be sqlite:///path or postgresql://user:password@host/name")


@dataclass(frozen=True, slots=True)
class Page:
    """One page's side of the protocol. `id` is None for "whatever page the app secret signs for"."""

    id: str | None
    access_token: str = field(repr=False)
    app_secrets: tuple[str, ...] = field(repr=False)
    verify_token: str = field(repr=False)


def _pages(value: Any) -> tuple[Page, ...]:
    """`{"PAGE_ID": {"access_token": ..., "app_secret": ..., "verify_token": ...}}`, or the same as JSON."""
    if isinstance(value, str):
        value = json.loads(value)
    if not isinstance(value, Mapping) or not value:
        raise ValueError("must be an object of page id to its settings")
    return tuple(_page(_page_id(page_id), of) for page_id, of in value.items())


def _page(page_id: str, of: Any) -> Page:
    wanted = {"access_token", "app_secret", "verify_token"}
    if not isinstance(of, Mapping) or set(of) != wanted:
        raise ValueError(f"needs {', '.join(sorted(wanted))} for each page, and nothing else")
    secrets = _several(_secret)(of["app_secret"])
    return Page(page_id, _secret_text(of["access_token"]), secrets, _secret_text(of["verify_token"]))


def _key(read: Callable[[Any], Any], meaning: str, default: Any = MISSING, *, secret: bool = False) -> Any:
    metadata = {"read": read, "meaning": meaning}
    if default is MISSING:
        return field(metadata=metadata, repr=not secret)
    return field(default=default, metadata=metadata, repr=not secret)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One field for each key; the field's name is the key without its prefix, in lower case."""

    page_access_token: str | None = _key(
        _secret_text, "The page's access token, from the app's Messenger settings.", None, secret=True
    )
    app_secret: tuple[str, ...] = _key(
        _several(_secret),
        "The app secret, which signs webhooks. Two, the newer first, while it is being replaced.",
        (),
        secret=True,
    )
    verify_token: str | None = _key(
        _secret_text, "What you typed as verify token when subscribing the webhook.", None, secret=True
    )
    page_id: str | None = _key(
        _page_id, "The page. Without it, any page whose events the secret signs.", None
    )
    pages: tuple[Page, ...] = _key(
        _pages,
        "Several pages instead of one: page id to access_token, app_secret, verify_token.",
        (),
        secret=True,
    )
    secret_key: tuple[str, ...] = _key(
        _several(_secret),
        "Signs the forms of the linking pages; newest first. Flask's own by default.",
        secret=True,
    )
    public_url: str = _key(_address, "The address of this app as Messenger and people see it, https.")
    database: str = _key(
        _database,
        "Where links are kept: `sqlite:///path` or `postgresql://...`. By default, in the instance folder.",
        secret=True,
    )
    brand_name: str = _key(
        _text, "The business's name on the pages and in the chat. By default the host of the public URL.", ""
    )
    brand_logo: str | None = _key(_page_address, "Address of a logo: a path of this site, or https.", None)
    brand_color: str = _key(
        _matching(r"#[0-9A-Fa-f]{6}", "a colour like #1f6feb"), "The buttons' colour, #rrggbb.", "#1b5e52"
    )
    next_step: str | None = _key(
        _text, "A sentence at the end of the confirmation, saying what to try.", None
    )
    locale: str = _key(
        _matching(r"[A-Za-z]{2,3}(?:[_-][A-Za-z0-9]{2,8})*", "a language tag like en or zh_CN"),
        "The language where the person's own is not known.",
        "en",
    )
    login_url: str | None = _key(
        _page_address,
        "The site's own login page; `{next}` in it becomes the address to come back to.",
        None,
    )
    graph_url: str = _key(_address, "The Graph address.", "https://graph.facebook.com")
    graph_version: str = _key(
        _matching(r"v[0-9]{1,3}\.[0-9]", "a version like v26.0"), "The Graph version.", "v26.0"
    )
    return_hosts: tuple[str, ...] = _key(
        _several(_return_host),
        "Hosts accepted in redirect_uri beside Messenger's four; http://127.0.0.1:PORT for the simulator.",
        (),
    )
    code_max_age: int = _key(_between(30, 300), "Seconds that an authorization code lives, 30 to 300.", 300)
    strict: bool = _key(
        _boolean, "Refuse to link when Messenger cannot say whose login it is, and bare redirect_uris.", False
    )
    confirmation_page: bool = _key(_boolean, 'Show the page "Linked" before going back to Messenger.', True)
    delivery: str = _key(
        _matching("thread|worker", "thread or worker"),
        "`thread` sends from this process; `worker` leaves it to `flask linking deliver`.",
        "thread",
    )
    sign_in_limit: int = _key(_between(1, 100), "Failed sign-ins for one account in five minutes.", 5)
    address_limit: int = _key(_between(1, 10_000), "Failed sign-ins from one address in a minute.", 10)
    sign_in_concurrency: int = _key(
        _between(1, 64), "Sign-ins checked at once in one process; more are asked to try again.", 4
    )
    api_failure_limit: int = _key(
        _between(1, 10_000), "Calls of the account_link API with a bad key, from one address in a minute.", 30
    )
    verify_psid: bool = _key(
        _boolean, "Let the account_link API ask Messenger whether a PSID exists before it links one.", False
    )
    throttle: str | None = _key(
        _matching(_REDIS, "redis://:password@host:6379/0, or rediss://; write an @ in a password as %40"),
        "Where attempts are counted: `redis://...`, and the database behind it. By default, only there.",
        None,
        secret=True,
    )
    trusted_proxies: int = _key(
        _between(0, 10), "Proxies in front that add to X-Forwarded-For; 0 ignores the header.", 0
    )
    external_app: tuple[str, ...] = _key(
        _several(_text),
        "ExternalAccount: the applications in which links are bound, by appKey. By default every one.",
        (),
    )
    external_keys: tuple[str, ...] = _key(
        _several(_at_least(32)),
        "ExternalAccount: encrypts second factors, 32 random characters or more; newest first.",
        (),
        secret=True,
    )
    external_token_age: int = _key(
        _between(60, 86_400), "ExternalAccount: seconds that a token from SignIn lives.", 3600
    )
    external_sign_in_limit: int = _key(
        _between(1, 10_000), "ExternalAccount: sign-ins of one unionID in a minute.", 20
    )
    external_address_limit: int = _key(
        _between(1, 100_000), "ExternalAccount: sign-ins from one address in a minute.", 300
    )
    external_app_limit: int = _key(
        _between(1, 100_000), "ExternalAccount: sign-ins of one application in a minute.", 600
    )

    @property
    def origins(self) -> frozenset[str]:
        """Origins that a redirect_uri may have."""
        return frozenset(map(origin_of, DEFAULT_HOSTS)) | frozenset(self.return_hosts)

    @property
    def frame_origins(self) -> tuple[str, ...]:
        """Who may frame the linking pages: nobody, but the simulator on this very machine."""
        return tuple(origin for origin in self.return_hosts if is_loopback(origin))

    @property
    def is_https(self) -> bool:
        return self.public_url.startswith("https://")


def table() -> Iterator[tuple[str, Any, str]]:
    """Each key, its default (`MISSING` where there is none) and what it means: the README's table."""
    for each in fields(Settings):
        yield PREFIX + each.name.upper(), each.default, each.metadata["meaning"]


def read_settings(
    config: Mapping[str, Any], environment: Mapping[str, str], defaults: Mapping[str, Any]
) -> Settings:
    """The settings of one app. Raises `ConfigurationError` for what is missing, unsafe or unknown."""
    names = [each.name for each in fields(Settings)]
    return _with_pages(Settings(**read_part(names, config, environment, defaults)))


def read_part(
    names: Collection[str],
    config: Mapping[str, Any],
    environment: Mapping[str, str],
    defaults: Mapping[str, Any],
) -> dict[str, Any]:
    """Some of the settings by name, for an app that needs no others. Raises `ConfigurationError`."""
    known = {each.name for each in fields(Settings)}
    for name in config:
        if name.startswith(PREFIX) and name.removeprefix(PREFIX).lower() not in known:
            raise ConfigurationError(name, "is not a setting; see the table in the README")
    values: dict[str, Any] = {}
    for each in (each for each in fields(Settings) if each.name in names):
        key = PREFIX + each.name.upper()
        given = (source[key] for source in (config, environment) if source.get(key) not in (None, ""))
        raw = next(given, defaults.get(each.name))
        if raw is not None:
            values[each.name] = _read(key, each.metadata["read"], raw)
        elif each.default is MISSING:
            raise ConfigurationError(key, _MISSING.get(each.name, "is missing"))
        else:
            values[each.name] = each.default
    return values


_MISSING = {"secret_key": "is missing, and the app has no SECRET_KEY of 8 characters or more to use instead"}


def _read(key: str, read: Callable[[Any], Any], raw: Any) -> Any:
    try:
        return read(raw)
    except json.JSONDecodeError:
        raise ConfigurationError(key, "is not JSON") from None
    except ValueError as problem:
        raise ConfigurationError(key, str(problem)) from None


def _with_pages(settings: Settings) -> Settings:
    """The same settings with one page made of the single keys, checked as a whole."""
    import dataclasses

    if settings.pages:
        if settings.page_access_token or settings.app_secret or settings.page_id:
            raise ConfigurationError(PREFIX + "PAGES", "and the keys of a single page exclude each other")
        pages = settings.pages
    else:
        for name in ("page_access_token", "app_secret", "verify_token"):
            if not getattr(settings, name):
                raise ConfigurationError(PREFIX + name.upper(), "is missing")
        token, verify_token = settings.page_access_token or "", settings.verify_token or ""
        pages = (Page(settings.page_id, token, settings.app_secret, verify_token),)
    brand_name = settings.brand_name or urlsplit(settings.public_url).hostname or ""
    settings = dataclasses.replace(settings, pages=pages, brand_name=brand_name)
    _refuse_simulator(settings)
    return settings


def _refuse_simulator(settings: Settings) -> None:
    """The simulator's secrets are known to whoever runs one: only for a Graph on this very machine."""
    if is_loopback_address(settings.graph_url):
        return
    for page in settings.pages:
        if any(secret.startswith(_SIMULATOR) for secret in page.app_secrets):
            raise ConfigurationError(PREFIX + "APP_SECRET", "is the simulator's; take the real one")
        if page.access_token.startswith(_SIMULATOR):
            raise ConfigurationError(PREFIX + "PAGE_ACCESS_TOKEN", "is the simulator's; take the real one")


def default_database(instance_path: str) -> str:
    return "sqlite:///" + str(Path(instance_path) / "bot_linking.db")
