"""The PostgreSQL database itself: which steps it records, and how its tables are changed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

import psycopg
from psycopg import errors

from bot_linking.core.errors import StoreUnavailable
from bot_linking.stores.opening import Recorded, Steps, Unfit
from bot_linking.stores.postgres.locks import LOCKS, insist_on_locks
from bot_linking.stores.postgres.pool import Connections
from bot_linking.stores.postgres.sessions import SAY_POOLING, halves_of

OLDEST = 14  # the release of PostgreSQL from which on the SQL works
_OF_A_POOLER = (errors.DuplicatePreparedStatement, errors.InvalidSqlStatementName)
_RECORD = """
create table if not exists bot_linking_migrations (
  room text not null,
  step text not null,
  applied_at timestamptz not null default now(),
  primary key (room, step)
)"""


class Database:
    """One PostgreSQL database as `stores.opening.Tables`."""

    where = "the PostgreSQL database"

    def __init__(self, url: str, connections: Connections) -> None:
        self._url = self.identity = url
        self._connections = connections
        self._hidden = secrets_in(url)
        self._is_judged = False

    def recorded(self) -> Recorded | None:
        try:
            connection = self._connections.borrow()
            try:
                found = _recorded(connection)
                if not self._is_judged:
                    insist_on_locks(connection, self._connections)
                    self._is_judged = True
            except BaseException:
                self._connections.discard(connection)
                raise
        except psycopg.Error as problem:
            raise self.unavailable(problem) from problem
        self._connections.give_back(connection)
        return found

    def apply(self, missing: Mapping[str, Steps], *, wait_s: float | None) -> list[str]:
        try:
            # Without the time limits of other connections: a step may take long.
            with psycopg.connect(self._url, connect_timeout=5) as connection:
                connection.prepare_threshold = (
                    None  # behind a pooler the next transaction has another session
                )
                connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
                return _apply(connection, missing, wait_s)
        except errors.LockNotAvailable:
            raise StoreUnavailable(f"the tables of {self.where} are being changed by another") from None
        except psycopg.Error as problem:
            raise self.unavailable(problem) from problem

    def unavailable(self, problem: psycopg.Error) -> StoreUnavailable:
        """The error for the store's callers, without the address or its password."""
        text = words_of(problem, self._hidden)
        if isinstance(problem, _OF_A_POOLER):
            text += f"; behind a pooler {SAY_POOLING}"
        return StoreUnavailable(f"PostgreSQL does not work: {text}")


def words_of(problem: psycopg.Error, hidden: Iterable[str]) -> str:
    """The text of an error of PostgreSQL's, in one line and without these secrets."""
    text = (problem.diag.message_primary or str(problem) or type(problem).__name__).partition("\n")[0]
    for secret in hidden:
        text = text.replace(secret, "***")
    return text


def _recorded(connection: psycopg.Connection[Any]) -> Recorded | None:
    ((version, record),) = connection.execute(
        "select version(), to_regclass('bot_linking_migrations')::text", prepare=False
    ).fetchall()
    if not version.startswith("PostgreSQL "):
        name = version.partition(" ")[0]
        raise Unfit(
            f"this is {name}, which only speaks like PostgreSQL: where advisory locks do nothing, one code"
            " would link two people"
        )
    if (release := connection.info.server_version // 10_000) < OLDEST:
        raise Unfit(f"PostgreSQL {OLDEST} or newer is needed, and this is {release}")
    return None if record is None else steps_in(connection)


def steps_in(connection: psycopg.Connection[Any]) -> dict[str, set[str]]:
    """The schema steps that were applied, by room."""
    found: dict[str, set[str]] = {}
    for room, step in connection.execute("select room, step from bot_linking_migrations", prepare=False):
        found.setdefault(room, set()).add(step)
    return found


def _apply(
    connection: psycopg.Connection[Any], missing: Mapping[str, Steps], wait_s: float | None
) -> list[str]:
    """Apply all steps in the present transaction."""
    applied: list[str] = []
    connection.execute("select set_config('lock_timeout', %s, true)", [str(int((wait_s or 0) * 1000))])
    connection.execute("select pg_advisory_xact_lock(%s, -1)", [LOCKS])
    connection.execute("set local lock_timeout = 0")
    connection.execute(_RECORD)
    recorded = steps_in(connection)
    for room, steps in missing.items():
        for step, statements in steps.items():
            if step not in recorded.get(room, set()):
                _take(connection, room, step, statements)
                applied.append(f"{room} {step}")
    return applied


def _take(connection: psycopg.Connection[Any], room: str, step: str, statements: list[str]) -> None:
    for statement in statements:
        connection.execute(_as_bytes(statement), prepare=False)
    connection.execute("insert into bot_linking_migrations (room, step) values (%s, %s)", [room, step])


def _as_bytes(statement: str) -> bytes:
    """A statement of the schema for PostgreSQL. Its texts are compared by their bytes, as in SQLite: that is
    faster, and an update of the system's locales cannot break the order of an index."""
    code = "\n".join(line for line in statement.splitlines() if not line.startswith("--"))
    return re.sub(r" text\b", ' text collate "C"', code).encode()


def secrets_in(url: str) -> list[str]:
    """What is never shown: the address itself, and its passwords, as written and decoded."""
    address, query = halves_of(url)
    passwords = re.findall(r"^\w+://[^:@/]*:([^@/]+)@", address)
    passwords += re.findall(r"(?:^|&)(?:ssl)?password=([^&]+)", query)
    spelt = {spelling for found in passwords for spelling in (found, unquote(found))}
    return [url, *sorted(spelt, key=len, reverse=True)]
