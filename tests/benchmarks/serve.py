"""A contestant behind a real server, in a process of its own: `python -m tests.benchmarks.serve ...`."""

from __future__ import annotations

import argparse
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.security import check_password_hash, generate_password_hash

from . import payloads
from .ideal import bare_app, host_app, ideal_app, read_json
from .load import pin
from .ours import our_app

SERVER_CORE, LOAD_CORE = 0, 1
HASH = "scrypt:32768:8:3"  # 32 MiB for each


class _SlowConnection(sqlite3.Connection):
    """A disk whose flush takes a while: a commit waits if it has written something."""

    delay = 0.0
    _changes = 0

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        if sql == "commit" and self.total_changes != self._changes:
            self._changes = self.total_changes
            time.sleep(self.delay)
        return super().execute(sql, parameters)


def _make(name: str, folder: Path) -> Flask:
    if name == "sign_in":
        known = generate_password_hash("a password nobody types", HASH)
        authenticate = partial(_deny, known)
        return our_app(
            folder,
            authenticate=authenticate,
            BOT_LINKING_ADDRESS_LIMIT=10_000,
            BOT_LINKING_SIGN_IN_LIMIT=100,
        )[0]
    makers: dict[str, Callable[[], Flask]] = {
        "bare": bare_app,
        "host": host_app,
        "ideal": lambda: ideal_app(folder / "ideal.db", payloads.SECRET),
        "ours": lambda: our_app(folder)[0],
        "ours_host": lambda: our_app(folder, read_json)[0],
    }
    return makers[name]()


def _deny(known: str, username: str, password: str) -> None:
    assert not check_password_hash(known, password)


@contextmanager
def on_server_core() -> Iterator[None]:
    """Keep this process on the server's core."""
    cores = os.sched_getaffinity(0)
    pin(SERVER_CORE)
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


@contextmanager
def server(
    name: str, folder: Path, *, workers: int = 1, threads: int = 16, slow_ms: float = 0
) -> Iterator[Any]:
    """The contestant's port and process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable, "-m", f"{__package__}.serve", name, str(folder), str(port),
        "--workers", str(workers), "--threads", str(threads), "--slow-ms", str(slow_ms),
    ]  # fmt: skip
    with open(folder / f"{name}.log", "w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _await(port, process)
            yield port, process
        finally:
            process.terminate()
            process.wait(20)


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("a benchmark's server did not start")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("folder", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--slow-ms", type=float)
    options = parser.parse_args()
    pin(SERVER_CORE)
    if options.slow_ms:
        _SlowConnection.delay = options.slow_ms / 1000
        sqlite3.connect = partial(sqlite3.connect, factory=_SlowConnection)  # type: ignore[assignment]
    app = _make(options.name, options.folder)
    _serve(app, options.port, options.workers, options.threads)


def _serve(app: Flask, port: int, workers: int, threads: int) -> None:
    """gunicorn's gthread worker where it is installed, else the development server's threads."""
    try:
        BaseApplication: Any = import_module("gunicorn.app.base").BaseApplication
    except ImportError:
        from werkzeug.serving import WSGIRequestHandler, make_server

        WSGIRequestHandler.protocol_version = "HTTP/1.1"
        make_server("127.0.0.1", port, app, threaded=True).serve_forever()
        return

    class Application(BaseApplication):  # type: ignore[misc]  # it is not always installed
        def load_config(self) -> None:
            options = {
                "bind": f"127.0.0.1:{port}",
                "workers": workers,
                "threads": threads,
                "worker_class": "gthread",
                "keepalive": 120,
                "loglevel": "error",
                "control_socket_disable": True,
            }
            for key, value in options.items():
                if key in self.cfg.settings:
                    self.cfg.set(key, value)

        def load(self) -> Flask:
            return app

    Application().run()


def memory_of(process: int) -> int:
    """Resident bytes of a process and its children."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(memory_of(int(child)) for child in children)


if __name__ == "__main__":
    main()
