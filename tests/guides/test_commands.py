"""Every command of every guide runs as it stands: in order, in a fresh folder, with the README's bot."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from bot_linking.simulator import Simulator
from bot_linking.testing import BotServer
from tests import forked, postgres, redis_server
from tests.acceptance.running import free_pair
from tests.children import child, require
from tests.guides.blocks import GUIDES, commands_of, readme_bot, snippet

WITH_TESTS_OF_THEIR_OWN = {"account_link_api", "external_account"}  # in tests/acceptance
ROOMS = [guide.parent.name for guide in GUIDES if commands_of(guide.parent.name)]
# What goes on until it is stopped, and the words by which it says that it runs.
STAYING = {
    "gunicorn ": "Booting worker",
    "celery ": "transport:",
    "granian ": "Started worker-4",
    "python -m bot_linking.simulator --webhook-url": "export BOT_LINKING_RETURN_HOSTS",
}
SHELLS_OWN = set("""'"\\$`|&;<>()[]{}*?~#!""")
# A dry run ends with 1 where something would be added.
MAY_END_WITH = {"flask linking setup --dry-run": {0, 1}}


class Folder:
    """A fresh folder with the README's bot, and a shell in it where the settings are exported."""

    def __init__(self, path: Path, settings: Mapping[str, str], instead: Mapping[str, str]) -> None:
        self.path, self._instead, self._exports = path, instead, list[str]()
        (path / "shop.py").write_text(f"{readme_bot()}\n\ndef create_app():\n    return app\n", "utf-8")
        (path / "backups").mkdir()
        (path / "users.csv").write_text("fb_id,uid\n1234567890,7\n", "utf-8")
        broker = f'"{instead["broker"]}"'
        tasks = re.sub(r'"redis://[^"]*"', broker, snippet("delivery", "celery"))
        (path / "tasks.py").write_text(f"from shop import create_app\n{tasks}", "utf-8")
        folder = Path(sys.executable).parent
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("BOT_LINKING_")},
            **settings,
            "PATH": f"{folder}:{os.environ['PATH']}",
            "FLASK_APP": "shop",
            "HOME": str(path),
            "PYTHONPATH": str(path),
            "PYTHONUNBUFFERED": "1",
            "PYTHONWARNINGS": "ignore",
        }

    def run(self, line: str) -> None:
        """Run one command line of a guide; an exit status other than 0 fails the test."""
        ours = line
        for theirs, own in self._instead.items():
            ours = ours.replace(theirs, own)
        if ours.startswith("export "):
            self._exports.append(ours)
        elif sign := next((sign for begin, sign in STAYING.items() if line.startswith(begin)), None):
            self._run_until(ours, sign)
        else:
            ran = self._ran(ours)
            wanted = MAY_END_WITH.get(line, {0})
            assert ran.returncode in wanted, f"{line}\n{ran.stdout}{ran.stderr}"

    def _ran(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end: in a shell, unless it is Python's, and a shell finds nothing to do in it."""
        if line.startswith("curl "):
            require("curl")
        if line.startswith(("flask ", "python -m ")) and not self._exports and not SHELLS_OWN & set(line):
            return forked.run(line.removeprefix("python -m ").split(), cwd=self.path, env=self._environment)
        return subprocess.run(
            self._shell(line), cwd=self.path, env=self._environment,
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip

    def _run_until(self, line: str, sign: str) -> None:
        """Run it until it has said this, and end all that it started. Other tests show how a server ends."""
        said = ""
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        pipes["start_new_session"] = True
        with child(self._shell(f"exec {line}"), cwd=self.path, env=self._environment, **pipes) as process:
            assert process.stdout is not None
            while sign not in said:
                more = process.stdout.readline()
                said += more
                assert more, f"{line} ended:\n{said}"
            os.killpg(process.pid, signal.SIGKILL)

    def _shell(self, line: str) -> list[str]:
        return ["bash", "-euo", "pipefail", "-c", "\n".join([*self._exports, line])]


@pytest.fixture
def folder(
    request: pytest.FixtureRequest, tmp_path: Path, messenger: Simulator, bot_server: BotServer
) -> Folder:
    room = request.node.callspec.params["room"]
    settings = {
        **messenger.settings_for_bot(bot_server.url),
        "BOT_LINKING_DATABASE": f"sqlite:///{tmp_path}/links.db",
        "BOT_LINKING_SECRET_KEY": "k9-" * 12,
        "BOT_LINKING_DELIVERY": "worker",
    }
    outside = {
        "/backups/": "backups/",
        "restore backups/links.db": "restore --yes backups/links.db",
        "gunicorn ": "gunicorn --bind 127.0.0.1:0 ",
        "granian ": f"granian --port {free_pair()} ",
        "trigger ": f"trigger --url {messenger.url} ",
        "--webhook-url": "--port 0 --webhook-url",
        "http://127.0.0.1:5001/": f"{messenger.url}/",
        "--retry 17": "--retry 1",
        "broker": "",
    }
    if room == "delivery":
        outside["broker"] = request.getfixturevalue("broker")
    if room in ("operators", "stores"):
        database = request.getfixturevalue("database")
        for address in (
            "postgresql://bot:PASSWORD@db.internal/bot?sslmode=verify-full",
            "postgresql://bot@db.internal/bot",
        ):
            outside[f'"{address}"'] = outside[address] = f"'{database}'"
    made = Folder(tmp_path, settings, outside)
    made.run("flask linking migrate")
    if room == "delivery":  # a dead letter: to Messenger this PSID is nobody's
        made.run("flask linking link 999999 --email ada@example.com")
        made.run("flask linking deliver --once")
    if room in ("simulator", "stores"):  # `check` asks the webhook, too
        _serve(settings, messenger, bot_server, request.getfixturevalue("monkeypatch"))
    return made


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "redis").mkdir()
    with redis_server.running(tmp_path / "redis") as server:
        yield server.url


@pytest.fixture
def database() -> Iterator[str]:
    with postgres.empty_schema() as address:
        yield address


def _serve(
    settings: Mapping[str, str], messenger: Simulator, server: BotServer, patch: pytest.MonkeyPatch
) -> None:
    """The same bot in this process, for Messenger to talk to."""
    for name, value in settings.items():
        patch.setenv(name, value)
    names: dict[str, Any] = {"__name__": "shop"}
    exec(compile(readme_bot(), "README", "exec"), names)
    server.serve(names["app"])
    messenger.webhook_url = server.url + "/webhook"


@pytest.mark.parametrize("room", [room for room in ROOMS if room not in WITH_TESTS_OF_THEIR_OWN])
def test_the_commands_of_a_guide_run_in_order(folder: Folder, room: str) -> None:
    for line in commands_of(room):
        folder.run(line)
