"""Finds the address of a caller, behind the configured number of proxies."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import IPv4Address, ip_address, ip_network

from bot_linking.core.errors import StoreUnavailable
from bot_linking.core.ports import Counters

UNHEEDED = "proxies:unheeded"  # the counter of X-Forwarded-For headers that are ignored without proxies
UNHEEDED_WINDOW_MS = 24 * 3_600_000
NOTED_EVERY_S = 3600.0

_PORT = re.compile(r"^(?:\[([^\]]*)\]|([0-9.]+))(?::[0-9]+)?$")  # some proxies add one
_log = logging.getLogger("bot_linking")


class Callers:
    """The addresses of callers behind `trusted_proxies` proxies. `now` is in milliseconds.

    Behind a proxy that is not configured, all people share one address and its limits. So an ignored
    `X-Forwarded-For` is counted, for `flask linking check` to find, and logged once an hour in each process.
    """

    def __init__(self, counters: Counters, now: Callable[[], int], trusted_proxies: int) -> None:
        self._counters = counters
        self._now = now
        self._trusted = trusted_proxies
        self._note_at = 0.0

    def address_of(self, remote_addr: str | None, forwarded_for: Sequence[str]) -> str:
        """The caller's address; a /64 for IPv6. Notes an ignored `X-Forwarded-For`."""
        if forwarded_for and not self._trusted and _is_near(remote_addr):
            self._note_unheeded()
        return caller_of(remote_addr, forwarded_for, self._trusted)

    def _note_unheeded(self) -> None:
        if time.monotonic() < self._note_at:
            return
        self._note_at = time.monotonic() + NOTED_EVERY_S
        _log.warning(
            "X-Forwarded-For arrives while BOT_LINKING_TRUSTED_PROXIES is 0: all people behind that proxy"
            " share one address and its limits; set it to the number of proxies"
        )
        now = self._now()
        with suppress(StoreUnavailable):
            self._counters.hit(UNHEEDED, now + UNHEEDED_WINDOW_MS, now)


def caller_of(remote_addr: str | None, forwarded_for: Sequence[str], trusted_proxies: int) -> str:
    """The address that the last trusted proxy saw; a /64 for IPv6."""
    hops = [remote_addr or ""]
    if trusted_proxies:
        hops = [*filter(None, map(str.strip, ",".join(forwarded_for).split(","))), *hops]
    hop = _PORT.sub(r"\1\2", hops[max(0, len(hops) - 1 - trusted_proxies)])
    try:
        address = ip_address(hop)
    except ValueError:
        return hop[:64]
    if isinstance(address, IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:  # as a socket of both families shows IPv4
        return str(address.ipv4_mapped)
    return str(ip_network((address, 64), strict=False))


def _is_near(remote_addr: str | None) -> bool:
    """Whether a proxy of the site may have this address. Any other caller may send the header, too."""
    try:
        return ip_address(remote_addr or "").is_private
    except ValueError:
        return True  # a socket in the file system
