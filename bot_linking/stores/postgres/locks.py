"""Our advisory locks, and whether the server keeps them. Some engines that speak like PostgreSQL accept each
lock and keep none, also where `version()` calls them PostgreSQL."""

from __future__ import annotations

import secrets
from contextlib import closing
from typing import Any

import psycopg
from psycopg import errors

from bot_linking.stores.opening import Unfit
from bot_linking.stores.postgres.pool import Connection, Connections

LOCKS = 0x626C  # the class of our advisory locks; number -1 is for bringing tables up to date
TRIALS = 0x626D  # the class of those that are only tried
SESSION_S = 0.5  # the longest wait for a pooler to lend a second session
_THEN = "so one code would link two people"


def insist_on_locks(connection: Connection, connections: Connections) -> None:
    """Raise `Unfit` where a second connection gets a lock that this one holds.

    Where no second connection or session of the same server can be had, nothing is known and nothing is
    refused: a pooler with one session is in order, and so are commands that read from several standbys. An
    engine without locks is then refused by the next process that gets two.
    """
    key = f"{TRIALS}, {secrets.randbelow(2**31)}"  # by chance, so that processes do not wait for each other
    try:
        held = _is_held(connection, connections, key)
    except (errors.UndefinedFunction, errors.FeatureNotSupported):
        raise Unfit(f"this server has no advisory locks, {_THEN}") from None
    if not held:
        raise Unfit(f"this server only speaks like PostgreSQL: it does not keep its advisory locks, {_THEN}")


def _is_held(connection: Connection, connections: Connections, key: str) -> bool:
    """Whether another connection cannot get a lock that this one takes, or no other is to be had."""
    try:
        other = connections.open_one()
    except psycopg.OperationalError:
        return True
    with closing(other):
        if connections.are_lent:
            other.patience_s = SESSION_S  # the transaction below may hold the pooler's only session
        try:
            is_same = _server_of(connection) == _server_of(other)
        except psycopg.OperationalError:
            is_same = False
        if not is_same:
            return True
        connection.execute(f"begin; select pg_advisory_xact_lock({key})".encode(), prepare=False)
        try:
            tried = other.execute(f"select pg_try_advisory_xact_lock({key})".encode(), prepare=False)
            ((is_free,),) = tried.fetchall()
        except psycopg.OperationalError:
            is_free = False
        connection.execute("rollback", prepare=False)  # fails where a lost session has let go of the lock
        return not is_free


def _server_of(connection: Connection) -> Any:
    """What tells one server from another; the same for all of an engine that does not say it."""
    try:
        return connection.execute("select pg_postmaster_start_time()", prepare=False).fetchall()
    except psycopg.ProgrammingError:
        return None
