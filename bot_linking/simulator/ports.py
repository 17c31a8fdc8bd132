"""Listening sockets on this machine, taken before an address is printed, and errors that name a taken
port."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from contextlib import ExitStack

#: How far to look for free ports, from the first one on.
_TRIES = 100
_LAST_PORT = 65_535
_TAKEN = {errno.EADDRINUSE, getattr(errno, "WSAEADDRINUSE", errno.EADDRINUSE)}
_FORBIDDEN = {errno.EACCES, getattr(errno, "WSAEACCES", errno.EACCES)}
#: AirPlay Receiver listens there on every current Mac.
_AIRPLAY = (5000, 7000)


class PortTaken(OSError):
    """A port that is not available; the message is one sentence with its number and who may hold it."""

    def __init__(self, port: int, reason: str) -> None:
        super().__init__(f"port {port} {reason}; choose another with --port")
        self.port = port


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens at this address; 0 takes a free port. Raises ``PortTaken``.

    A client may connect before a server runs: it waits in the socket's queue.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as problem:
        if problem.errno in _TAKEN:
            raise PortTaken(port, f"is in use, {_who_may_hold(port)}") from None
        if problem.errno in _FORBIDDEN:
            raise PortTaken(port, "is reserved by the system") from None
        raise


def listen_in_a_row(host: str, first: int, *, how_many: int = 1, search: bool = False) -> list[socket.socket]:
    """Return ``how_many`` sockets that listen at neighbouring ports, from ``first`` on. Raises ``PortTaken``.

    With ``search`` the next free ports are taken where these are in use.
    """
    tries = range(first, min(first + _TRIES * how_many, _LAST_PORT), how_many) if search else [first]
    for place, port in enumerate(tries):
        try:
            return _listen_at_all(host, range(port, port + how_many))
        except PortTaken:
            if place == len(tries) - 1:
                raise
    raise ValueError(f"there is no port {first}")


def port_of(listener: socket.socket) -> int:
    """Return the port at which it listens."""
    return int(listener.getsockname()[1])


def _listen_at_all(host: str, ports: Sequence[int]) -> list[socket.socket]:
    with ExitStack() as unless_all:
        listeners = [unless_all.enter_context(listen(host, port)) for port in ports]
        unless_all.pop_all()
        return listeners


def _who_may_hold(port: int) -> str:
    if port in _AIRPLAY:
        return "on a Mac by AirPlay Receiver (System Settings, General, AirDrop & Handoff)"
    return "perhaps by another run of this command"
