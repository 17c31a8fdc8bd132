"""Listening sockets on this machine, taken before an address is printed, and errors that name a port that is
taken or does not exist."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from contextlib import ExitStack, suppress

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


class NoSuchPort(ValueError):
    """A number that is no port's; the message is one sentence with the number."""

    def __init__(self, port: int) -> None:
        super().__init__(f"there is no port {port}: ports are numbers from 0 to {_LAST_PORT}")
        self.port = port


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens at this address; 0 takes a free port. Raises ``PortTaken`` and
    ``NoSuchPort``.

    A client may connect before a server runs: it waits in the socket's queue.
    """
    if not 0 <= port <= _LAST_PORT:
        raise NoSuchPort(port)
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
    """Return ``how_many`` sockets that listen at neighbouring ports, from ``first`` on; 0 takes free ones.
    Raises ``PortTaken`` and ``NoSuchPort``.

    With ``search`` the next free ports are taken where these are not free.
    """
    tries: Sequence[int] = [first]
    if first == 0:
        tries = [0] * _TRIES  # each is another free port, whose neighbours may be taken
    elif search and first > 0:
        end = min(first + _TRIES * how_many, _LAST_PORT + 2 - how_many)
        tries = range(first, end, how_many) or [first]
    for port in tries[:-1]:
        with suppress(PortTaken, NoSuchPort):
            return _listen_at_all(host, port, how_many)
    return _listen_at_all(host, tries[-1], how_many)


def port_of(listener: socket.socket) -> int:
    """Return the port at which it listens."""
    return int(listener.getsockname()[1])


def _listen_at_all(host: str, first: int, how_many: int) -> list[socket.socket]:
    with ExitStack() as unless_all:
        listeners = [unless_all.enter_context(listen(host, first))]
        first = port_of(listeners[0])
        for port in range(first + 1, first + how_many):
            listeners.append(unless_all.enter_context(listen(host, port)))
        unless_all.pop_all()
        return listeners


def _who_may_hold(port: int) -> str:
    if port in _AIRPLAY:
        return "on a Mac by AirPlay Receiver (System Settings, General, AirDrop & Handoff)"
    return "perhaps by another run of this command"
