"""Processes that a test starts: they hear signals as in a shell, and end with their test."""

from __future__ import annotations

import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, TypeVar

from bot_linking.core.errors import StoreUnavailable

#: Seconds that a process of a test may take; more than it needs on the slowest machine.
LIMIT_S = 240
TRIES, PAUSE_S = 400, 0.2
T = TypeVar("T")


@contextmanager
def child(command: Sequence[str], **given: Any) -> Iterator[subprocess.Popen[Any]]:
    """Start `command`, and kill it when the block is left with it still running. `Popen` alone would then
    wait without end, so a child that missed its signal would hang the suite."""
    with hearing_interrupts():
        process = subprocess.Popen(command, **given)
    with process:
        try:
            yield process
        finally:
            process.kill()


def run_together(commands: Sequence[Sequence[str]], **given: Any) -> list[str]:
    """Start the commands, wait until each has printed one line, let all go on at once; returns what each
    printed."""
    pipe = subprocess.PIPE
    with ExitStack() as children:
        started = [
            children.enter_context(child(command, stdin=pipe, stdout=pipe, text=True, **given))
            for command in commands
        ]
        for process in started:
            assert line_from(process) == "ready\n"
        for process in started:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        said = [str(process.communicate(timeout=LIMIT_S)[0]) for process in started]
        assert [process.returncode for process in started] == [0] * len(started)
        return said


def line_from(process: subprocess.Popen[str]) -> str:
    """The next line that the process prints; empty when it has ended without one."""
    assert process.stdout is not None
    return process.stdout.readline()


def require(*programs: str) -> None:
    """Skip the test where one of these is not installed."""
    import pytest  # here, as processes import this module, too

    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


def insisting(ask: Callable[[], T]) -> T:
    """The answer. A machine that is too busy to answer in time is asked again, as Messenger and sites do."""
    for _ in range(TRIES):
        with suppress(StoreUnavailable):
            return ask()
        time.sleep(PAUSE_S)
    return ask()


@contextmanager
def hearing_interrupts() -> Iterator[None]:
    """Let processes that start in this block hear SIGINT, also where it is ignored here. A shell starts
    its background jobs with SIGINT ignored, and every child would inherit that."""
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if not ignored or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
