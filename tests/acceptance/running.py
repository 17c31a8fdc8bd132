"""The example bot in a process of its own, as a stranger starts it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests import forked
from tests.children import LIMIT_S, require
from tests.guides.blocks import guide_of, texts_of
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
#: For a bot of the tests: a password's hash costs no second, as the shop's own does on a slow machine.
QUICK_HASHES = "import example_bot.shop; example_bot.shop.HASH = 'scrypt:1024:8:1'"


def flask(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """`flask --app example_bot linking ...` in this environment."""
    return forked.run(["flask", "--app", "example_bot", "linking", *arguments], env=environment)


def answers_of_guide(room: str, bot_url: str, environment: dict[str, str]) -> list[Any]:
    """Run a guide's commands as they stand, but for the bot's address; returns what each `curl` gets."""
    require("curl")
    commands = texts_of(guide_of(room), language="sh")
    script = "\n".join(['curl() { command curl "$@"; echo; }', *commands])
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script.replace("http://127.0.0.1:5000", bot_url)],
        cwd=ROOT, env=environment | {"PATH": path}, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines() if line]


@dataclass
class RunningBot:
    """`python -m example_bot` in a process of its own."""

    process: forked.Process
    url: str
    chat_url: str
    output: Path
    environment: dict[str, str]

    def flask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`flask --app example_bot linking ...` beside it."""
        return flask(self.environment, *arguments)


def free_pair() -> int:
    """A port that is free together with the next one, which the simulator takes."""
    return free_port(in_a_row=2)


def is_ready(url: str) -> bool:
    """Whether the bot at this address answers that it is ready; takes a moment where none answers."""
    try:
        return requests.get(f"{url}/linking/health", timeout=LIMIT_S).text.strip() == "ready"
    except requests.ConnectionError:
        time.sleep(0.05)
        return False


def wait_for_address(process: forked.Process, output: Path) -> str:
    """The chat page's address, once it is printed."""
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
