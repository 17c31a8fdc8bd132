"""Processes of `python -m ...` that need not import the package: each is forked from a process that has
imported it and has done nothing else. Where it matters how Python starts, tests start
Python; where nothing forks, all do.

The parent of all ends with the process of the tests, whose end of the socket is then closed.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TextIO

from tests.children import LIMIT_S, hearing_interrupts

ROOT = Path(__file__).parents[1]
_IMPORTED = (
    "flask.cli", "requests", "bot_linking.operators.commands", "bot_linking.external_account",
    "bot_linking.simulator", "bot_linking.stores.sqlite.engine", "example_bot",
)  # fmt: skip


class Process:
    """A forked process, with what tests use of `subprocess.Popen`."""

    def __init__(self, answers: socket.socket) -> None:
        self._answers = answers
        self._said = b""
        self.returncode: int | None = None
        pid = self._next_line(LIMIT_S)
        assert pid is not None, "no process was forked"
        self.pid = int(pid)

    def poll(self) -> int | None:
        """The exit status, or None while it runs."""
        if self.returncode is None and (status := self._next_line(0)) is not None:
            self.returncode = int(status)
        return self.returncode

    def wait(self, timeout: float = LIMIT_S) -> int:
        """Wait for its end; returns the exit status, which is below 0 for a signal."""
        if self.returncode is None:
            status = self._next_line(timeout)
            assert status is not None, f"process {self.pid} has not ended within {timeout} s"
            self.returncode = int(status)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Signal it, if it runs. Its status comes a moment after its PID is gone."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _next_line(self, timeout: float) -> bytes | None:
        deadline = time.monotonic() + timeout
        while b"\n" not in self._said:
            self._answers.settimeout(max(0.0, deadline - time.monotonic()))
            try:
                more = self._answers.recv(64)
            except (BlockingIOError, TimeoutError):
                return None
            assert more, "the parent of the forked processes has ended"
            self._said += more
        line, _, self._said = self._said.partition(b"\n")
        return line


@contextmanager
def child(
    arguments: Sequence[str], *, env: Mapping[str, str], cwd: Path = ROOT, prelude: str = "", **files: Any
) -> Iterator[Process]:
    """`python -m` with these arguments, killed when the block is left with it still running. The code of
    `prelude` runs first. `files` are `stdin`, `stdout` and `stderr`, each a file; without, the first two are
    /dev/null, and `stderr` is the tests' own."""
    asked = {"arguments": list(arguments), "env": dict(env), "cwd": str(cwd), "prelude": prelude}
    with open(os.devnull, "r+b") as nothing:
        files = {"stdin": nothing, "stdout": nothing, "stderr": sys.__stderr__} | files
        with (_forked if hasattr(os, "fork") else _started)(asked, files) as process:
            try:
                yield process
            finally:
                process.kill()
                process.wait()


@contextmanager
def _forked(asked: dict[str, Any], files: Mapping[str, Any]) -> Iterator[Process]:
    ours, theirs = socket.socketpair()
    with ours:
        standard = [files[name].fileno() for name in ("stdin", "stdout", "stderr")]
        with theirs:
            socket.send_fds(_parent(), [b"."], [*standard, theirs.fileno()])
        ours.sendall(json.dumps(asked).encode() + b"\n")
        yield Process(ours)


@contextmanager
def _started(asked: dict[str, Any], files: Mapping[str, Any]) -> Iterator[Any]:
    """The same where nothing forks."""
    run = "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
    code = f"{asked['prelude']}\nimport runpy, sys; del sys.argv[0]; {run}"
    command = [sys.executable, "-c", code, *asked["arguments"]]
    with subprocess.Popen(command, env=asked["env"], cwd=asked["cwd"], **files) as process:
        yield process


def run(arguments: Sequence[str], **given: Any) -> subprocess.CompletedProcess[str]:
    """The same to its end, with what it has written."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        with child(arguments, stdout=out, stderr=err, **given) as process:
            process.wait()
        assert process.returncode is not None
        for file in (out, err):
            file.seek(0)
        return subprocess.CompletedProcess(arguments, process.returncode, out.read(), err.read())


@cache
def _parent() -> socket.socket:
    """The socket of the process that forks the others. It is started at the first use."""
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", "tests.forked", str(theirs.fileno())]
    null = subprocess.DEVNULL
    with hearing_interrupts(), theirs:
        process = subprocess.Popen(
            command, cwd=ROOT, pass_fds=[theirs.fileno()], stdin=null, stdout=null, start_new_session=True
        )

    def end() -> None:
        ours.close()
        process.wait(LIMIT_S)

    atexit.register(end)
    return ours


# In the processes


def _main() -> None:
    for name in _IMPORTED:
        importlib.import_module(name)
    for plugin in entry_points(group="flask.commands"):  # as each `flask` does
        plugin.load()
    gc.freeze()  # or each process would go through all that was imported, and copy it
    if (given := _serve(socket.socket(fileno=int(sys.argv[1])))) is not None:
        _become(_fork(given), given[:3])


def _serve(asked: socket.socket) -> list[int] | None:
    """Fork for each question, until the tests have ended. Returns the question's files in the new process."""
    while given := socket.recv_fds(asked, 1, 4)[1]:
        if os.fork() == 0:
            asked.close()
            return given
        for each in given:
            os.close(each)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
    return None


def _fork(given: list[int]) -> dict[str, Any]:
    """Fork once more: this process tells the tests the other's PID and exit status, and ends with it."""
    *standard, answers = given
    with socket.socket(fileno=answers) as tests, tests.makefile("r") as lines:
        asked = json.loads(lines.readline())
        if not (pid := os.fork()):
            return dict(asked)
        for each in standard:
            os.close(each)
        with suppress(OSError):
            tests.sendall(b"%d\n" % pid)
            _, status = os.waitpid(pid, 0)
            tests.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _become(asked: dict[str, Any], standard: list[int]) -> None:
    """Run the module, as Python does for `-m`, with these files, arguments and variables."""
    for number, given in enumerate(standard):
        os.dup2(given, number)
        os.close(given)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    module, *arguments = asked["arguments"]
    sys.argv, sys.path[0] = [module, *arguments], asked["cwd"]
    sys.stdout, sys.stderr = _opened(1, sys.stdout), _opened(2, sys.stderr)
    if asked["prelude"]:
        exec(compile(asked["prelude"], "prelude", "exec"), {})
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _opened(number: int, before: TextIO) -> TextIO:
    """The stream, which buffers and encodes as Python begins it with this file and these variables."""
    is_for_lines = number == 2 or os.isatty(number) or "PYTHONUNBUFFERED" in os.environ
    encoding = os.environ.get("PYTHONIOENCODING", before.encoding)
    buffering = 1 if is_for_lines else -1
    return open(number, "w", buffering, encoding=encoding, errors=before.errors, closefd=False)


if __name__ == "__main__":
    _main()
