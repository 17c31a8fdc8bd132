"""`flask linking docs`: the guides on the terminal, without settings, a store or the checkout."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from bot_linking import AccountLinking
from bot_linking.operators.commands import commands
from tests.cli.test_unconfigured import BOT, flask

PACKAGE = Path(__file__).parents[2] / "bot_linking"
ROOMS = sorted(guide.parent.name for guide in PACKAGE.glob("*/README.md"))


def docs(*arguments: str) -> Result:
    (command,) = (each for each in commands(AccountLinking()._here) if each.name == "docs")
    return Flask(__name__).test_cli_runner().invoke(command, arguments)


def test_each_topic_stands_on_a_line_of_its_own() -> None:
    result = docs()
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == ROOMS


@pytest.mark.parametrize("room", ROOMS)
def test_a_topic_is_the_rooms_name_with_underscores_or_hyphens(room: str) -> None:
    guide = (PACKAGE / room / "README.md").read_text("utf-8")
    result = docs(room.replace("_", "-"))
    assert (result.exit_code, result.stdout) == (0, docs(room).stdout)
    assert result.stdout.splitlines() == [line for line in guide.splitlines() if not line.startswith("<!-- ")]


@pytest.mark.parametrize(
    "topic", ["nothing", "../testing", "", "README.md", "operators/", "\x1b[2J", "core\n"]
)
def test_an_unknown_topic_fails_and_names_the_topics_on_stderr(topic: str) -> None:
    result = docs(topic)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines()[1:] == ROOMS
    assert "\x1b" not in result.stderr


def test_a_bot_without_settings_can_be_asked_for_the_guides(tmp_path: Path) -> None:
    result = flask(tmp_path, BOT, "linking", "docs", "operators")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("# For operators\n")
    assert flask(tmp_path, BOT, "linking", "docs", "nothing").returncode == 1
    assert not [path for path in tmp_path.rglob("*") if path.suffix == ".db"]
