"""What is released: a complete wheel, one version, honest dependencies."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import bot_linking
from tests.house.tree import ROOT, arrows

README, CHANGELOG = ROOT / "README.md", ROOT / "CHANGELOG.md"


def read(path: Path) -> str:
    if not path.exists():
        pytest.skip(f"{path.name} is not there")
    return path.read_text("utf-8")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    read(README)
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    ignored = {"__pycache__"}
    source = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "bot_linking").rglob("*")
        if path.is_file() and not ignored & set(path.parts)
    }
    assert source <= packed
    for ending in (".html", ".css", ".svg", ".mo", ".sql", ".js", "/py.typed"):
        assert [name for name in packed if name.endswith(ending)], ending


def test_the_wheel_holds_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"bot_linking"}


def test_the_wheel_brings_the_pytest_plugin_and_the_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        entry_points = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
        assert "bot_linking = bot_linking.testing.plugin" in archive.read(entry_points).decode()
        assert [name for name in archive.namelist() if name.endswith("LICENSE")]


@pytest.mark.parametrize(
    "name",
    [name for name in dir(bot_linking.AccountLinking) if not name.startswith("_") and name != "store"],
)
def test_each_public_method_says_what_it_does(name: str) -> None:
    assert getattr(bot_linking.AccountLinking, name).__doc__


def test_the_version_is_the_changelogs_newest() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    newest = re.search(r"^## v?([0-9][^\s]*)", read(CHANGELOG), re.MULTILINE)
    assert newest is not None
    assert newest[1] == project["version"]


def test_every_dependency_is_used_by_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    imported = {arrow.target.split(".")[0] for arrow in arrows()}
    for requirement in project["dependencies"]:
        name = re.split(r"[<>=!~ \[]", requirement)[0].replace("-", "_")
        assert name in imported, name


def test_everything_imported_is_a_dependency_or_comes_with_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [
        *project["dependencies"],
        *(each for name, group in extras.items() if name != "dev" for each in group),
    ]
    known = {re.split(r"[<>=!~ \[]", requirement)[0].replace("-", "_") for requirement in wanted}
    come_along = {"werkzeug", "jinja2", "click", "blinker", "markupsafe", "pydantic_core"}
    imported = {
        arrow.target.split(".")[0] for arrow in arrows()
        if not arrow.for_types_only and arrow.target.split(".")[0] not in sys.stdlib_module_names
    }  # fmt: skip
    assert imported - {"bot_linking", "pytest"} <= known | come_along
