"""In a file or a pipe every command writes and reads UTF-8, whatever the system's own encoding is."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from bot_linking.simulator import Simulator
from tests import forked
from tests.children import LIMIT_S

from .test_commands import Shell, ada, shell

__all__ = ["ada", "shell"]

ZOE = "Zo\u00eb \u674e"
CODE_PAGE = {"PYTHONIOENCODING": "cp1252"}  # what Python takes for a pipe on Windows in Europe
#: Where Python opens text, too, in no more than ASCII.
PLAIN = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
MARK = b"\xef\xbb\xbf"  # with which programs on Windows begin UTF-8


@pytest.fixture(autouse=True)
def linked(shell: Shell, ada: str) -> None:
    shell.link(ada, ZOE, username=ZOE)


def run_plain(
    shell: Shell, *arguments: str, given: bytes = b"", database: str | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run a command, from its start, in a system that knows ASCII alone."""
    environment = shell.environment | PLAIN
    environment["BOT_LINKING_DATABASE"] = database or environment["BOT_LINKING_DATABASE"]
    ended = subprocess.run(
        shell.command(*arguments),
        env=environment,
        input=given,
        capture_output=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert b"Traceback" not in ended.stderr, ended.stderr.decode()
    return ended


@pytest.mark.parametrize("command", ["links", "show {ada}", "history {ada}", "export {ada}", "export-links"])
def test_what_a_person_is_called_is_printed_in_utf_8(shell: Shell, ada: str, command: str) -> None:
    result = shell.run(*command.format(ada=ada).split(), **CODE_PAGE)
    assert result.status == 0
    assert ZOE in result.out


def test_a_guide_is_printed_in_utf_8(shell: Shell) -> None:
    assert "\u2192 message \u201corders\u201d" in shell.run("docs", "simulator", **CODE_PAGE).out


def test_the_help_of_the_groups_needs_no_encoding(shell: Shell) -> None:
    """Flask prints it before a command of ours begins."""
    for group in ([], ["page"], ["api-key"]):
        assert shell.quick(*group, "--help").out.isascii()


def test_an_error_is_said_in_utf_8(shell: Shell) -> None:
    assert f"no guide '{ZOE}'" in shell.run("docs", ZOE, **CODE_PAGE).err


@pytest.mark.parametrize("mark", [b"", MARK])
def test_links_go_through_a_file_and_come_back_as_they_were(
    shell: Shell, ada: str, tmp_path: Path, mark: bytes
) -> None:
    exported = run_plain(shell, "export-links")
    assert exported.returncode == 0
    file, other = tmp_path / "links.csv", f"sqlite:///{tmp_path}/other.db"
    file.write_bytes(mark + exported.stdout)
    assert run_plain(shell, "import", str(file), database=other).returncode == 0
    assert run_plain(shell, "import", "-", given=file.read_bytes(), database=other).returncode == 0
    assert ZOE in shell.quick("links", BOT_LINKING_DATABASE=other).out


@pytest.mark.parametrize("mark", [b"", MARK])
def test_lists_of_people_are_read_as_utf_8(shell: Shell, ada: str, tmp_path: Path, mark: bytes) -> None:
    file = tmp_path / "list"
    file.write_bytes(mark + b"1234567\n")
    assert run_plain(shell, "deletions", "--import", str(file)).returncode == 0
    shell.quick("erase", ada, "--yes")
    file.write_bytes(mark + run_plain(shell, "erasures").stdout)
    assert b"0 person(s) erased again" in run_plain(shell, "erasures", "--replay", str(file)).stderr


def test_what_is_not_utf_8_is_refused_in_one_line(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "list"
    file.write_bytes(ZOE[:3].encode("cp1252"))
    for arguments in (["deletions", "--import"], ["erasures", "--replay"]):
        refused = run_plain(shell, *arguments, str(file))
        assert (refused.returncode, refused.stderr.count(b"\n")) == (1, 1)


def test_an_event_from_a_shell_is_told_in_utf_8(messenger: Simulator, tmp_path: Path) -> None:
    environment = {**os.environ, **CODE_PAGE}
    arguments = ["bot_linking.simulator", "trigger", "--url", messenger.url, "text", ZOE]
    told = forked.run(arguments, env=environment)
    assert "Traceback" not in told.stderr
    assert f"\u2192 message \u201c{ZOE}\u201d" in told.stdout
