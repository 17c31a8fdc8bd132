"""The example bot makes each secret once for all its processes: whole or not at all, on every kind of
disk."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import example_bot
from tests.children import run_together

_START = """
import sys
from pathlib import Path
from example_bot import _kept_secret
print("ready", flush=True)
sys.stdin.readline()
print(_kept_secret(Path(sys.argv[1])))
"""


def no_links(*_: object) -> None:
    raise PermissionError("this disk has no hard links")


@pytest.mark.parametrize("disk", ["with links", "without links", "system without links"])
def test_every_start_reads_the_same_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disk: str
) -> None:
    if disk == "without links":
        monkeypatch.setattr(os, "link", no_links)
    elif disk == "system without links":
        monkeypatch.delattr(os, "link")
    first = example_bot._kept_secret(tmp_path / "deep" / "key")
    assert len(first) == 64
    assert example_bot._kept_secret(tmp_path / "deep" / "key") == first
    assert [each.name for each in (tmp_path / "deep").iterdir()] == ["key"]


def test_processes_that_start_at_the_same_time_agree(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _START, str(tmp_path / "key")]
    assert len(set(run_together([command] * 4, cwd=Path(__file__).parents[2]))) == 1
