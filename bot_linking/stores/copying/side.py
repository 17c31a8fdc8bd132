"""What a copy needs of a database on either side, and the digest by which both are compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Any, Protocol

from bot_linking.stores.copying.plan import Table

CHUNK = 2000  # rows in memory at once

Rows = list[tuple[Any, ...]]


class Side(Protocol):
    """One database in one transaction, on a connection of its own. Every method may raise
    `StoreUnavailable`."""

    def identity(self) -> tuple[Any, ...]:
        """Equal for two sides that are the same database."""

    def steps(self) -> dict[str, set[str]]:
        """The steps of the schema that were applied, for each record of migrations. Changes nothing."""

    def hold_still(self, tables: Sequence[Table]) -> None:
        """Begin to read: these tables do not change until the end. A read-only database is read as it
        is."""

    def take(self, tables: Sequence[Table]) -> None:
        """Begin to write: no other process changes these tables until the end."""

    def count(self, table: Table) -> int:
        """How many rows there are; 0 where the table is missing."""

    def rows(self, table: Table) -> Iterator[Rows]:
        """All rows, some at a time, in no order."""

    def clear(self, table: Table) -> None:
        """Delete all rows, which are those that the schema put in."""

    def fill(self, table: Table, chunks: Iterable[Rows]) -> None:
        """Insert these rows, whose values stand in the order of the table's columns."""

    def last_number(self, table: Table) -> int:
        """The last number that the table's counter gave out, be its row still there or not."""

    def set_last_number(self, table: Table, number: int) -> None:
        """Let the counter go on after this number."""

    def commit(self) -> None:
        """Keep what was written: it is on disk when this returns."""

    def close(self) -> None:
        """End the transaction and the connection. Never raises."""


class Digest:
    """What a table holds, in 32 hexadecimal digits, in any order of its rows."""

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0

    def add(self, chunk: Rows) -> None:
        self.rows += len(chunk)
        for row in chunk:
            self._sum += int.from_bytes(blake2b(repr(row).encode("utf-8"), digest_size=16).digest())

    def hexadecimal(self) -> str:
        return f"{self._sum % (1 << 128):032x}"
