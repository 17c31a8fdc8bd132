"""What a copy needs of a database, as source or target, and the digest by which both are compared."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Any, Protocol

from bot_linking.stores.copying.plan import Table

CHUNK = 2000  # rows in memory at once

Rows = list[tuple[Any, ...]]


class Side(Protocol):
    """One database in one transaction, on a connection of its own. Every method may raise `StoreUnavailable`,
    except `close`."""

    def identity(self) -> tuple[Any, ...]:
        """A value that is equal for two sides of the same database only."""

    def steps(self) -> dict[str, set[str]]:
        """The schema steps that were applied, by record of migrations; empty for a database without ours."""

    def hold_still(self, tables: Sequence[Table]) -> None:
        """Begin to read: from now on no process changes these tables. A read-only database needs no lock."""

    def take(self, tables: Sequence[Table]) -> None:
        """Begin to write: no other process changes these tables until the end."""

    def count(self, table: Table) -> int:
        """How many rows there are; 0 where the table is missing."""

    def others(self, ours: Collection[str]) -> list[str]:
        """The names of the tables of other programs, in a database that is to hold ours alone."""

    def rows(self, table: Table) -> Iterator[Rows]:
        """All rows, at most `CHUNK` at a time, in any order."""

    def clear(self, table: Table) -> None:
        """Delete all rows: in an empty target these are the ones that the schema inserts."""

    def fill(self, table: Table, chunks: Iterable[Rows]) -> None:
        """Insert these rows, whose values stand in the order of the table's columns."""

    def last_number(self, table: Table) -> int:
        """The last number that the table's counter gave out, whether or not its row is still there."""

    def set_last_number(self, table: Table, number: int) -> None:
        """Make the counter go on after this number."""

    def commit(self) -> None:
        """Keep what was written: it is on disk when this returns."""

    def close(self) -> None:
        """End the transaction and the connection. Never raises."""


class Digest:
    """A digest of a table's rows, the same for every order of them, in 32 hexadecimal digits."""

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0

    def add(self, chunk: Rows) -> None:
        self.rows += len(chunk)
        for row in chunk:
            self._sum += int.from_bytes(blake2b(repr(row).encode("utf-8"), digest_size=16).digest())

    def hexadecimal(self) -> str:
        return f"{self._sum % (1 << 128):032x}"
