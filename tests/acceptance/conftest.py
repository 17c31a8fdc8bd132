"""The example bot as a stranger starts it, and a real browser."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import forked

from .running import QUICK_HASHES, RunningBot, free_pair, wait_for_address


@pytest.fixture
def start_bot(tmp_path: Path) -> Iterator[Callable[..., RunningBot]]:
    """Starts example bots, each with an empty database, and ends them."""
    children, running = ExitStack(), list[forked.Process]()

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
            arguments = ["example_bot", "--port", str(port)]
            process = children.enter_context(
                forked.child(arguments, env=environment, prelude=QUICK_HASHES, stdout=file, stderr=file)
            )
        running.append(process)
        chat = wait_for_address(process, output)
        return RunningBot(process, f"http://127.0.0.1:{port}", chat, output, environment)

    with children:
        yield start
        for process in running:
            process.terminate()
        for process in running:
            process.wait()


@pytest.fixture
def bot(start_bot: Callable[..., RunningBot]) -> RunningBot:
    return start_bot()
