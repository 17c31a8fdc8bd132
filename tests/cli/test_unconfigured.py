"""A command of an app that is not configured says what is missing; a server of it does not start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import forked
from tests.children import LIMIT_S

ROOT = Path(__file__).parents[2]
KEYS = {
    f"BOT_LINKING_{key}"
    for key in ("PUBLIC_URL", "PAGE_ACCESS_TOKEN", "APP_SECRET", "VERIFY_TOKEN", "SECRET_KEY")
}
BOT = """
import click
from flask import Flask
from bot_linking import AccountLinking
from bot_linking.external_account import ExternalAccount
app = Flask(__name__)
linking = AccountLinking(authenticate=lambda name, password: None)
app.register_blueprint(linking.blueprint, url_prefix="/linking")
app.register_blueprint(ExternalAccount(linking).blueprint)

@app.post("/webhook")
@linking.webhook
def webhook():
    return "the bot"

@app.cli.command("ask")
def ask():
    client = app.test_client()
    for path in ("/linking/login", "/linking/webhook", "/ExternalAccount/shop"):
        click.echo(f"{path} {client.get(path).status_code}")
    answer = client.post("/webhook", data=b"{}")
    click.echo(f"{answer.status_code} {answer.text}")
"""
SITE = """
from flask import Flask
from bot_linking.external_account import ExternalAccount
app = Flask(__name__)
app.config["BOT_LINKING_TRUSTED_PROXIES"] = "many"
app.register_blueprint(ExternalAccount(app).blueprint)
"""


def run(folder: Path, app: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=given(folder, app), capture_output=True, text=True,
        timeout=LIMIT_S, check=False,
    )  # fmt: skip


def flask(folder: Path, app: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return forked.run(["flask", "--app", "shop", *arguments], cwd=folder, env=given(folder, app))


def given(folder: Path, app: str) -> dict[str, str]:
    """The environment variables beside the app in the folder."""
    (folder / "shop.py").write_text(app)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BOT_LINKING_")}
    return environment | {"PYTHONPATH": str(ROOT)}


def test_check_prints_a_line_for_each_setting_that_is_missing(tmp_path: Path) -> None:
    result = flask(tmp_path, BOT, "linking", "check")
    assert (result.returncode, result.stderr) == (1, "")
    lines = result.stdout.splitlines()
    assert {line.split()[0] for line in lines} == {"wrong"}
    assert {line.split()[1] for line in lines} == KEYS
    assert all(" is missing" in line for line in lines)


@pytest.mark.parametrize("arguments", [("links",), ("deliver", "--once"), ("app", "list"), ("migrate",)])
def test_every_command_says_it_in_a_sentence_for_each(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    result = flask(tmp_path, BOT, "linking", *arguments)
    assert (result.returncode, result.stdout) == (1, "")
    assert {line.split()[1] for line in result.stderr.splitlines()} == KEYS


@pytest.mark.parametrize("arguments", [("routes",), ("--help",), ("linking", "--help")])
def test_other_commands_are_not_held_up(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    result = flask(tmp_path, BOT, *arguments)
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr


def test_the_doors_of_such_a_process_answer_503(tmp_path: Path) -> None:
    result = flask(tmp_path, BOT, "ask")
    assert result.stdout.splitlines() == [
        "/linking/login 503",
        "/linking/webhook 503",
        "/ExternalAccount/shop 503",
        "503 not configured",
        "",
    ]


@pytest.mark.parametrize("app", [BOT, SITE], ids=["bot", "site"])
def test_a_server_stops_with_one_message_that_names_all(tmp_path: Path, app: str) -> None:
    for arguments in (("-c", "import shop"), ("-m", "flask", "--app", "shop", "run", "--port", "0")):
        result = run(tmp_path, app, *arguments)
        assert result.returncode != 0
        assert "ConfigurationError" in result.stderr
        for key in KEYS if app == BOT else {"BOT_LINKING_TRUSTED_PROXIES"}:
            assert key in result.stderr


def test_a_site_without_a_bot_says_it_too(tmp_path: Path) -> None:
    result = flask(tmp_path, SITE, "linking", "app", "list")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "Error: BOT_LINKING_TRUSTED_PROXIES must be a whole number\n"
