"""The example bot is made also where its settings are missing or its database is away, so that a command or
a request can say so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import example_bot
from bot_linking.testing import forms_of
from tests.wire import APP_SECRET, PAGE, VERIFY_TOKEN

ROOT = Path(__file__).parents[2]
SETTINGS = {
    "BOT_LINKING_PAGE_ACCESS_TOKEN": "token-of-the-page",
    "BOT_LINKING_APP_SECRET": APP_SECRET,
    "BOT_LINKING_VERIFY_TOKEN": VERIFY_TOKEN,
    "BOT_LINKING_PAGE_ID": PAGE,
    "BOT_LINKING_PUBLIC_URL": "http://127.0.0.1:9",
    "BOT_LINKING_CREATE_DATABASE": "false",
    "BOT_LINKING_DELIVERY": "worker",
}


def test_without_settings_check_names_each_that_is_missing(tmp_path: Path) -> None:
    own = {name: value for name, value in os.environ.items() if not name.startswith("BOT_LINKING_")}
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "example_bot", "linking", "check"],
        cwd=ROOT,
        env=own | {"EXAMPLE_BOT_INSTANCE": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert (done.stdout + done.stderr).count(" is missing") == 4
    assert "Traceback" not in done.stderr


def test_while_its_database_is_away_the_example_is_made_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXAMPLE_BOT_INSTANCE", str(tmp_path))
    app = example_bot.create_app(SETTINGS | {"BOT_LINKING_DATABASE": f"sqlite:///{tmp_path / 'gone.db'}"})
    done = app.test_cli_runner().invoke(args=["linking", "status"])
    assert done.exit_code == 1
    assert "gone.db" in done.stderr
    assert isinstance(done.exception, SystemExit)
    points = app.test_client().get("/api/points", headers={"Authorization": "Bearer somebody"})
    assert (points.status_code, points.get_json()) == (503, {"error": "Not just now."})


@pytest.mark.parametrize(
    "elsewhere",
    [
        "http://[",
        "//[",
        "https://evil.example/",
        "//evil.example",
        "/linking/\r\nX-A: b",
        "ht\ntp://localhost/x",
    ],
)
def test_after_the_login_nobody_is_sent_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, elsewhere: str
) -> None:
    monkeypatch.setenv("EXAMPLE_BOT_INSTANCE", str(tmp_path))
    monkeypatch.setenv("EXAMPLE_BOT_DEMO_CUSTOMERS", "1")
    url = f"sqlite:///{tmp_path / 'links.db'}"
    app = example_bot.create_app(
        SETTINGS | {"BOT_LINKING_DATABASE": url, "BOT_LINKING_CREATE_DATABASE": "true"}
    )
    client = app.test_client()
    (form,) = [each for each in forms_of(client.get("/login").text) if "form" in each.fields]
    person = {"username": "ada", "password": "lovelace-1815", "next": elsewhere}
    answer = client.post("/login", data={**form.fields, **person})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    app.extensions["bot_linking"].store.close()
