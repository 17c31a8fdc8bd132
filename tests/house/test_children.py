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
