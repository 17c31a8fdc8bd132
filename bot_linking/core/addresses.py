"""Which addresses are on this machine, and which are safe without https: one rule for every room."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})

_LOOPBACK_ORIGIN = re.compile(r"http://(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]{1,5})?")
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")


def is_loopback(url: object) -> bool:
    """Whether an address names this machine by a loopback host; no name is looked up."""
    try:
        return isinstance(url, str) and urlsplit(url).hostname in LOOPBACK_HOSTS
    except ValueError:
        return False


def is_guarded(url: str) -> bool:
    """Whether an address is protected on the way: https, or http on this machine.

    Raises `ValueError` for text that is no address.
    """
    parts = urlsplit(url)
    if parts.scheme == "https":
        return bool(parts.hostname)
    return parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS


def origin_of(host: str) -> str:
    """The origin that an entry of `RETURN_HOSTS` stands for.

    A plain host means https. An http origin is accepted on loopback only, for the simulator:
    `http://127.0.0.1:5001`. Raises `ValueError` for anything else.
    """
    if is_loopback_origin(host):
        return host
    if _HOST.fullmatch(host):
        return "https://" + host
    raise ValueError("names a host, or an http origin on loopback")


def is_loopback_origin(origin: str) -> bool:
    """Whether this is a plain http origin on loopback, without a path or anything else behind it."""
    return _LOOPBACK_ORIGIN.fullmatch(origin) is not None
