"""The built wheel in an environment that holds nothing else, as a stranger installs it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

from tests.house.tree import ROOT

OURS = "bot-linking"


def build(folder: Path) -> tuple[Path, Path]:
    """The wheel and the archive of the source, by `python -m build` with the tools of this environment."""
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        check=True, capture_output=True, timeout=240,
    )  # fmt: skip
    (wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, source


@dataclass
class Place:
    """A folder with an environment of its own, which cannot see the checkout."""

    folder: Path
    home: Path

    def environment(self, **given: str) -> dict[str, str]:
        """The environment variables: ours are only the given ones, and this environment's programs come
        first."""
        own = {name: value for name, value in os.environ.items() if not name.startswith(("BOT_", "PYTHON"))}
        own.pop("COVERAGE_PROCESS_START", None)
        own["HOME"] = str(self.home)
        return {**own, "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", **given}

    def command(self, *arguments: str) -> list[str]:
        """`python -m` of this environment."""
        return [str(self.folder / "bin" / "python"), "-m", *arguments]

    def run(self, *arguments: str, **given: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), cwd=self.home, env=self.environment(**given),
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip


def make_place(folder: Path, wheel: Path, *extras: str, beside: tuple[str, ...] = ()) -> Place:
    """An environment with the wheel and its dependencies with these extras, and an empty folder.

    Nothing is downloaded: the dependencies are linked from the environment of the tests, and `pip check` says
    whether one is missing.
    """
    venv.create(folder / "env", symlinks=True)
    place = Place(folder / "env", folder / "empty")
    place.home.mkdir()
    (packages,) = place.folder.glob("lib/python*/site-packages")
    for entry in sorted(_files_of(_closure({OURS: set(extras)} | {name: set() for name in beside}))):
        if not (packages / entry.name).exists():
            (packages / entry.name).symlink_to(entry)
    _pip(place, "install", "-q", "--no-index", "--no-deps", "--no-compile", str(wheel))
    _pip(place, "check")
    return place


def _pip(place: Place, *arguments: str) -> None:
    """The pip of the tests' environment, which installs into the place's."""
    command = [sys.executable, "-m", "pip", "--python", str(place.folder / "bin" / "python"), *arguments]
    ran = subprocess.run(
        command, env=place.environment(), capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def _closure(wanted: dict[str, set[str]]) -> Iterator[Distribution]:
    """These distributions and all that they depend on, without our own."""
    known: dict[str, set[str]] = {}
    while wanted:
        name, extras = wanted.popitem()
        if name in known and extras <= known[name]:
            continue
        known[name] = known.get(name, set()) | extras
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue  # for another platform
        if name != OURS:
            yield found
        for line in found.requires or ():
            needed = Requirement(line)
            if any(not needed.marker or needed.marker.evaluate({"extra": extra}) for extra in {*extras, ""}):
                wanted[re.sub(r"[-_.]+", "-", needed.name).lower()] = set(needed.extras)


def _files_of(distributions: Iterator[Distribution]) -> set[Path]:
    """The files and folders of these distributions that lie directly in `site-packages`."""
    tops = set()
    for each in distributions:
        for file in each.files or ():
            if file.parts[0] not in ("..", "__pycache__"):
                tops.add(Path(str(each.locate_file(file.parts[0]))))
    return tops
