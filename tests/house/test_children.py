"""No test hangs the suite: children hear SIGINT and end with their test, and each test has a time limit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import forked
from tests.children import LIMIT_S, child, line_from
from tests.house.tree import ROOT

_SLEEP = "import sys, time; sys.stderr.close(); print('up', flush=True); time.sleep(600)"


@pytest.fixture
def ignored() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ignored")
def test_a_child_hears_an_interrupt_where_the_suite_itself_ignores_it() -> None:
    """As under nohup, and in a shell's background jobs."""
    with child([sys.executable, "-c", _SLEEP], stdout=subprocess.PIPE, text=True) as process:
        assert line_from(process) == "up\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT_S) not in (None, 0)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_a_child_that_goes_on_is_killed_when_its_test_has_failed() -> None:
    started = list[subprocess.Popen[bytes]]()

    def fail() -> None:
        with child([sys.executable, "-c", _SLEEP]) as process:
            started.append(process)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [process.returncode for process in started] == [-signal.SIGKILL]


FORKED = """
import atexit, os, sys
print(os.environ["GIVEN"], os.getcwd(), sys.argv[1:], sys.stdin.read())
atexit.register(print, "at the end", file=sys.stderr)
sys.exit(3)
"""


@pytest.fixture(params=["where processes fork", "where they do not"])
def _with_or_without_fork(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "where they do not":
        monkeypatch.delattr(os, "fork")


@pytest.mark.usefixtures("_with_or_without_fork")
def test_a_forked_process_is_one_as_python_starts_it(tmp_path: Path) -> None:
    """Its variables, folder, arguments, files, exit status, and what it does at its end."""
    (tmp_path / "told.py").write_text(FORKED)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["GIVEN"] = "value"
    command = [sys.executable, "-m", "told", "one", "two"]
    with open(os.devnull) as nothing:
        started = subprocess.run(
            command, cwd=tmp_path, env=environment, stdin=nothing, capture_output=True, text=True,
            timeout=LIMIT_S, check=False,
        )  # fmt: skip
    ran = forked.run(command[2:], cwd=tmp_path, env=environment)
    assert (ran.returncode, ran.stdout, ran.stderr) == (started.returncode, started.stdout, started.stderr)
    assert ran.stdout == f"value {tmp_path} ['one', 'two'] \n"
    assert (ran.returncode, ran.stderr) == (3, "at the end\n")


@pytest.mark.usefixtures("_with_or_without_fork")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_forked_process_hears_signals_and_says_by_which_it_ended(number: signal.Signals) -> None:
    up = "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL); print('up', flush=True)"
    reads, writes = os.pipe()
    said, out = os.fdopen(reads), os.fdopen(writes, "w")
    with said, out, forked.child(["http.server", "0"], env=os.environ, prelude=up, stdout=out) as process:
        assert process.poll() is None
        assert said.readline() == "up\n"
        process.send_signal(number)
        assert process.wait() == process.poll() == -number


@pytest.mark.usefixtures("_with_or_without_fork")
def test_a_forked_process_that_goes_on_is_killed_when_its_test_has_failed() -> None:
    started = list[forked.Process]()

    def fail() -> None:
        with forked.child(["http.server", "0"], env=os.environ) as process:
            started.append(process)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [process.returncode for process in started] == [-signal.SIGKILL]


def test_every_test_has_a_time_limit(tmp_path: Path) -> None:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["pytest"]["ini_options"]
    assert 0 < options["timeout"] <= 600
    (tmp_path / "test_hang.py").write_text("import time\ndef test_hang():\n    time.sleep(600)\n")
    ours = ["-n", "0", "-c", str(ROOT / "pyproject.toml"), "-p", "no:cacheprovider", "-o", "timeout=0.2"]
    plugins = ["-p", "xdist.plugin", "-p", "pytest_timeout"]  # the others take long to load
    command = [sys.executable, "-m", "pytest", *plugins, *ours, str(tmp_path)]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert ended.returncode == 1
    assert "Timeout" in ended.stdout
