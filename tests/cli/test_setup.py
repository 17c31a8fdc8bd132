"""`setup` sets what is missing at Messenger, removes nothing, and says what prevents it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from bot_linking import AccountLinking
from bot_linking.messenger.graph import Graph, GraphError
from bot_linking.operators.setup import FIELDS, Plan, set_up_page
from bot_linking.simulator import Simulator
from bot_linking.testing import BotServer

from .test_commands import Result, Shell, shell

__all__ = ["shell"]
SITE = "https://bot.example"
LOGIN = f"{SITE}/linking/login"


@pytest.fixture
def bare(shell: Shell, messenger: Simulator, bot_server: BotServer, tmp_path: Path) -> Shell:
    """A page and an app that are subscribed to other fields, whose webhook is a running bot."""
    app = Flask("tests.setup")
    app.config.update({
        **messenger.settings_for_bot(),
        "BOT_LINKING_PUBLIC_URL": bot_server.url,
        "BOT_LINKING_DATABASE": f"sqlite:///{tmp_path}/running.db",
        "BOT_LINKING_DELIVERY": "worker",
        "SECRET_KEY": "k" * 32,
    })  # fmt: skip
    AccountLinking(app, authenticate=lambda username, password: None)
    bot_server.serve(app)
    messenger.webhook_url = bot_server.url + "/linking/webhook"
    messenger.page_fields = ["messages", "message_reads"]
    messenger.app_fields = ["feed", "messages"]
    shell.environment["BOT_LINKING_PUBLIC_URL"] = SITE
    return shell


def states(result: Result) -> list[str]:
    return [line.split()[0] for line in result.out.splitlines()]


def test_setup_adds_what_is_missing_and_a_second_time_does_nothing(bare: Shell, messenger: Simulator) -> None:
    messenger.profile["whitelisted_domains"] = ["https://shop.example"]
    callback = messenger.webhook_url
    first = bare.run("setup")
    assert (first.status, first.err) == (0, "")
    assert set(states(first)) == {"ok", "added"}
    assert messenger.page_fields[:2] == ["messages", "message_reads"], "nothing is removed"
    assert messenger.app_fields[:2] == ["feed", "messages"]
    assert set(FIELDS) <= set(messenger.page_fields) & set(messenger.app_fields)
    assert messenger.webhook_url == callback
    assert messenger.profile["account_linking_url"] == LOGIN
    assert messenger.profile["get_started"]["payload"]
    assert messenger.profile["whitelisted_domains"] == ["https://shop.example", SITE]
    before = (list(messenger.page_fields), list(messenger.app_fields), dict(messenger.profile))
    second = bare.quick("setup")
    assert second.status == 0
    assert set(states(second)) == {"ok"}
    assert (messenger.page_fields, messenger.app_fields, messenger.profile) == before


def test_a_dry_run_names_each_missing_field_and_writes_nothing(bare: Shell, messenger: Simulator) -> None:
    before = (list(messenger.page_fields), list(messenger.app_fields), dict(messenger.profile))
    result = bare.quick("setup", "--dry-run")
    assert result.status == 1
    assert "missing" in states(result)
    for name in ("messaging_account_linking", "messaging_postbacks", "account_linking_url", "get_started"):
        assert [line for line in result.out.splitlines() if line.startswith("missing") and name in line]
    assert (messenger.page_fields, messenger.app_fields, messenger.profile) == before
    assert bare.quick("setup").status == 0
    assert bare.quick("setup", "--dry-run").status == 0


def test_a_get_started_and_a_menu_that_are_there_stay(bare: Shell, messenger: Simulator) -> None:
    messenger.profile["get_started"] = {"payload": "HELLO"}
    item = {"type": "postback", "title": "Orders", "payload": "ORDERS"}
    menu = {"locale": "default", "composer_input_disabled": False, "call_to_actions": [item]}
    messenger.profile["persistent_menu"] = [menu]
    assert bare.quick("setup", "--menu").status == 0
    assert messenger.profile["get_started"] == {"payload": "HELLO"}
    (after,) = messenger.profile["persistent_menu"]
    assert after["call_to_actions"][0] == item
    assert after["call_to_actions"][1]["url"] == f"{SITE}/linking/menu"
    assert bare.quick("setup", "--menu").status == 0
    assert len(messenger.profile["persistent_menu"][0]["call_to_actions"]) == 2


def test_without_the_apps_id_the_domains_are_left_alone(bare: Shell, messenger: Simulator) -> None:
    bare.environment.pop("BOT_LINKING_APP_ID", None)
    assert bare.quick("setup").status == 0
    assert "whitelisted_domains" not in messenger.profile
    refused = bare.quick("setup", "--menu")
    assert refused.status == 1
    assert "BOT_LINKING_APP_ID" in refused.err


@pytest.mark.parametrize(
    ("switch", "named", "page"),
    [
        ("missing_permission", "pages_manage_metadata", "Permissions and features"),
        ("expired_token", "access token", "Messenger API Settings"),
        ("graph_down", "did not answer", "later"),
        ("rate_limited", "limit of calls", "ten minutes"),
    ],
)
def test_each_refusal_is_one_line_that_says_what_is_missing_and_where(
    bare: Shell, messenger: Simulator, switch: str, named: str, page: str
) -> None:
    setattr(messenger.switches, switch, True)
    result = bare.quick("setup")
    assert result.status == 1
    wrong = [line for line in result.out.splitlines() if line.startswith("wrong")]
    assert wrong
    assert any(named in line and page in line for line in wrong), wrong
    assert messenger.page_access_token not in result.out + result.err


REFUSALS = (
    (190, "Error validating access token", "access token is not good", "Messenger API Settings"),
    (102, "Session key invalid", "access token is not good", "Messenger API Settings"),
    (210, "A page access token is required", "access token is not good", "Messenger API Settings"),
    (10, "Application does not have permission", "pages_manage_metadata", "Permissions and features"),
    (3, "Application does not have the capability", "pages_manage_metadata", "Permissions and features"),
    (200, "Requires pages_messaging permission", "pages_messaging", "Permissions and features"),
    (283, "Requires pages_read_engagement permission", "pages_read_engagement", "Page access"),
    (4, "Application request limit reached", "limit of calls", "ten minutes"),
    (613, "Calls to this api have exceeded the rate limit", "limit of calls", "ten minutes"),
    (2200, "Callback verification failed", "handshake", "Webhooks"),
    (100, "Invalid appsecret_proof provided in the API argument", "secret is wrong", "App settings > Basic"),
    (100, "Param whitelisted_domains[0] must be https", "must be https", "Messenger API Settings"),
    (5, "Something else", "Something else", "Messenger API Settings"),
    (15, "This method must be called with an app access_token", "access token is not good", "Settings"),
    (
        100,
        "It cannot be loaded due to missing permissions",
        "lacks the permission",
        "Permissions and features",
    ),
    (2018065, "This action requires a page admin", "administrator of the page", "Page access"),
    (368, "Temporarily blocked for policies violations", "restricted the page", "support inbox"),
    (2, "Service temporarily unavailable", "cannot do it now", "later"),
)


@pytest.mark.parametrize(("code", "text", "named", "page"), REFUSALS, ids=lambda given: str(given)[:20])
def test_each_code_of_graph_is_one_line_with_what_is_missing_and_where_it_is_mended(
    monkeypatch: pytest.MonkeyPatch, code: int, text: str, named: str, page: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise GraphError(text, status=400, code=code, message=text)

    monkeypatch.setattr(Graph, "_call", refuse)
    plan = Plan(login_url=LOGIN, domain=SITE, menu_item=None, dry_run=False)
    graph = Graph("token", "secret-of-an-app", url="http://127.0.0.1:9", version="v26.0")
    steps = list(set_up_page(graph, "42", plan))
    assert [step.state for step in steps] == ["wrong", "wrong"]
    assert named in steps[0].what
    assert all(page in step.what and "\n" not in step.what for step in steps)


class Answering(Graph):
    """Answers as it is told, and notes what is written."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        super().__init__("token", "secret-of-an-app", url="http://127.0.0.1:9", version="v26.0")
        self.answers = list(answers)
        self.written: list[str] = []

    def get(self, path: str, **parameters: str) -> dict[str, Any]:
        return self.answers.pop(0) if "subscribed_apps" in path else {"data": [{}]}

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        self.written.append(path)
        return {}


PLAN = Plan(login_url=LOGIN, domain=None, menu_item=None, dry_run=False)
UNREADABLE = (
    {"data": "none"},
    {"data": ["messages"]},
    {"data": [{"id": "42", "subscribed_fields": "messages"}]},
    {"data": [{"id": "42", "subscribed_fields": [{"field": "feed"}]}]},
)


@pytest.mark.parametrize("answer", UNREADABLE, ids=str)
def test_a_list_that_cannot_be_read_is_not_replaced(answer: dict[str, Any]) -> None:
    graph = Answering(answer)
    step, *_ = set_up_page(graph, "42", PLAN)
    assert step.state == "wrong"
    assert "nothing was written" in step.what
    assert "me/subscribed_apps" not in graph.written


def test_a_list_in_parts_is_read_to_its_end() -> None:
    """Our app may stand behind many others."""
    others = {"data": [{"id": "1"}], "paging": {"next": "https://graph", "cursors": {"after": "A"}}}
    ours = {"data": [{"id": "42", "subscribed_fields": list(FIELDS)}], "paging": {"cursors": {"after": "B"}}}
    graph = Answering(others, ours)
    assert {step.state for step in list(set_up_page(graph, "42", PLAN))[: len(FIELDS)]} == {"ok"}
    assert "me/subscribed_apps" not in graph.written


def test_a_webhook_that_does_not_answer_is_named(bare: Shell, messenger: Simulator) -> None:
    messenger.webhook_url = "http://127.0.0.1:9/webhook"
    result = bare.quick("setup")
    assert result.status == 1
    assert "handshake" in result.out


def test_a_wrong_app_secret_is_named(bare: Shell) -> None:
    result = bare.quick("setup", BOT_LINKING_APP_SECRET="simulator-another-secret")
    assert result.status == 1
    assert "wrong" in states(result)
    assert "simulator-another-secret" not in result.out


def test_nothing_is_deleted_and_a_profile_takes_four_calls_at_most(
    bare: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, str]] = []
    ask = Graph._ask

    def noted(graph: Graph, method: str, path: str, *given: Any, **more: Any) -> Any:
        calls.append((method, path))
        return ask(graph, method, path, *given, **more)

    monkeypatch.setattr(Graph, "_ask", noted)
    assert bare.quick("setup", "--menu").status == 0
    assert {method for method, _ in calls} == {"GET", "POST"}
    assert 1 <= len([path for _, path in calls if path == "me/messenger_profile"]) <= 4


def test_setup_as_json_is_an_object_for_each_step(bare: Shell) -> None:
    steps = [json.loads(line) for line in bare.quick("setup", "--json").out.splitlines()]
    assert {step["state"] for step in steps} == {"ok", "added"}
