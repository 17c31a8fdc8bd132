"""The example bot as a stranger starts it, and a real browser to look at it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.children import LIMIT_S, child

ROOT = Path(__file__).parents[2]


@dataclass
class RunningBot:
    """`python -m example_bot` in a process of its own."""

    process: subprocess.Popen[str]
    url: str
    chat_url: str
    output: Path
    environment: dict[str, str]

    def flask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`flask --app example_bot linking ...` beside it."""
        return subprocess.run(
            [sys.executable, "-m", "flask", "--app", "example_bot", "linking", *arguments],
            cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip


@pytest.fixture
def start_bot(tmp_path: Path) -> Iterator[Callable[..., RunningBot]]:
    """Starts example bots, each with an empty database, and ends them."""
    children, running = ExitStack(), list[subprocess.Popen[str]]()

    def start(*, port: int | None = None, **settings: str) -> RunningBot:
        port = port or free_pair()
        output = tmp_path / f"output-{len(running)}.txt"
        environment = {
            **os.environ,
            "EXAMPLE_BOT_INSTANCE": str(tmp_path / "instance"),
            "PYTHONUNBUFFERED": "1",
            **settings,
        }
        with output.open("w") as file:
            command = [sys.executable, "-m", "example_bot", "--port", str(port)]
            pipes = {"stdout": file, "stderr": subprocess.STDOUT}
            process = children.enter_context(child(command, cwd=ROOT, env=environment, text=True, **pipes))
        running.append(process)
        chat = _wait_for_address(process, output)
        return RunningBot(process, f"http://127.0.0.1:{port}", chat, output, environment)

    with children:
        yield start
        for process in running:
            process.send_signal(signal.SIGTERM)
        for process in running:
            process.wait(timeout=LIMIT_S)


@pytest.fixture
def bot(start_bot: Callable[..., RunningBot]) -> RunningBot:
    return start_bot()


def free_pair() -> int:
    """A port that is free together with the next one, which the simulator takes."""
    for _ in range(50):
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port
    raise RuntimeError("no two free ports in a row")


def is_ready(url: str) -> bool:
    """Whether the bot at this address says so."""
    try:
        return requests.get(f"{url}/linking/health", timeout=30).text.strip() == "ready"
    except requests.ConnectionError:
        return False


def _wait_for_address(process: subprocess.Popen[str], output: Path) -> str:
    """The chat page's address, as printed."""
    import time

    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        text = output.read_text()
        if found := re.search(r"^\s+(http://127\.0\.0\.1:\d+/)$", text, re.MULTILINE):
            if "Stop with Ctrl-C" in text:
                return found[1]
        elif process.poll() is not None:
            break
        time.sleep(0.05)
    raise AssertionError(f"the example bot did not start:\n{output.read_text()}")
