"""An app whose database is away or lost: doors answer 503 with Retry-After, and commands one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from bot_linking.external_account import ExternalAccount
from bot_linking.stores import opening
from tests.account_link_api.calls import API, a_call
from tests.bots import Bot, NewBot
from tests.wire import PAGE, PSID, batch, linked_event, message_event

ROOT = Path(__file__).parents[2]
NOBODY_LISTENS = "postgresql://bot:hush@127.0.0.1:9/bot"
COMMANDS = (
    "links", "links --account 1", f"show {PSID}", f"history {PSID}", f"unlink {PSID}",
    f"link {PSID} --username ada", "dead-letters", "dead-letters --retry 1", "deliver --once",
    "api-key list", "api-key create newsletter", "api-key revoke newsletter", "migrate",
    "app list", "app create shop", "token list",
)  # fmt: skip


@pytest.fixture(params=["lost", "away"])
def without(
    request: pytest.FixtureRequest, new_bot: NewBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Bot:
    """A bot with every door whose database file was deleted, or whose server never answers."""
    app = Flask("tests.host", instance_path=str(tmp_path))
    bot = new_bot(app, **({"DATABASE": NOBODY_LISTENS} if request.param == "away" else {}))
    app.register_blueprint(ExternalAccount(bot.linking).blueprint)
    if request.param == "lost":
        for each in bot.database.parent.glob(bot.database.name + "*"):
            each.unlink()
    return bot


def test_a_webhook_that_needs_the_store_is_503_with_retry_after_and_any_other_passes(without: Bot) -> None:
    answer = without.post(batch(linked_event("a-code", at=without.clock.ms)))
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert without.post(batch(message_event("hello"))).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "given"),
    [
        ("POST", API, {"headers": {"APIKEY": "k" * 43}, "json": a_call(username="ada")}),
        ("GET", "/ExternalAccount/1", {"headers": {"Authorization": "Bearer token"}}),
    ],
)
def test_every_door_says_503_and_when_to_come_again(
    without: Bot, method: str, path: str, given: dict[str, Any]
) -> None:
    answer = without.app.test_client().open(path, method=method, **given)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0


def test_a_person_who_signs_in_is_asked_to_come_again(without: Bot) -> None:
    browser = without.browser()
    page = browser.open()
    page = browser.sign_in() if page.status_code == 200 else page
    assert page.status_code == 503
    assert int(page.headers["Retry-After"]) > 0


@pytest.mark.parametrize("arguments", COMMANDS)
def test_a_command_says_it_in_one_sentence_with_exit_status_1(without: Bot, arguments: str) -> None:
    done = without.app.test_cli_runner().invoke(args=["linking", *arguments.split()], catch_exceptions=False)
    assert done.exit_code == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "does not work" in line or "does not exist" in line
    assert "hush" not in line
    assert not without.database.exists()


def test_check_says_it_among_its_findings(without: Bot) -> None:
    done = without.app.test_cli_runner().invoke(args=["linking", "check"], catch_exceptions=False)
    assert done.exit_code == 1
    wrong = [line for line in done.stdout.splitlines() if line.startswith("wrong")]
    assert [line for line in wrong if "BOT_LINKING_DATABASE" in line]
    assert not without.database.exists()


@pytest.mark.parametrize("arguments", ["links", f"show {PSID}", "check", "deliver --once"])
def test_looking_at_a_database_that_was_never_made_makes_none(
    settings: dict[str, Any], tmp_path: Path, arguments: str
) -> None:
    """As with a mistyped path, or a volume that is not mounted."""
    given = {name: value for name, value in settings.items() if name.startswith("BOT_LINKING_")}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BOT_LINKING_")}
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "tests.cli.shop:create_app", "linking", *arguments.split()],
        env=environment | given | {"NO_COLOR": "1"}, cwd=ROOT, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Nothing was made" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.glob("links.db*")) == []


def test_a_bot_that_started_without_its_database_works_when_it_is_there(
    new_bot: NewBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A volume that is mounted late."""
    bot = new_bot(CREATE_DATABASE=False)
    assert bot.post(batch(linked_event("a-code", at=bot.clock.ms))).status_code == 503
    new_bot()  # the one process that may make it
    monkeypatch.setattr(opening, "_once_open", set())
    bot.link()
    assert bot.linking.link_of(PSID, PAGE) is not None
