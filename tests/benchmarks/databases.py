"""The two stores to measure: SQLite files, and a PostgreSQL server of our own that flushes, too.

The server is started when the first group asks for it, and ends with this process. It shares our core: waking
another core takes as long as a look-up, and not always as long. Where no server can be had, SQLite is
measured alone, and standard error says why.
"""

from __future__ import annotations

import atexit
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from tests import postgres

from . import payloads
from .load import pin
from .measure import Round, busy, waiting
from .serve import SERVER_CORE

Clock = Callable[[Callable[[], object], int], Round]
_NOW = 1_700_000_000_000
_schemas = count(1)


class Database(Protocol):
    """One database of the product's. `reading` is the clock for calls that flush nothing: our processor
    time leaves out a server's work."""

    name: str
    url: str
    reading: Clock

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """One statement of any SQL, on a connection of its own."""

    def settle(self) -> None:
        """Finish the store's background work, which what is measured next would wait for."""


class SQLite:
    name = "SQLite"
    reading: Clock = staticmethod(busy)

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ours.db"
        self.url = f"sqlite:///{self.path}"

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path, timeout=30, isolation_level=None)) as connection:
            connection.execute("pragma synchronous = off")
            connection.execute("pragma cache_size = -2000000")
            return connection.execute(statement).fetchall()

    def settle(self) -> None:
        self.execute("pragma wal_checkpoint(truncate)")


class Postgres:
    name = "PostgreSQL"
    reading: Clock = staticmethod(waiting)

    def __init__(self, server: postgres.Server) -> None:
        schema = f"benchmark_{next(_schemas)}"
        postgres.execute(server.url, f"create schema {schema}")
        self.url = server.url_of(schema)

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        return postgres.execute(self.url, statement)

    def settle(self) -> None:
        self.execute("vacuum analyze")
        self.execute("checkpoint")


def each_store(folder: Path) -> Iterator[tuple[str, Callable[[], Database]]]:
    """The name of each available store, and what makes an empty database of it."""
    files = count(1)

    def new_file() -> Database:
        place = folder / f"database_{next(files)}"
        place.mkdir()
        return SQLite(place)

    yield SQLite.name, new_file
    if (server := postgres_server()) is not None:
        yield Postgres.name, lambda: Postgres(server)


@cache
def postgres_server() -> postgres.Server | None:
    """The server of this run, if there is one."""
    server = postgres.start()
    if isinstance(server, str):
        print(server, file=sys.stderr)
        return None
    atexit.register(server.stop)
    pin(SERVER_CORE, int((server.folder / "postmaster.pid").read_text().split()[0]))
    postgres.execute(server.url, "alter system set fsync = on")  # the tests' server runs without
    postgres.execute(server.url, "select pg_reload_conf()")
    return server


def fill(database: Database, people: range) -> None:
    """Insert the links of these people, by one statement that both stores understand."""
    database.execute(f"""
insert into links (page_id, psid, account_id, username, email, source, linked_at, updated_at, event_ms,
                   code_tick, changed_tick)
with recursive people (n) as (
  select cast({people.start} as bigint)
  union all select n + {people.step} from people where n < {people[-1]})
select '{payloads.PAGE}', cast({payloads.FIRST_PSID} + n * {payloads.PSID_STEP} as text), cast(n as text),
       'user' || n, 'user' || n || '@example.com', 'login', {_NOW} + n, {_NOW} + n, {_NOW} + n, 0, 0
from people""")
    database.settle()
