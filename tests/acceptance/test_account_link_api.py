"""A site links people of the example bot by API: two bot processes on one database, a Messenger, the
operator's commands, and the published bodies byte for byte."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from bot_linking.account_link_api import Client, KeyNotValid
from bot_linking.simulator import Simulator
from bot_linking.stores import open_store
from tests.acceptance.running import answers_of_guide, flask, free_pair
from tests.acceptance.test_processes import live_bot
from tests.account_link_api.calls import CONTENT_TYPES, SAMPLE_PSID, SAMPLES
from tests.children import require

ADA, GRACE = "24680135791357", "24680135792468"


@dataclass
class Site:
    """A site's back end beside two processes of the example bot and a Messenger."""

    simulator: Simulator
    endpoints: tuple[str, str]
    environment: dict[str, str]
    key: str = ""

    def flask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return flask(self.environment, *arguments)

    def post(self, body: bytes, content_type: str, at: int = 0) -> requests.Response:
        headers = {"APIKEY": self.key, "Content-Type": content_type}
        return requests.post(self.endpoints[at], data=body, headers=headers, timeout=30)

    def client(self, at: int = 0) -> Client:
        return Client(self.endpoints[at], self.key)

    def shown(self, psid: str) -> dict[str, Any] | None:
        """What `flask linking show` prints of a person."""
        ran = self.flask("show", psid, "--json")
        assert ran.returncode == (0 if ran.stdout else 1)
        return dict(json.loads(ran.stdout)) if ran.stdout else None

    def hears(self, psid: str, words: str, times: int = 1) -> bool:
        """Wait until the person has exactly so many messages with these words."""

        def heard() -> bool:
            return sum(words in json.dumps(message) for message in self.simulator.messages(psid)) == times

        return bool(self.simulator.wait_until(heard))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    instance = tmp_path_factory.mktemp("instance")
    ports = free_pair(), free_pair()
    with Simulator(f"http://127.0.0.1:{ports[0]}/webhook") as simulator, ExitStack() as bots:
        for port in ports:
            bots.enter_context(live_bot(simulator, instance, port))
        environment = {
            **os.environ,
            **simulator.settings_for_bot(),
            "EXAMPLE_BOT_INSTANCE": str(instance),
            "BOT_LINKING_PUBLIC_URL": f"http://127.0.0.1:{ports[0]}",
        }
        first, second = (f"http://127.0.0.1:{port}/linking/api" for port in ports)
        site = Site(simulator, (first, second), environment)
        made = site.flask("api-key", "create", "site")
        assert made.returncode == 0, made.stderr
        site.key = made.stdout.strip()
        yield site


@pytest.fixture(autouse=True)
def _nobody_is_linked(site: Site) -> Iterator[None]:
    yield
    store = open_store(f"sqlite:///{site.environment['EXAMPLE_BOT_INSTANCE']}/bot_linking.db")
    for psid in (SAMPLE_PSID, ADA, GRACE):
        store.erase(None, psid, 0)
    store.close()


@pytest.mark.parametrize("sample", CONTENT_TYPES)
def test_the_published_sample_links_in_every_form(site: Site, sample: str) -> None:
    answer = site.post((SAMPLES / sample).read_bytes(), CONTENT_TYPES[sample])
    assert answer.status_code == 200
    assert answer.json() == {"request_id": "F4js0Za2", "result": True, "error_code": 0, "error_message": ""}
    shown = site.shown(SAMPLE_PSID) or {}
    assert [shown.get(name) for name in ("account_id", "username", "email", "phone_number", "source")] == [
        "username:myaccount", "myaccount", "mike@example.com", "18900001111", "api",
    ]  # fmt: skip


def test_curl_makes_the_call_in_both_forms(site: Site, tmp_path: Path) -> None:
    require("curl")
    fields = (SAMPLES / "linked.form").read_text().split("&")
    for form in (
        ["-H", "Content-Type: application/json", "--data-binary", f"@{SAMPLES / 'linked.json'}"],
        [part for field in fields for part in ("--form-string", field)],
        [part for field in fields for part in ("--data-urlencode", field)],
    ):
        command = ["curl", "-sS", "-H", f"APIKEY: {site.key}", *form, site.endpoints[0]]
        ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30, cwd=tmp_path)
        assert json.loads(ran.stdout)["result"] is True


def test_the_commands_of_the_guide_work_against_the_example_bot(site: Site) -> None:
    """As they stand in the guide, but for the address."""
    answers = answers_of_guide(
        "account_link_api", site.environment["BOT_LINKING_PUBLIC_URL"], site.environment
    )
    assert [answer["result"] for answer in answers] == [True, True], answers
    assert (site.shown(SAMPLE_PSID) or {})["email"] == "mike@example.com"


def test_a_person_is_linked_in_messenger_and_has_what_log_in_gives(site: Site) -> None:
    """The confirmation comes once, the bot knows the customer, and the farewell comes once."""
    site.client().link(ADA, email="ada@example.com")
    assert site.hears(ADA, "You are now connected to Acme as ada")
    site.client(1).link(ADA, email="ada@example.com")
    site.simulator.say(ADA, "orders")
    assert site.hears(ADA, "Order 1042")
    assert site.hears(ADA, "You are now connected")
    site.client(1).unlink(ADA)
    site.client().unlink(ADA)
    assert site.hears(ADA, "This chat is disconnected from Acme")
    assert site.shown(ADA) is None


def test_email_first_and_phone_number_later_through_two_processes_ends_with_both(site: Site) -> None:
    site.client(0).link(GRACE, email="mike@example.com")
    site.client(1).link(GRACE, phone_number="18900001111")
    shown = site.shown(GRACE)
    assert shown is not None
    assert (shown["email"], shown["phone_number"]) == ("mike@example.com", "18900001111")


def test_parallel_calls_to_several_processes_end_in_one_link(site: Site) -> None:
    facts = [{"username": "mike"}, {"email": "mike@example.com"}, {"phone_number": "1"}] * 8

    def call(number: int) -> None:
        site.client(number % 2).link(SAMPLE_PSID, **{"username": "mike", **facts[number]})

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(call, range(len(facts))))
    shown = site.shown(SAMPLE_PSID)
    assert shown is not None
    assert (shown["username"], shown["email"], shown["phone_number"]) == ("mike", "mike@example.com", "1")
    listed = site.flask("links").stdout.splitlines()
    assert sum(SAMPLE_PSID in line for line in listed) == 1
    history = [json.loads(line) for line in site.flask("history", SAMPLE_PSID, "--json").stdout.splitlines()]
    whats = [change["what"] for change in history]
    assert whats in (["linked", "changed"], ["linked", "changed", "changed"]), "each fact was news once"


def test_a_key_revoked_by_the_operator_is_refused_by_every_process_at_once(site: Site) -> None:
    made = site.flask("api-key", "create", "short-lived")
    key = made.stdout.removesuffix("\n")
    assert key.startswith("bl_")
    assert "\n" not in key, "the key stands alone on stdout"
    for endpoint in site.endpoints:
        Client(endpoint, key).unlink(SAMPLE_PSID)
    assert site.flask("api-key", "revoke", "short-lived").returncode == 0
    for endpoint in site.endpoints:
        with pytest.raises(KeyNotValid):
            Client(endpoint, key).unlink(SAMPLE_PSID)
    assert site.flask("api-key", "revoke", "short-lived").returncode == 1


def test_the_operator_sees_keys_but_never_again_what_they_are(site: Site) -> None:
    listed = site.flask("api-key", "list").stdout
    (line,) = [line for line in listed.splitlines() if line.startswith("site\t")]
    assert site.key not in listed
    assert "every page" in line
    rows = [json.loads(row) for row in site.flask("api-key", "list", "--json").stdout.splitlines()]
    assert {"name", "id", "pages", "created_at", "last_used_at", "revoked_at"} == set(rows[0])
    again = site.flask("api-key", "create", "site")
    assert (again.returncode, again.stdout) == (1, "")
    assert "site" in again.stderr
    elsewhere = site.flask("api-key", "create", "other-page", "--page", "1")
    assert (elsewhere.returncode, elsewhere.stdout) == (2, "")


def test_the_operator_links_by_hand_and_reads_the_history(site: Site) -> None:
    site.client().link(GRACE, email="mike@example.com", request_id="F4js0Za2")
    other = ("link", GRACE, "--username", "mike", "--phone", "18900001111")
    assert "--replace" in site.flask(*other).stderr  # the shop asks before another account takes the place
    ran = site.flask(*other, "--replace")
    assert (ran.returncode, ran.stdout) == (0, ""), ran.stderr
    assert site.hears(GRACE, "connected to Acme as mike. ")
    assert "already" in site.flask("link", GRACE, "--username", "mike").stderr
    assert site.flask("unlink", GRACE).returncode == 0
    lines = [line.split("\t") for line in site.flask("history", GRACE).stdout.splitlines()]
    assert [line[3:7] for line in lines] == [
        ["api", "linked", "-", "email:mike@example.com"],
        ["cli", "linked", "email:mike@example.com", "username:mike"],
        ["cli", "unlinked", "username:mike", "-"],
    ]
    assert lines[0][9] == "F4js0Za2"
    site.flask("erase", GRACE, "--yes")
    assert site.flask("history", GRACE).stdout == ""


@pytest.mark.parametrize(
    "arguments", [["12 34", "--email", "a@x"], ["1"], ["1", "--email", "a\nb"], ["1", "--phone", "1" * 33]]
)
def test_the_operator_is_told_what_is_wrong_with_a_link(site: Site, arguments: list[str]) -> None:
    ran = site.flask("link", *arguments)
    assert ran.returncode != 0
    assert ran.stdout == ""
    assert "Traceback" not in ran.stderr


def test_a_call_that_is_too_large_is_answered_in_the_envelope(site: Site) -> None:
    answer = site.post(b" " * 300_000, "application/json")
    assert answer.status_code == answer.json()["error_code"] == 413


def test_the_document_is_served(site: Site) -> None:
    document = requests.get(site.endpoints[0].removesuffix("api") + "openapi.json", timeout=30).json()
    assert "/linking/api" in document["paths"]
