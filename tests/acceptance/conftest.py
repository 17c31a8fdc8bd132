"""The example bot as a stranger starts it, and a real browser."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.children import LIMIT_S, child

from .running import ROOT, RunningBot, free_pair, wait_for_address


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
        chat = wait_for_address(process, output)
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
