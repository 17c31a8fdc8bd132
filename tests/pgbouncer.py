"""Debian's PgBouncer in front of the tests' PostgreSQL, on a port of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.ports import free_port

LIMIT_S = 120.0
_CONFIGURATION = """
[databases]
bot = host={host} dbname={name} user={user} connect_query='set search_path to {schema}'
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
server_reset_query = DISCARD ALL; set search_path to {schema}
default_pool_size = {sessions}
max_client_conn = 3000
ignore_startup_parameters = extra_float_digits
server_round_robin = {round_robin}
logfile = {folder}/log
"""


@contextmanager
def running(
    url: str, *, mode: str = "transaction", sessions: int = 10, in_turn: bool = False
) -> Iterator[str]:
    """The address of the database of `url` through PgBouncer, which lends the session that was used last, or
    each `in_turn`. Skips where PgBouncer is missing."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed")
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    schema = query["options"][0].rpartition("=")[2]
    with TemporaryDirectory(prefix="bot_linking_pgbouncer_") as name:
        folder, port, host = Path(name), free_port(), query["host"][0]
        settings = {"host": host, "name": parts.path[1:], "user": parts.username, "schema": schema}
        more = {"port": port, "sessions": sessions, "round_robin": int(in_turn), "folder": folder}
        text = _CONFIGURATION.format(mode=mode, **more, **settings)
        (folder / "pgbouncer.ini").write_text(text)
        process = subprocess.Popen(
            [program, "-q", str(folder / "pgbouncer.ini")], stderr=subprocess.DEVNULL, **_owner(host, folder)
        )
        try:
            _wait_for(port)
            yield f"postgresql://bot@127.0.0.1:{port}/bot"
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(LIMIT_S)
            process.kill()
            process.wait()


def _owner(host: str, folder: Path) -> dict[str, Any]:
    """The user of the PostgreSQL server: PgBouncer refuses to run as root."""
    if os.getuid() != 0:
        return {}
    user = Path(host).owner()
    for path in (folder, *folder.iterdir()):
        shutil.chown(path, user)
    return {"user": user}


def _wait_for(port: int) -> None:
    until = time.monotonic() + LIMIT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
