"""Applications and the example bot, over HTTP: clients in two languages, the guide's commands, `points`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyotp
import pytest
import requests

from bot_linking.simulator import Simulator
from bot_linking.testing import LinkingWalk
from example_bot.site_api import DEMO_SECRET
from tests.acceptance.running import RunningBot, answers_of_guide, flask, free_pair
from tests.acceptance.test_processes import live_bot
from tests.children import require

CLIENTS = Path(__file__).with_name("clients")
ADA, GRACE = "24680135791357", "24680135792468"


def line(bot: RunningBot, *arguments: str) -> str:
    """The one line that a command prints on stdout."""
    ran = bot.flask(*arguments)
    assert ran.returncode == 0, ran.stderr
    (printed,) = ran.stdout.splitlines()
    return printed


@pytest.mark.parametrize(
    "command",
    [["node", "external_account.mjs"], [sys.executable, "external_account.py"]],
    ids=["node", "python"],
)
def test_a_client_written_from_the_published_page_works(bot: RunningBot, command: list[str]) -> None:
    require(command[0])
    program, script = command[0], str(CLIENTS / command[1])
    back_end = line(bot, "app", "create", "myapp")
    user = line(bot, "token", "create", "myapp", "7", "--scope", "accounts", "--scope", "bind")
    ran = subprocess.run(
        [program, script, bot.url, "myapp", user, back_end],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (0, "done\n"), ran.stderr


def test_the_commands_of_the_guide_work_against_the_example_bot(bot: RunningBot) -> None:
    answers = answers_of_guide("external_account", bot.url, bot.environment)
    assert [answer["code"] for answer in answers] == [200] * 5, answers
    bound, (account,), updated, token, unbound = [answer["data"] for answer in answers]
    assert (bound, updated, unbound) == (True, True, True)
    assert (account["userID"], account["data"]) == (7, "level 3")
    assert token["token_type"] == "Bearer"


@dataclass
class Town:
    """The example bot in its own process, a Messenger, and a person who walks the pages."""

    url: str
    messenger: Simulator
    walk: LinkingWalk
    instance: Path
    environment: dict[str, str]

    def flask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return flask(self.environment, *arguments)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    port = free_pair()
    url = f"http://127.0.0.1:{port}"
    with (
        Simulator(f"{url}/webhook") as messenger,
        live_bot(messenger, tmp_path, port),
        LinkingWalk(messenger) as walk,
    ):
        environment = {
            **os.environ, **messenger.settings_for_bot(), "EXAMPLE_BOT_INSTANCE": str(tmp_path),
            "BOT_LINKING_PUBLIC_URL": url,
        }  # fmt: skip
        yield Town(url, messenger, walk, tmp_path, environment)


def test_points_signs_the_linked_person_in_and_asks_the_shops_own_api(town: Town) -> None:
    town.messenger.say(ADA, "points")
    town.walk.link(ADA, "ada", "lovelace-1815")
    assert town.walk.hears(ADA, "You have 1815 points, ada.")
    assert requests.get(f"{town.url}/api/points", timeout=30).status_code == 401
    back_end = (town.instance / "back_end_token").read_text()
    assert (town.instance / "back_end_token").stat().st_mode & 0o777 == 0o600
    headers = {"Authorization": f"Bearer {back_end}"}
    pair = {"unionID": ADA, "platform": "messenger"}
    sign_in = f"{town.url}/ExternalAccount/acme/SignIn"
    token = requests.post(sign_in, json=pair, headers=headers, timeout=30).json()["data"]["access_token"]
    points = {"headers": {"Authorization": f"Bearer {token}"}, "timeout": 60}
    assert requests.get(f"{town.url}/api/points", **points).json() == {"points": 1815}  # type: ignore[arg-type]
    assert town.flask("unlink", ADA).returncode == 0
    assert requests.get(f"{town.url}/api/points", **points).status_code == 401  # type: ignore[arg-type]
    assert requests.post(sign_in, json=pair, headers=headers, timeout=30).status_code == 404


def test_a_person_with_a_second_factor_needs_it_on_the_pages_and_in_the_chat(town: Town) -> None:
    enabled = town.flask("two-factor", "enable", "acme", "2")
    assert enabled.returncode == 0, enabled.stderr
    totp = pyotp.parse_uri(enabled.stdout.strip())
    assert isinstance(totp, pyotp.TOTP)
    town.messenger.say(GRACE, "points")
    town.walk.open(GRACE)
    page = town.walk.sign_in("grace", "hopper-1906")
    assert "/second-factor/" in page.url
    assert 'role="alert"' in town.walk.submit("second-factor", code="000000").text
    now = int(time.time())
    town.walk.submit("second-factor", code=totp.at(now))
    town.walk.consent()
    town.walk.go_back()
    assert town.walk.hears(GRACE, "like: points 123456")
    town.messenger.say(GRACE, f"points {totp.at(now + 30)}")
    assert town.walk.hears(GRACE, "You have 1906 points, grace.")
    town.messenger.say(GRACE, "points")
    assert town.messenger.wait_until(
        lambda: sum("1906 points" in json.dumps(each) for each in town.messenger.messages(GRACE)) == 2
    )


def test_the_example_bot_prints_how_to_enrol_its_demo_customer(bot: RunningBot) -> None:
    found = re.search(r"^    (otpauth://totp/\S+)$", bot.output.read_text(), re.MULTILINE)
    assert found is not None
    totp = pyotp.parse_uri(found[1])
    assert totp.secret == DEMO_SECRET
