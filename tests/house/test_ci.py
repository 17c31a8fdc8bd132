"""What `.ci/run` says where there is nothing for it to do."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.tree import ROOT


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_where_there_is_no_other_python_the_part_for_them_says_so(tmp_path: Path) -> None:
    (part,) = re.findall(r"^pythons\(\) \{.*?^\}", (ROOT / ".ci" / "run").read_text("utf-8"), re.M | re.S)
    own, tools = tmp_path / ".venv" / "bin", tmp_path / "tools"
    own.mkdir(parents=True)
    tools.mkdir()
    (own / "python").symlink_to(sys.executable)
    for name in ("seq", "sort", "tail"):
        (tools / name).symlink_to(str(shutil.which(name)))
    done = subprocess.run(
        [str(shutil.which("bash")), "-euo", "pipefail", "-c", f"{part}\npythons"],
        cwd=tmp_path, env={"PATH": str(tools), "PYENV_ROOT": str(tmp_path)}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "no other Python from 3.11 on is here: nothing was run\n"
