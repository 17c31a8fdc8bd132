"""What keeps the simulator on the laptop: it signs webhooks for anyone, so no other machine may reach it.

It uses loopback addresses only and secrets that production can refuse by their prefix, and it does not start
beside a production server or a real page token.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
import sys
from collections.abc import Mapping
from urllib.parse import urlsplit

#: Every secret and token of the simulator begins with this, so that a real deployment can refuse it.
SECRET_PREFIX = "simulator-"  # noqa: S105

_PRODUCTION_SERVERS = ("gunicorn", "uwsgi", "waitress")
_ENVIRONMENT_NAMES = ("FLASK_ENV", "APP_ENV", "ENVIRONMENT", "BOT_LINKING_ENV")
_REAL_SECRET_NAMES = ("BOT_LINKING_APP_SECRET", "BOT_LINKING_PAGE_ACCESS_TOKEN")


def is_loopback(host: str) -> bool:
    """Tell whether ``host`` (a name or an address, no port) can only mean this machine."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)  # ::ffff:127.0.0.1, as a dual-stack socket reports it
    return bool((mapped or address).is_loopback)


def is_loopback_host_header(value: str) -> bool:
    """Tell whether a ``Host`` header names this machine: the answer to DNS rebinding."""
    try:
        return is_loopback(urlsplit(f"//{value}").hostname or "")
    except ValueError:
        return False


def is_loopback_url(url: str) -> bool:
    """Tell whether ``url`` is http or https on this machine."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and is_loopback(parts.hostname or "")
    except ValueError:
        return False


def is_web_address(url: object) -> bool:
    """Tell whether Messenger would open ``url``: https, or http on this machine."""
    if not isinstance(url, str):
        return False
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))


def require_loopback_host(host: str) -> str:
    """Return ``host``, or raise ``ValueError`` naming it when it is not a loopback address."""
    if not is_loopback(host):
        raise ValueError(f"the simulator binds loopback addresses only, not {host!r}")
    return host


def require_loopback_url(url: str) -> str:
    """Return ``url``, or raise ``ValueError`` naming it when it is not on this machine or no port."""
    if not is_loopback_url(url):
        raise ValueError(f"the simulator posts to loopback addresses only, not {url!r}")
    try:
        _ = urlsplit(url).port
    except ValueError:
        raise ValueError(f"{url!r} has a port that is no number from 0 to 65535") from None
    return url


def origin_of(url: str) -> str:
    """Return scheme, host and port of ``url``."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def require_throw_away(name: str, secret: str) -> str:
    """Return ``secret``, or raise ``ValueError`` with the setting's name, never its value, for a real one."""
    if not secret.startswith(SECRET_PREFIX):
        raise ValueError(f"{name} must begin with {SECRET_PREFIX!r}: the simulator refuses real secrets")
    return secret


def refuse_production(environ: Mapping[str, str] | None = None) -> None:
    """Raise ``RuntimeError`` when this process looks like a production server or holds real credentials."""
    env = os.environ if environ is None else environ
    server = _production_server(env)
    if server:
        raise RuntimeError(f"the simulator refuses to start inside {server}")
    for name in _ENVIRONMENT_NAMES:
        if env.get(name, "").lower() in ("production", "prod"):
            raise RuntimeError(f"the simulator refuses to start: {name} says production")
    for name in _REAL_SECRET_NAMES:
        if env.get(name) and not env[name].startswith(SECRET_PREFIX):
            raise RuntimeError(f"the simulator refuses to start: {name} is set to a real value")
    graph = env.get("BOT_LINKING_GRAPH_URL")
    if graph and not is_loopback_url(graph):
        raise RuntimeError("the simulator refuses to start: BOT_LINKING_GRAPH_URL is not on this machine")


def _production_server(env: Mapping[str, str]) -> str:
    if "uwsgi" in sys.modules:  # this module exists only inside a uWSGI worker
        return "uwsgi"
    if "SERVER_SOFTWARE" not in env:
        return ""
    return next((name for name in _PRODUCTION_SERVERS if name in sys.modules), "")


def throw_away() -> str:
    """Mint a secret that every real deployment refuses."""
    return SECRET_PREFIX + secrets.token_urlsafe(24)
