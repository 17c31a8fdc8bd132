"""`python -m example_bot` on a laptop where a port is taken, as 5000 is on every current Mac."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from tests import forked
from tests.acceptance.running import ROOT, free_pair
from tests.children import LIMIT_S, child, line_from
from tests.ports import taken


@contextmanager
def example_bot(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[Any]]:
    environment = {**os.environ, "EXAMPLE_BOT_INSTANCE": str(folder), "PYTHONUNBUFFERED": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    command = [sys.executable, "-m", "example_bot", *arguments]
    with child(command, cwd=ROOT, env=environment, text=True, **pipes) as process:
        yield process


def test_without_a_port_the_next_free_pair_is_taken_and_named(tmp_path: Path) -> None:
    with taken(5000), example_bot(tmp_path) as process:
        first = line_from(process)
        found = re.fullmatch(r"Port 5000 or 5001 is not free: taking (\d+) and (\d+)\.\n", first)
        assert found
        bot, messenger = map(int, found.groups())
        assert bot > 5000
        assert messenger == bot + 1
        said = line_from(process) + line_from(process) + line_from(process)
        assert f"http://127.0.0.1:{messenger}/" in said
        for port in (bot, messenger):
            assert requests.get(f"http://127.0.0.1:{port}/", timeout=20).ok
        process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT_S) == 0


@pytest.mark.parametrize("which", [0, 1])
def test_with_a_port_it_says_in_one_sentence_which_is_taken_and_never_that_it_runs(
    tmp_path: Path, which: int
) -> None:
    port = free_pair()
    with (
        socket.create_server(("127.0.0.1", port + which)),
        example_bot(tmp_path, "--port", str(port)) as process,
    ):
        out, err = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, out) == (1, "")
    assert err.count("\n") == 1
    assert err.startswith(f"The example bot did not start: port {port + which} is in use, ")
    assert not (tmp_path / "simulator.json").exists()


@pytest.mark.parametrize("given", [["--port", "70000"], ["--port", "-1"], ["--live", "--port", "65536"]])
def test_a_number_that_is_no_port_is_named_as_any_wrong_usage(tmp_path: Path, given: list[str]) -> None:
    sentence = f"there is no port {given[-1]}: ports are numbers from 0 to 65535"
    assert _refusal_of(tmp_path, *given) == f"python -m example_bot: error: argument --port: {sentence}"


def test_the_last_port_leaves_none_for_messenger(tmp_path: Path) -> None:
    said = _refusal_of(tmp_path, "--port", "65535")
    assert "there is no port 65536: ports are numbers from 0 to 65535; Messenger takes the one after" in said


def _refusal_of(folder: Path, *arguments: str) -> str:
    """What it says last when it refuses how it was called."""
    ended = forked.run(["example_bot", *arguments], env={**os.environ, "EXAMPLE_BOT_INSTANCE": str(folder)})
    assert (ended.returncode, ended.stdout) == (2, "")
    return ended.stderr.splitlines()[-1]


def test_port_0_takes_two_free_neighbours_and_says_nothing_of_others(tmp_path: Path) -> None:
    with example_bot(tmp_path, "--port", "0") as process:
        assert line_from(process).startswith("The example bot is running. ")
        line_from(process)
        found = re.fullmatch(r" +http://127\.0\.0\.1:(\d+)/\n", line_from(process))
        assert found
        messenger = int(found[1])
        assert messenger > 1024
        for port in (messenger - 1, messenger):
            assert requests.get(f"http://127.0.0.1:{port}/", timeout=20).ok


def test_what_it_says_is_true_when_it_says_it(tmp_path: Path) -> None:
    """Both ports answer at the moment when the address is printed."""
    port = free_pair()
    with example_bot(tmp_path, "--port", str(port)) as process:
        while f"http://127.0.0.1:{port + 1}/" not in line_from(process):
            assert process.poll() is None
        assert requests.get(f"http://127.0.0.1:{port + 1}/", timeout=20).ok
        assert requests.get(f"http://127.0.0.1:{port}/", timeout=20).ok
