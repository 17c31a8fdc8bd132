"""A PostgreSQL database as source or target of a copy, by its COPY command."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from bot_linking.core.errors import StoreUnavailable
from bot_linking.stores.copying.plan import Table
from bot_linking.stores.copying.side import CHUNK, Rows
from bot_linking.stores.postgres.database import secrets_in, steps_in, words_of
from bot_linking.stores.postgres.sessions import without_pooling

LOCK_WAIT_MS = 30_000  # the server takes some time to notice that an earlier copy was killed
_CONNECTING: Any = {"connect_timeout": 5, "client_encoding": "utf8", "application_name": "bot_linking copy"}
_IDENTITY = """
select current_database(), current_schema(), inet_server_addr(), inet_server_port(),
       pg_postmaster_start_time()
"""


class PostgresSide:
    """One schema of one database, the first of its `search_path`."""

    def __init__(self, url: str) -> None:
        self._hidden = secrets_in(url)
        self._tables: list[Table] = []
        with self._reported():
            self._connection = psycopg.connect(without_pooling(url)[0], autocommit=True, **_CONNECTING)
        self._connection.prepare_threshold = None

    def identity(self) -> tuple[Any, ...]:
        return self._ask(_IDENTITY)[0]

    def steps(self) -> dict[str, set[str]]:
        if not self._has("bot_linking_migrations"):
            return {}
        with self._bounded(), self._reported():
            return steps_in(self._connection)

    def hold_still(self, tables: Sequence[Table]) -> None:
        self._begin("begin isolation level repeatable read")
        ((is_standby,),) = self._ask("select pg_is_in_recovery()")
        if not is_standby:  # a standby takes no writes
            self._lock(tables, "lock table {} in share mode")

    def take(self, tables: Sequence[Table]) -> None:
        self._tables = list(tables)
        self._begin("begin isolation level read committed")
        self._lock(tables, "lock table {} in exclusive mode")

    def count(self, table: Table) -> int:
        if not self._has(table.name):
            return 0
        with self._bounded():
            ((count,),) = self._ask(sql.SQL("select count(*) from {}").format(sql.Identifier(table.name)))
        return int(count)

    def others(self, ours: Collection[str]) -> list[str]:
        return []  # a schema may be shared

    def rows(self, table: Table) -> Iterator[Rows]:
        query = sql.SQL("select {} from {}").format(_listed(table), sql.Identifier(table.name))
        alone = self._connection.info.transaction_status == TransactionStatus.IDLE
        with self._reported(), self._connection.cursor("copied", binary=True, withhold=alone) as cursor:
            cursor.execute(query)
            while chunk := cursor.fetchmany(CHUNK):
                yield chunk

    def clear(self, table: Table) -> None:
        self._ask(sql.SQL("delete from {}").format(sql.Identifier(table.name)))

    def fill(self, table: Table, chunks: Iterable[Rows]) -> None:
        statement = sql.SQL("copy {} ({}) from stdin").format(sql.Identifier(table.name), _listed(table))
        with self._reported(), self._connection.cursor().copy(statement) as copy:
            for chunk in chunks:
                for row in chunk:
                    copy.write_row(row)

    def last_number(self, table: Table) -> int:
        ((sequence,),) = self._ask("select pg_get_serial_sequence(%s, %s)", table.name, table.counter)
        ((last, is_used),) = self._ask(f"select last_value, is_called from {sequence}")
        return int(last) if is_used else 0

    def set_last_number(self, table: Table, number: int) -> None:
        self._ask(
            "select setval(pg_get_serial_sequence(%s, %s), %s, %s)",
            table.name,
            table.counter,
            max(number, 1),
            number > 0,
        )

    def commit(self) -> None:
        self._ask("commit")
        with suppress(StoreUnavailable):
            for table in self._tables:
                self._ask(sql.SQL("analyze {}").format(sql.Identifier(table.name)))

    def close(self) -> None:
        with suppress(psycopg.Error):
            self._connection.close()

    def _begin(self, statement: str) -> None:
        self._ask(statement)
        self._ask(f"set local lock_timeout = {LOCK_WAIT_MS}")
        self._ask("set local statement_timeout = 0")
        self._ask("set local idle_in_transaction_session_timeout = 0")

    @contextmanager
    def _bounded(self) -> Iterator[None]:
        """A look on its own, too, waits no longer for a lock than a copy does."""
        if self._connection.info.transaction_status != TransactionStatus.IDLE:
            yield
            return
        self._begin("begin isolation level read committed")
        yield
        self._ask("commit")

    def _lock(self, tables: Sequence[Table], statement: LiteralString) -> None:
        names = sql.SQL(", ").join(sql.Identifier(table.name) for table in tables)
        self._ask(sql.SQL(statement).format(names))

    def _has(self, name: str) -> bool:
        return self._ask("select to_regclass(%s)", name) != [(None,)]

    def _ask(self, statement: Any, *values: Any) -> Rows:
        with self._reported():
            cursor = self._connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as problem:
            said = words_of(problem, self._hidden)
            raise StoreUnavailable(f"PostgreSQL does not work: {said}") from problem


def _listed(table: Table) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, table.columns))
