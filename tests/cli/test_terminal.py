"""The same output on a terminal, for a person, and in a pipe, for a script."""

from __future__ import annotations

import os
import pty
import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import click
import pytest

from bot_linking.operators import terminal
from bot_linking.operators.terminal import how_long_ago, inert
from tests import forked

from .test_commands import Shell, ada, grace, shell

__all__ = ["ada", "grace", "shell"]
ESCAPE = "\x1b"
NOW = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)


def on_a_terminal(shell: Shell, *arguments: str, width: int = 200, **environment: str) -> str:
    """Everything that the command writes to a terminal of its own, stderr included."""
    whole = {**shell.environment, "TERM": "xterm-256color", "COLUMNS": str(width), **environment}
    if "NO_COLOR" not in environment:
        whole.pop("NO_COLOR")
    ours, theirs = pty.openpty()
    screen, end = os.fdopen(ours, "rb", buffering=0), os.fdopen(theirs, "r+b", buffering=0)
    started = forked.child(shell.arguments(*arguments), env=whole, stdin=end, stdout=end, stderr=end)
    with screen, end, started as running:
        end.close()
        shown = b""
        with suppress(OSError):  # the other end is closed
            while piece := screen.read(4096):
                shown += piece
        running.wait()
    text = shown.decode()
    assert "Traceback" not in text, text
    return text.replace("\r\n", "\n")


def test_a_list_is_a_table_with_a_head_on_a_terminal_and_lines_with_tabs_in_a_pipe(
    shell: Shell, ada: str, grace: str
) -> None:
    shell.link(ada, "1", username="ada")
    shell.link(grace, "a-much-longer-account", username="grace")
    shown = on_a_terminal(shell, "links", NO_COLOR="1")
    head, *lines = shown.splitlines()
    assert head.split()[:3] == ["PAGE", "PSID", "ACCOUNT"]
    assert len(lines) == 2
    assert "PHONE" not in head, "no row has a value there"
    at = head.index("USER NAME")
    assert [line[at : at + 5].strip() for line in lines] == ["ada", "grace"]
    assert "just now" in lines[0]
    piped = shell.run("links").out.splitlines()
    assert [line.split("\t")[2] for line in piped] == ["1", "a-much-longer-account"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT.*\+00:00", piped[0].split("\t")[7])


def test_colours_are_for_a_terminal_alone_and_never_with_no_color(shell: Shell, ada: str) -> None:
    shell.link(ada, "1")
    for arguments in (("check",), ("links",), ("show", ada)):
        assert ESCAPE not in on_a_terminal(shell, *arguments, NO_COLOR="1")
        assert ESCAPE not in on_a_terminal(shell, *arguments, TERM="dumb")
        assert ESCAPE not in shell.run(*arguments, NO_COLOR="").out
    assert f"{ESCAPE}[32m✓" in on_a_terminal(shell, "check")


def test_check_marks_its_lines_where_the_terminal_can_show_marks(shell: Shell) -> None:
    marked = on_a_terminal(shell, "check", NO_COLOR="1").splitlines()
    assert {line[0] for line in marked} <= set("✓✗!")
    plain = on_a_terminal(shell, "check", NO_COLOR="1", PYTHONIOENCODING="ascii").splitlines()
    assert {line.split()[0] for line in plain} <= {"ok", "wrong", "note"}


@pytest.mark.parametrize(
    "arguments", [("links",), ("dead-letters",), ("api-key", "list"), ("history", "12345")]
)
def test_an_empty_list_says_so_on_stderr(shell: Shell, arguments: tuple[str, ...]) -> None:
    for more in ((), ("--json",)):
        result = shell.quick(*arguments, *more)
        assert (result.status, result.out) == (0, "")
        assert result.err.strip()


@pytest.mark.parametrize("arguments", [("erasures",), ("erasures", "--json"), ("export-links", "--json")])
def test_a_list_that_is_json_alone_says_so_too(shell: Shell, arguments: tuple[str, ...]) -> None:
    result = shell.quick(*arguments)
    assert (result.status, result.out) == (0, "")
    assert result.err.strip()


def test_a_list_is_whole_in_a_pipe_and_ends_after_fifty_on_a_terminal(shell: Shell) -> None:
    for number in range(60):
        shell.link(f"1000{number}")
    assert len(shell.quick("links").out.splitlines()) == 60
    limited = shell.quick("links", "--limit", "7")
    assert len(limited.out.splitlines()) == 7
    assert "--limit" in limited.err
    shown = on_a_terminal(shell, "links").splitlines()
    assert len([line for line in shown if "1000" in line]) == 50
    assert "--limit" in shown[-1]


@pytest.mark.parametrize("value", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "=HYPERLINK(1)"])
def test_no_value_is_a_formula_to_a_spreadsheet(shell: Shell, ada: str, value: str) -> None:
    shell.link(ada, value, username=value)
    row = shell.quick("links").out.rstrip("\n").split("\t")
    assert (row[2], row[3]) == (f"'{value}", f"'{value}")


@pytest.mark.parametrize("value", ["+44 1815 (0)", "-12.5", "ada", "a=b", "", "-"])
def test_what_is_no_formula_stays_as_it_is(value: str) -> None:
    assert inert(value) == value


@pytest.mark.parametrize(
    ("ago", "said"),
    [
        (timedelta(seconds=3), "just now"),
        (timedelta(seconds=61), "1 minute ago"),
        (timedelta(minutes=59), "59 minutes ago"),
        (timedelta(hours=1), "1 hour ago"),
        (timedelta(hours=47), "1 day ago"),
        (timedelta(days=29), "29 days ago"),
        (timedelta(days=31), "2026-12-15"),
        (timedelta(hours=-3), "in 3 hours"),
    ],
)
def test_a_time_is_said_as_a_person_says_it(ago: timedelta, said: str) -> None:
    assert how_long_ago(NOW - ago, now=NOW) == said


def test_a_question_that_nobody_can_answer_is_refused_and_names_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull) as nobody:
        monkeypatch.setattr("sys.stdin", nobody)
        with pytest.raises(click.ClickException, match="--yes") as refused:
            terminal.ask("Erase everything?", yes=False)
        assert refused.value.exit_code == 1
        terminal.ask("Erase everything?", yes=True)


def test_the_help_shows_sections_whole_summaries_and_examples(shell: Shell) -> None:
    whole = shell.quick("--help").out
    for words in ("People:", "Messages:", "Set-up:", "what is wrong and how to mend it"):
        assert words in " ".join(whole.split())
    assert "..." not in whole.partition("People:")[2]
    one = shell.quick("links", "--help").out
    assert "Examples:" in one
    assert "flask linking links --account 7" in one
