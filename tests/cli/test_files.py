"""A folder or file that the system refuses is one sentence of every command, which blames the right file."""

from __future__ import annotations

import os
import resource
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot_linking.core.errors import StoreUnavailable
from bot_linking.stores.sqlite import files
from tests.unprivileged import bound_by_modes

from .test_backups import copy, database, linked_in
from .test_commands import ROOT, Shell, ada, grace, shell

__all__ = ["ada", "copy", "database", "grace", "shell"]

TOO_LONG = "n" * 300
COMMANDS = ("check", "backup NEW", "restore COPY --yes", "copy --to sqlite:///NEW", "links", "migrate")


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Path]:
    """A folder that this user may not enter."""
    folder = tmp_path / "closed"
    folder.mkdir(0)
    with bound_by_modes():
        yield folder
    folder.chmod(0o700)


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """A file, below which there is nothing."""
    file = tmp_path / "list.csv"
    file.write_text("a,b\n")
    return file


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """In this `with` block a file of this process ends at `size`, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("where", ["closed", "long"])
def test_a_database_where_the_system_refuses_it(
    shell: Shell, copy: Path, closed: Path, tmp_path: Path, where: str, command: str
) -> None:
    path = closed / "links.db" if where == "closed" else tmp_path / TOO_LONG
    arguments = command.replace("COPY", str(copy)).replace("NEW", str(tmp_path / "new.db")).split()
    result = shell.quick(*arguments, BOT_LINKING_DATABASE=f"sqlite:///{path}")
    assert result.status == 1
    assert path.name in result.out + result.err
    assert result.err.count("Error:") == (command != "check")
    if command == "check":
        assert [
            line for line in result.out.splitlines() if line.startswith("wrong") and "who can open" in line
        ]
    assert not (tmp_path / "new.db").exists()


@pytest.mark.parametrize("command", ["backup", "restore --yes", "copy --to"])
@pytest.mark.parametrize("where", ["closed", "file", "long"])
def test_a_file_where_the_system_refuses_it(
    shell: Shell,
    database: Path,
    copy: Path,
    closed: Path,
    full: Path,
    tmp_path: Path,
    where: str,
    command: str,
) -> None:
    path = {"closed": closed / "x.db", "file": full / "x.db", "long": tmp_path / TOO_LONG}[where]
    given = f"sqlite:///{path}" if command.startswith("copy") else str(path)
    before = linked_in(database)
    result = shell.quick(*command.split(), given)
    assert (result.status, result.out, result.err.count("Error:")) == (1, "", 1)
    assert str(path) in result.err
    assert linked_in(database) == before


@pytest.mark.parametrize(
    "command", ["import", "restore --yes", "backup", "erasures --replay", "deletions --import"]
)
def test_a_file_that_this_user_may_not_read_is_one_sentence(
    shell: Shell, database: Path, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_, **__: False)  # which asks the modes of the real user alone
    file = tmp_path / "secret"
    file.write_text("1\n")
    file.chmod(0)
    with bound_by_modes():
        result = shell.quick(*command.split(), str(file))
    assert (result.status, result.out, result.err.count("\n")) == (1, "", 1)
    assert result.err.startswith("Error: ")
    assert str(file) in result.err


def test_a_backup_that_may_not_be_written_is_named_as_the_operator_named_it(
    shell: Shell, copy: Path, closed: Path, full: Path
) -> None:
    refused = shell.quick("backup", str(full / "x.db"))
    assert refused.err == f"Error: {full}/x.db cannot be written: Not a directory\n"
    closed.chmod(0o500)
    refused = shell.quick("backup", str(closed / "x.db"))
    assert refused.err == f"Error: {closed}/x.db cannot be written: Permission denied\n"


def test_on_a_new_machine_a_restore_makes_the_folder(
    shell: Shell, copy: Path, ada: str, grace: str, tmp_path: Path
) -> None:
    new = tmp_path / "srv" / "bot" / "links.db"
    result = shell.run("restore", str(copy), "--yes", BOT_LINKING_DATABASE=f"sqlite:///{new}")
    assert (result.status, result.out) == (0, "")
    assert linked_in(new) == {ada, grace}


@pytest.mark.parametrize("name", ["links.db", "missing.db"])
def test_a_restore_that_finds_no_room_leaves_nothing_and_blames_its_target(
    shell: Shell, database: Path, copy: Path, name: str
) -> None:
    before = linked_in(database)
    with no_file_larger_than(64 * 1024):
        result = shell.quick(
            "restore", str(copy), "--yes", BOT_LINKING_DATABASE=f"sqlite:///{database.parent}/{name}"
        )
    assert (result.status, result.out, result.err.count("Error:")) == (1, "", 1)
    assert f"{name}.restoring does not work" in result.err
    assert list(database.parent.glob("*.restoring*")) == []
    assert linked_in(database) == before


def test_a_backup_that_finds_no_room_blames_itself_and_not_the_database(
    shell: Shell, copy: Path, tmp_path: Path
) -> None:
    with no_file_larger_than(64 * 1024):
        result = shell.quick("backup", str(tmp_path / "new.db"))
    assert (result.status, result.out, result.err.count("Error:")) == (1, "", 1)
    assert "new.db.partial does not work" in result.err
    assert list(tmp_path.glob("new.db*")) == []


def test_a_copy_of_what_is_no_database_blames_the_source(tmp_path: Path) -> None:
    source = tmp_path / "source.db"
    source.write_bytes(b"garbage" * 1000)
    with pytest.raises(StoreUnavailable, match=r"source\.db does not work"):
        files.copy_file(source, tmp_path / "target.db")


@pytest.mark.parametrize(
    "arguments", ["export-links", "links", "erasures", "check", "--help", "links --help", "page --help"]
)
def test_an_output_that_takes_nothing_is_one_sentence(shell: Shell, ada: str, arguments: str) -> None:
    shell.link(ada)
    shell.quick("erase", "77", "--yes")
    with open("/dev/full", "wb", buffering=0) as full:
        done = subprocess.run(
            shell.command(*arguments.split()), env=shell.environment, cwd=ROOT, stdout=full,
            stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "Error: the output: No space left on device\n"


@pytest.fixture
def circle(tmp_path: Path) -> Path:
    """A symbolic link to one that leads back to it."""
    (tmp_path / "one.db").symlink_to(tmp_path / "two.db")
    (tmp_path / "two.db").symlink_to(tmp_path / "one.db")
    return tmp_path / "one.db"


@pytest.mark.parametrize("below", ["", "links.db"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_database_behind_links_in_a_circle(
    shell: Shell, copy: Path, circle: Path, tmp_path: Path, command: str, below: str
) -> None:
    arguments = command.replace("COPY", str(copy)).replace("NEW", str(tmp_path / "new.db")).split()
    result = shell.quick(*arguments, BOT_LINKING_DATABASE=f"sqlite:///{circle / below}")
    assert result.status == 1
    assert str(circle / below) in result.out + result.err or "no tables of ours" in result.err  # of copy
    assert result.err.count("Error:") == (command != "check")
    assert not (tmp_path / "new.db").exists()


@pytest.mark.parametrize("command", ["backup", "restore --yes", "copy --to"])
def test_a_file_behind_links_in_a_circle(shell: Shell, database: Path, circle: Path, command: str) -> None:
    result = shell.quick(*command.split(), f"sqlite:///{circle}" if "copy" in command else str(circle))
    assert (result.status, result.out, result.err.count("Error:")) == (1, "", 1)
    assert str(circle) in result.err


@pytest.mark.parametrize(
    ("name", "words"),
    [(".", "is no regular file"), ("/dev/null", "is no regular file"), ("gone.db", "there is no file")],
)
def test_a_restore_says_whether_a_backup_is_missing_or_no_file(
    shell: Shell, tmp_path: Path, name: str, words: str
) -> None:
    result = shell.quick("restore", str(tmp_path / name), "--yes")
    assert (result.status, result.out, result.err.count("Error:")) == (1, "", 1)
    assert words in result.err


def without_stream(shell: Shell, redirection: str, arguments: str) -> tuple[int, str, str]:
    """Run a command as a supervisor does that starts programs without one of the standard streams."""
    line = f"exec {shlex.join(shell.command(*arguments.split()))} {redirection}"
    keys = {"BOT_LINKING_PAGE_KEYS": "q7Zp2Vw9Xc4Rt6Yh1Bn8Lk3Md5Fs0GaJ"}
    done = subprocess.run(
        ["sh", "-c", line], env=shell.environment | keys, cwd=ROOT, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("stream", [1, 2])
def test_a_command_does_its_work_without_stdout_and_without_stderr(
    shell: Shell, tmp_path: Path, stream: int
) -> None:
    status, out, err = without_stream(shell, f"{stream}>&-", f"backup {tmp_path}/copy.db")
    assert (status, out) == (0, "")
    assert err == "" if stream == 2 else "whole" in err
    assert (tmp_path / "copy.db").exists()
    for reading in ("links", "links --help", "--help"):
        assert without_stream(shell, f"{stream}>&-", reading)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ("import -", 0, "0 "),
        ("deletions --import -", 0, "0 request"),
        ("page add 1", 1, "stdin has 0 line(s), not three"),
        ("page rotate 1", 1, "stdin has 0 line(s), not three"),
        ("erase 5", 1, "say --yes"),
    ],
)
def test_a_missing_stdin_is_one_that_is_at_its_end(
    shell: Shell, arguments: str, status: int, words: str
) -> None:
    closed = without_stream(shell, "<&-", arguments)
    assert closed[0] == status
    assert words in closed[2]
    assert closed == without_stream(shell, "</dev/null", arguments)


def test_the_name_of_a_file_cannot_move_the_cursor(shell: Shell, copy: Path, closed: Path) -> None:
    result = shell.quick("restore", str(closed / "\x1b[2J\nx.db"))
    assert result.status == 1
    assert "\x1b" not in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        "dead-letters --retry-all --reason WORD",
        "erase WORD --yes",
        "erase --account WORD --yes",
        "backup WORD",
        "restore WORD",
        "copy --to WORD",
        "show WORD",
        "links --account WORD",
        "history WORD --page WORD",
        "link 1 --username WORD",
        "api-key create WORD",
    ],
)
def test_an_argument_that_is_no_text_is_wrong_usage(shell: Shell, ada: str, arguments: str) -> None:
    shell.link(ada)
    given = [os.fsdecode(each.encode().replace(b"WORD", b"a\xff")) for each in arguments.split()]
    result = shell.quick(*given)
    assert (result.status, result.out) == (2, "")
    assert "is not Unicode text" in result.err


def test_a_line_of_erasures_that_is_no_text_is_counted(shell: Shell, ada: str, tmp_path: Path) -> None:
    shell.link(ada)
    (tmp_path / "erased.jsonl").write_bytes(b"\xff\n")
    result = shell.quick("erasures", "--replay", str(tmp_path / "erased.jsonl"))
    assert (result.status, result.out) == (1, "")
    assert "1 line(s) are not of such a list" in result.err
