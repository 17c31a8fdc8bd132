"""Which addresses are of this very machine, and which may be named without https: one rule for every room."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})

_LOOPBACK_ORIGIN = re.compile(r"http://(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]{1,5})?")
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")


def is_loopback(url: object) -> bool:
    """Whether an address is of this very machine, as it is written; no name is looked up."""
    try:
        return isinstance(url, str) and urlsplit(url).hostname in LOOPBACK_HOSTS
    except ValueError:
        return False


def is_guarded(url: str) -> bool:
    """Whether what is sent to an address stays between the two ends: https, or http on this very machine.

    Raises `ValueError` for what no reader of addresses takes.
    """
    parts = urlsplit(url)
    if parts.scheme == "https":
        return bool(parts.hostname)
    return parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS


def origin_of(host: str) -> str:
    """The origin that an entry of `RETURN_HOSTS` stands for.

    A plain host means https; `http://127.0.0.1:5001` is accepted for loopback only, for the simulator.
    Raises `ValueError` for anything else.
    """
    if is_loopback_origin(host):
        return host
    if _HOST.fullmatch(host):
        return "https://" + host
    raise ValueError("names a host, or an http origin on loopback")


def is_loopback_origin(origin: str) -> bool:
    """Whether an origin is plain http of this very machine, and nothing but an origin."""
    return _LOOPBACK_ORIGIN.fullmatch(origin) is not None
