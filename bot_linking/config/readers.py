"""How the value of a setting is read and checked: one function for each kind of value.

Each takes what `app.config` or the environment holds, and returns the value in its own type. It raises
`ValueError` with the words that follow the key in the message, and never with the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from bot_linking.config.samples import is_monotonous, is_sample
from bot_linking.core.addresses import is_guarded, origin_of
from bot_linking.core.reading import is_unicode, read_id

Reader = Callable[[Any], Any]

_SENDABLE = re.compile("[!-~]+")  # what the header of a call to Graph may hold
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}

# libpq accepts more. It would take an unescaped @ or / of a password for the end of the host's name.
_POSTGRES = re.compile(
    r"postgres(?:ql)?://(?:[^:@/?#\s]+(?::[^:@/?#\s]*)?@)?[\w.,:\[\]%-]*(?:/[^/@?#\s]*)?(?:\?[^#\s]*)?"
)
_REDIS = (
    r"rediss?://(?:[^:@/?#\s]*(?::[^:@/?#\s]*)?@)?[\w.\[\]%-]+(?::[0-9]{1,5})?(?:/[0-9]{0,3})?"
    r"(?:\?ssl_\w+=[^&#\s]*(?:&ssl_\w+=[^&#\s]*)*)?"
)


def text(value: Any) -> str:
    """Text that is not blank, without the space around it."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be text")
    if not is_unicode(value):  # bytes of the environment that are no UTF-8
        raise ValueError("is not Unicode text")
    return value.strip()


def secret_of(length: int, *, monotonous_below: int) -> Callable[[Any], str]:
    """A secret of `length` characters or more that is no sample value.

    A monotonous one (one character repeated, a run of the keyboard) needs `monotonous_below` characters.
    Then it is good enough for a try on this machine; `reading` refuses it beside the real Graph.
    """

    def read(value: Any) -> str:
        secret = text(value.decode("latin-1") if isinstance(value, bytes) else value)
        if len(secret) < length:
            raise ValueError(f"is too short: use {length} random characters or more")
        if is_sample(secret) or (len(secret) < monotonous_below and is_monotonous(secret)):
            raise ValueError("is a sample value; use a real secret")
        return secret

    return read


_eight_characters = secret_of(8, monotonous_below=12)
signing_key = secret_of(16, monotonous_below=32)
encryption_key = secret_of(32, monotonous_below=32)


def secret(value: Any) -> str:
    """An app secret or a verify token, which a person copied: each of its characters can be seen."""
    secret = _eight_characters(value)
    if not secret.isprintable():
        raise ValueError("has a character that cannot be seen; copy it again")
    return secret


def access_token(value: Any) -> str:
    """A page access token, which a header can hold. Messenger chooses its length."""
    token = text(value)
    if not is_sendable(token):
        raise ValueError("is not ASCII text without blanks; copy it again")
    if is_sample(token):
        raise ValueError("is a sample value; use the real one")
    return token


def is_sendable(token: str) -> bool:
    """Whether Graph can be called with this access token."""
    return _SENDABLE.fullmatch(token) is not None


def several(one: Callable[[Any], str]) -> Callable[[Any], tuple[str, ...]]:
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


def page_id(value: Any) -> str:
    """A page's id, as text."""
    page_id = read_id(value)
    if page_id is None:
        raise ValueError("is not a page id")
    return page_id


def boolean(value: Any) -> bool:
    """Yes or no, in the usual spellings."""
    if isinstance(value, bool) or value in (0, 1):
        return bool(value)
    if isinstance(value, str) and value.strip().lower() in _TRUE | _FALSE:
        return value.strip().lower() in _TRUE
    raise ValueError("must be true or false")


def between(low: int, high: int) -> Callable[[Any], int]:
    """A whole number within these bounds."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,12}", str(value)):
            raise ValueError("must be a whole number")
        if not low <= int(value) <= high:
            raise ValueError(f"must be between {low} and {high}")
        return int(value)

    return read


def address(value: Any) -> str:
    """An https address without query or fragment; plain http on loopback only."""
    url = text(value).rstrip("/")
    try:
        parts = urlsplit(url)
        valid = bool(parts.hostname) and not (parts.query or parts.fragment or "@" in parts.netloc)
        _ = parts.port
    except ValueError:
        valid = False
    if not valid or not url.isascii() or any(character in url for character in " \\\"'<>"):
        raise ValueError("is not an address like https://bot.example.com")
    if not is_guarded(url):
        raise ValueError("must be https (plain http is for loopback only)")
    return url


def page_address(value: Any) -> str:
    """An address, which may have a query, or a path on this site."""
    url = text(value)
    if url.startswith("/") and not url.startswith("//") and "\\" not in url:
        return url
    address(url.partition("?")[0])
    return url


def return_host(value: Any) -> str:
    """The origin of a host that a redirect_uri may name."""
    return address(origin_of(text(value).rstrip("/")))


def matching(pattern: str, what: str) -> Callable[[Any], str]:
    """Text that matches the whole `pattern`; `what` describes it in the message."""

    def read(value: Any) -> str:
        if not re.fullmatch(pattern, text(value)):
            raise ValueError(f"must be {what}")
        return text(value)

    return read


def database(value: Any) -> str:
    """The address of a database, as `open_store` takes it. It may hold a password."""
    url = text(value)
    if url.startswith("sqlite:"):
        _refuse_what_sqlite_would_name_a_file(url)
    if re.fullmatch(r"sqlite:///.+", url) or _POSTGRES.fullmatch(url):
        return url
    if url.startswith("postgres"):
        raise ValueError(
            "must be postgresql://user:password@host/name; in a password write @ as %40, / as %2F, : as %3A,"
            " ? as %3F, # as %23"
        )
    raise ValueError("must be sqlite:///path or postgresql://user:password@host/name")


def _refuse_what_sqlite_would_name_a_file(url: str) -> None:
    if ":memory:" in url or "mode=memory" in url:
        raise ValueError("must be a file: a database in memory ends with its process, and no other shares it")
    if "?" in url:
        raise ValueError("takes no options: all after sqlite:/// is the path of a file, without a ?")


def redis(value: Any) -> str:
    """The address of a Redis. It may hold a password."""
    url = text(value)
    with suppress(ValueError):  # of a port that does not exist
        if re.fullmatch(_REDIS, url) and urlsplit(url).port != 0:
            return url
    raise ValueError("must be redis://:password@host:6379/0, or rediss://; write an @ in a password as %40")


def page_username(value: Any) -> str:
    """A page's name in an m.me address."""
    return matching(r"[A-Za-z0-9.\-_]{1,75}", "a page's user name, as in m.me/NAME")(value)
