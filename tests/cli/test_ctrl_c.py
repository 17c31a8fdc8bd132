"""What runs until Ctrl-C ends well from its first word on: whoever reads that it runs may end it at once."""

from __future__ import annotations

import signal
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests import forked
from tests.ports import free_port, taken

from .test_commands import Shell, shell

__all__ = ["shell"]
FLASK = ["flask", "--app", "tests.cli.shop:create_app", "linking"]
SIMULATOR = ["bot_linking.simulator", "--port", "{port}"]
WITH_SIMULATOR = ["example_bot", "--port", "{port}"]
LIVE = [*WITH_SIMULATOR, "--live"]
IN_USE = "port 5001 is not free"
ENDED_AS_IT_SPEAKS = """
import os, signal, sys
class Read:
    def __init__(self, file):
        self.file = file
    def __getattr__(self, name):
        return getattr(self.file, name)
    def write(self, text):
        written = self.file.write(text)
        if {word!r} in text:
            self.file.flush()
            os.kill(os.getpid(), {number})
        return written
sys.stdout, sys.stderr = Read(sys.stdout), Read(sys.stderr)
"""
CTRL_C, TERM = signal.SIGINT, signal.SIGTERM


@pytest.mark.parametrize(
    ("program", "word", "number"),
    [
        (["bot_linking.simulator"], IN_USE, CTRL_C),
        (["bot_linking.simulator"], IN_USE, TERM),
        (SIMULATOR, "http://", CTRL_C),
        (SIMULATOR, "http://", TERM),
        (WITH_SIMULATOR, "running", CTRL_C),
        (WITH_SIMULATOR, "running", TERM),
        (LIVE, "answers at", CTRL_C),
        (LIVE, "answers at", TERM),
        ([*FLASK, "deliver"], "delivering", CTRL_C),
        ([*FLASK, "deliver"], "delivering", TERM),
        ([*FLASK, "tail"], "waiting", CTRL_C),
        ([*FLASK, "check", "--watch"], "checking", CTRL_C),
    ],
    ids=lambda each: each.name if isinstance(each, signal.Signals) else None,
)
def test_a_signal_that_comes_with_the_first_word_ends_it_as_any_later_one(
    shell: Shell, tmp_path: Path, program: list[str], word: str, number: signal.Signals
) -> None:
    command = [part.format(port=free_port(in_a_row=2)) for part in program]
    environment = shell.environment | {"EXAMPLE_BOT_INSTANCE": str(tmp_path)}
    prelude = ENDED_AS_IT_SPEAKS.format(word=word, number=int(number))
    with taken(5001) if word == IN_USE else nullcontext():
        ended = forked.run(command, env=environment, prelude=prelude)
    assert word in ended.stdout + ended.stderr
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_start_that_fails_after_ctrl_c_ends_too(shell: Shell, tmp_path: Path) -> None:
    """As in `python -m example_bot | tee log`, where Ctrl-C ends the reader of what is printed as well."""
    command = [part.format(port=free_port(in_a_row=2)) for part in WITH_SIMULATOR]
    prelude = ENDED_AS_IT_SPEAKS.format(word="running", number=int(CTRL_C))
    prelude = prelude.replace("return written", "raise BrokenPipeError('nobody reads')")
    prelude = prelude.replace(
        "sys.stdout, sys.stderr = Read(sys.stdout), Read(sys.stderr)", "sys.stdout = Read(sys.stdout)"
    )
    ended = forked.run(
        command, env=shell.environment | {"EXAMPLE_BOT_INSTANCE": str(tmp_path)}, prelude=prelude
    )
    assert ended.returncode == 1
    assert ended.stderr.endswith("The example bot did not start: nobody reads\n")
