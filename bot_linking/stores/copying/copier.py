"""The copy itself. It is one transaction on the target: a copy that is killed half way leaves it empty."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from bot_linking.core.errors import BotLinkingError, ConfigurationError
from bot_linking.stores import open_store, sqlite_file
from bot_linking.stores.copying.plan import Table, steps_of, tables_of
from bot_linking.stores.copying.side import Digest, Rows, Side
from bot_linking.stores.sql import rooms

OnStart = Callable[[int], None]
OnRows = Callable[[int], None]


class CopyRefused(BotLinkingError):
    """Nothing was copied, as rows would be lost or mixed; the text says why."""

    slug = "copy_refused"


@dataclass(frozen=True, slots=True)
class Copied:
    """One table that was copied: how many rows, and the digest that both sides have of them."""

    table: str
    rows: int
    digest: str


def copy_store(
    source_url: str,
    target_url: str,
    *,
    on_start: OnStart = lambda rows: None,
    on_rows: OnRows = lambda rows: None,
) -> list[Copied]:
    """Copy every table of one database into another, which is made where it is missing.

    The target must be empty. All rows are written in one transaction and compared before the commit: after a
    failure or a kill the target is as empty as before. Meanwhile the source is locked: a writer there waits
    and then gets `StoreUnavailable`. Counters go on from the source's numbers. `on_start` is called with the
    number of rows to read, `on_rows` with the size of each portion; every row is read twice.

    Raises `CopyRefused`, `StoreUnavailable` and `ConfigurationError`.
    """
    with closing(side_of(source_url)) as source:
        known = _known_rooms(source)
        tables = tables_of(known.values())
        source.hold_still(tables)
        _make_ready(source, target_url, tables, known)
        with closing(side_of(target_url)) as target:
            return _copy(source, target, tables, on_start, on_rows)


def side_of(url: str) -> Side:
    """The database at this address, by its scheme; it makes none."""
    if (path := sqlite_file(url)) is not None:
        from bot_linking.stores.copying.sqlite_side import SQLiteSide

        return SQLiteSide(path)
    try:
        from bot_linking.stores.copying.postgres_side import PostgresSide
    except ImportError:
        problem = "needs PostgreSQL's driver: the extra bot-linking[postgres]"
        raise ConfigurationError("--to", problem) from None
    return PostgresSide(url)


def _known_rooms(source: Side) -> dict[str, str]:
    """The rooms that have tables in the source, all of them up to date."""
    found, known = source.steps(), rooms()
    if not found:
        raise CopyRefused("the source has no tables of ours: is it the right database?")
    if foreign := found.keys() - known.keys():
        raise CopyRefused(
            f"the source has tables that this release does not know: {', '.join(sorted(foreign))}"
        )
    for record, steps in steps_of({name: known[name] for name in found}).items():
        if found[record] - steps:
            raise CopyRefused("the source was brought up to date by a newer release: copy with that one")
        if steps - found[record]:
            raise CopyRefused("the source's tables are not up to date: run `flask linking migrate` first")
    return {name: known[name] for name in found}


def _make_ready(source: Side, target_url: str, tables: Sequence[Table], known: dict[str, str]) -> None:
    """Check that the target is another database without rows or tables of others, then make its tables."""
    with closing(side_of(target_url)) as target:
        if target.identity() == source.identity():
            raise CopyRefused("the target is the database that is to be copied")
        _refuse_others(target)
        _refuse_rows(target, tables)
    try:
        store = open_store(target_url, only_look=True)  # `migrate` makes the tables, and says why it cannot
    except ConfigurationError as problem:
        raise CopyRefused(f"the target {str(problem).removeprefix(f'{problem.key} ')}") from None
    try:
        for name, room in known.items():
            store.engine.extend(name, room)
        store.migrate()
    finally:
        store.close()


def _refuse_others(target: Side) -> None:
    if others := target.others({table.name for table in tables_of(rooms().values())}):
        named = ", ".join(others[:3]) + (", ..." if others[3:] else "")
        raise CopyRefused(f"the target is not empty: it holds tables that are not of this release: {named}")


def _refuse_rows(target: Side, tables: Sequence[Table]) -> None:
    for table in tables:
        if (count := target.count(table)) > table.seeds:
            raise CopyRefused(f"the target is not empty: its table {table.name} has {count} row(s)")


def _copy(
    source: Side, target: Side, tables: Sequence[Table], on_start: OnStart, on_rows: OnRows
) -> list[Copied]:
    target.take(tables)
    _refuse_rows(target, tables)
    on_start(2 * sum(map(source.count, tables)))
    for table in reversed(tables):
        target.clear(table)
    copied = [_copy_table(source, target, table, on_rows) for table in tables]
    for each, table in zip(copied, tables, strict=True):
        _compare(each, _digest(target.rows(table), on_rows))
    target.commit()
    return copied


def _copy_table(source: Side, target: Side, table: Table, on_rows: OnRows) -> Copied:
    digest = Digest()
    target.fill(table, _noted(source.rows(table), digest, on_rows))
    if table.counter is not None:
        target.set_last_number(table, source.last_number(table))
    return Copied(table.name, digest.rows, digest.hexadecimal())


def _noted(chunks: Iterable[Rows], digest: Digest, on_rows: OnRows) -> Iterator[Rows]:
    for chunk in chunks:
        digest.add(chunk)
        yield chunk
        on_rows(len(chunk))


def _digest(chunks: Iterable[Rows], on_rows: OnRows) -> Digest:
    digest = Digest()
    for _ in _noted(chunks, digest, on_rows):
        pass
    return digest


def _compare(copied: Copied, found: Digest) -> None:
    if (copied.rows, copied.digest) != (found.rows, found.hexadecimal()):
        text = f"{copied.rows} row(s) of {copied.table} were read and {found.rows} arrived, or others"
        raise CopyRefused(f"the copy is not the same as the source, and was not kept: {text}")
