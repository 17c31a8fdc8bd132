"""The settings of a session. A direct connection makes them once, when it is opened. Behind a pooler that
lends sessions for one transaction at a time, each transaction makes them locally, so that the next user of
the session does not get them."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from ipaddress import ip_address
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from bot_linking.core.errors import ConfigurationError
from bot_linking.stores.opening import Unfit

STATEMENT_S = 3.0  # the longest that one statement may take, with its wait for locks
LOCK_S = 2.5  # the longest wait for a lock
LOOKS = 5  # at two connections' sessions, before each is taken to have its own

Connection = psycopg.Connection[Any]

# The server's configuration may differ. Our locks need a new snapshot for each statement, and a commit must
# be on disk. Each statement has an index, but the planner does not use it while it takes a table for small:
# until the next ANALYZE, while thousands log in.
_SETTINGS = {
    "statement_timeout": f"'{int(STATEMENT_S * 1000)}'",
    "lock_timeout": f"'{int(LOCK_S * 1000)}'",
    "idle_in_transaction_session_timeout": "'10000'",
    "enable_seqscan": "'off'",
    "jit": "'off'",
    "synchronous_commit": "case current_setting('synchronous_commit') when 'off' then 'on'"
    " else current_setting('synchronous_commit') end",
}
_DEFAULTS = {"default_transaction_isolation": "'read committed'", "default_transaction_deferrable": "'off'"}


def _set(settings: dict[str, str], *, local: bool) -> bytes:
    calls = (f"set_config('{name}', {value}, {str(local).lower()})" for name, value in settings.items())
    return f"select {', '.join(calls)}".encode()


_UNDERSTOOD = (
    "a special character in a name or a password is written as %40 (@), %2F (/), %3F (?) or %25 (%); a port"
    " is a number; behind the ? stand parameters of libpq's, with & between them"
)
SAY_POOLING = "BOT_LINKING_DATABASE must end with ?pooling=transaction (&pooling=transaction behind another)"
OF_A_SESSION = _set(_SETTINGS | _DEFAULTS, local=False)
BEGIN: tuple[bytes, ...] = (b"begin",)
BEGIN_WITH_SETTINGS: tuple[bytes, ...] = (
    b"begin isolation level read committed, read write, not deferrable",
    _set(_SETTINGS, local=True),
)


def without_pooling(url: str) -> tuple[str, bool]:
    """The address without our own parameter `pooling`, and whether that was `transaction`.

    Raises `ConfigurationError`, which quotes no part of the address, as libpq's own error does.
    """
    address, query = halves_of(url)
    pairs = [pair.partition("=") for pair in query.split("&")]
    kinds = {value for name, _, value in pairs if name == "pooling"}
    if kinds - {"transaction", "session"} or len(kinds) > 1:
        raise ConfigurationError("BOT_LINKING_DATABASE", "pooling= must be transaction or session")
    rest = "&".join("".join(pair) for pair in pairs if pair[0] != "pooling")
    plain = address + ("?" + rest if rest else "")
    if not _is_understood(plain):
        raise ConfigurationError(
            "BOT_LINKING_DATABASE", f"is not an address that libpq understands: {_UNDERSTOOD}"
        )
    return plain, kinds == {"transaction"}


def _is_understood(url: str) -> bool:
    """Whether libpq can read this address, and no part of a password with an `@` or a `/` that was not
    encoded would pass for a user, a host, a port or a database: libpq quotes those when it connects."""
    try:
        given = conninfo_to_dict(url)
    except (psycopg.Error, UnicodeError):
        return False
    names = [str(given.get(name, "")) for name in ("port", "user", "dbname", "host", "hostaddr")]
    port, user, _, *hosts = names
    (address, _), end = halves_of(url), _end_of_user(url)
    return (
        re.fullmatch(r"[\s+0-9,]*", port) is not None
        and "@" not in address[end:]
        and ":" not in user
        and not re.search(r"\?.*=", url[:end])  # an @ among parameters makes them a user, for libpq
        and not any("=" in name for name in names)  # parameters, whatever stands before them
        and all(_is_a_host(host) for several in hosts for host in several.split(","))
    )


def _is_a_host(host: str) -> bool:
    """Whether this may be a name, an address, or a socket, and not a user and a password before one."""
    if host.startswith("/"):
        return True
    try:
        if ":" in host:
            ip_address(host)
        host.encode("idna")  # as Python does to look it up: an error there is none of psycopg's
    except ValueError:
        return False
    return "@" not in host[1:]


def halves_of(url: str) -> tuple[str, str]:
    """What stands before the `?` of the query and what behind it, as libpq reads the address: a user and a
    password may hold a `?`."""
    start = _end_of_user(url)
    address, _, query = url[start:].partition("?")
    return url[:start] + address, query


def _end_of_user(url: str) -> int:
    """Where a user and a password end: at the first `@`, unless a `/` comes before it."""
    user = re.match(r"\w+://(?:[^@/]*@)?", url)
    return user.end() if user else 0


def insist_on_a_session(connection: Connection, connect: Callable[[], Connection]) -> None:
    """Raise `Unfit` where a pooler lends sessions for a transaction and the address does not say so: another
    program would get the settings that we make there."""
    mine, others = {_server_process(connection)}, set[int]()
    if mine == {connection.info.backend_pid}:
        return  # no pooler
    with closing(connect()) as other:
        for _ in range(LOOKS):
            mine.add(_server_process(connection))
            others.add(_server_process(other))
    # Some poolers lend the session that was used last, and some lend each in turn.
    if len(mine) > 1 or len(others) > 1 or mine & others:
        raise Unfit(f"a pooler shares the database's sessions by transaction: {SAY_POOLING}")


def _server_process(connection: Connection) -> int:
    ((number,),) = connection.execute("select pg_backend_pid()", prepare=False).fetchall()
    return int(number)
