"""Everything in the README runs, and no public name is missing from the guides."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
import pytest
import requests

import bot_linking
import example_bot
from bot_linking import AccountLinking
from bot_linking.simulator import Simulator
from bot_linking.testing import BotServer, LinkingWalk
from tests.guides.blocks import README as PATH
from tests.guides.blocks import guide_of, readme_bot, texts_of
from tests.house import guides
from tests.house.tree import ROOT

README = PATH.read_text("utf-8")


@pytest.mark.parametrize(
    ("guide", "mark"), guides.TABLES, ids=lambda each: str(getattr(each, "parent", each))
)
def test_the_tables_of_the_guides_are_those_of_the_code(guide: Path, mark: str) -> None:
    """`python -m tests.house.guides` writes them again."""
    assert guides.between(guide, mark) == guides.TABLES[guide, mark]()


def test_every_public_name_and_method_is_in_the_readme() -> None:
    """Or in the guide of its room."""
    told = README + "".join(path.read_text("utf-8") for path in (ROOT / "bot_linking").glob("*/README.md"))
    methods = [name for name in vars(AccountLinking) if not name.startswith("_")]
    missing = [name for name in (*bot_linking.__all__, *methods) if name not in told]
    assert missing == []


def test_every_command_is_in_the_operators_guide() -> None:
    from bot_linking.operators.commands import commands

    shown = guides.between(guide_of("operators"), "cli")
    assert [c.name for c in commands(AccountLinking()._here) if f"flask linking {c.name}" not in shown] == []


GUIDES = "".join(path.read_text("utf-8") for path in (ROOT / "bot_linking").glob("*/README.md"))


def test_each_command_of_a_group_is_in_a_guide() -> None:
    from bot_linking.external_account.commands import commands as of_external_accounts
    from bot_linking.operators.commands import commands

    every = [*commands(AccountLinking()._here), *of_external_accounts(lambda: None)]  # type: ignore[arg-type, return-value]
    groups = [each for each in every if isinstance(each, click.Group)]
    names = [f"{group.name} {name}" for group in groups for name in group.commands]
    assert len(names) > 12
    assert [name for name in names if name not in GUIDES] == []


def test_each_option_of_a_command_is_in_a_guide() -> None:
    from bot_linking.operators.commands import commands

    options = {
        (command.name, option)
        for command in commands(AccountLinking()._here)
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--")
    }
    assert len(options) > 25
    assert sorted((name, option) for name, option in options if option not in GUIDES) == []


def test_each_metric_is_in_the_operators_guide() -> None:
    source = (ROOT / "bot_linking" / "metrics.py").read_text("utf-8")
    named = {f"bot_linking_{name}" for name in re.findall(r'"bot_linking_([a-z_]+)"', source)}
    guide = (ROOT / "bot_linking" / "operators" / "README.md").read_text("utf-8")
    short = {f"bot_linking_outbox{name}" for name in re.findall(r"`(_[a-z_]+)`", guide)}
    assert sorted(name for name in named if name not in guide and name not in short) == []


@pytest.mark.parametrize("number", range(len(texts_of(PATH))))
def test_every_python_block_compiles(number: int) -> None:
    compile(texts_of(PATH)[number], f"README block {number}", "exec")


def test_the_ten_lines_make_a_bot_that_links(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    messenger: Simulator,
    bot_server: BotServer,
    linking_walk: LinkingWalk,
) -> None:
    """The README's bot, with the README's settings, takes a person through the whole flow."""
    settings = {
        **messenger.settings_for_bot(),
        "BOT_LINKING_DATABASE": f"sqlite:///{tmp_path}/links.db",
        "BOT_LINKING_SECRET_KEY": "k" * 32,
        "BOT_LINKING_PUBLIC_URL": bot_server.url,
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    code = readme_bot()
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(code, "README", "exec"), names)
    bot_server.serve(names["app"])
    messenger.webhook_url = bot_server.url + "/webhook"
    ada = messenger.people[0].psid
    messenger.say(ada, "orders")
    linking_walk.link(ada, "ada", "lovelace-1815")
    assert linking_walk.hears(ada, "Orders of account 1: none yet.")
    assert names["linking"].link_of(ada).username == "ada"


def test_the_test_of_ones_own_bot_passes(
    tmp_path: Path, messenger: Simulator, bot_server: BotServer, linking_walk: LinkingWalk
) -> None:
    """The README's test of a bot, run with the example bot."""
    code = next(each for each in texts_of(PATH) if "linking_walk.link" in each)
    names: dict[str, Any] = {"create_app": example_bot.create_app}
    exec(compile(code, "README", "exec"), names)
    names["test_ada_sees_her_orders_after_logging_in"](messenger, bot_server, linking_walk, tmp_path)


def test_check_prints_the_lines_that_the_readme_shows(
    tmp_path: Path, messenger: Simulator, bot_server: BotServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the README's bot, whose page is not subscribed."""
    settings = {
        **messenger.settings_for_bot("https://bot.example.com"),
        "BOT_LINKING_DATABASE": f"sqlite:///{tmp_path}/links.db",
        "BOT_LINKING_SECRET_KEY": "k9-" * 12,
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    requests.delete(
        f"{messenger.url}/v26.0/me/subscribed_apps",
        params={"access_token": messenger.page_access_token},
        timeout=30,
    )
    names: dict[str, Any] = {"__name__": "readme"}

    def get(url: str, *, params: dict[str, str], **_: Any) -> Any:  # no test asks a real address
        assert url.startswith("https://bot.example.com/")
        return names["app"].test_client().get(url, query_string=params)

    monkeypatch.setattr(requests, "get", get)
    exec(compile(readme_bot(), "README", "exec"), names)
    run = names["app"].test_cli_runner().invoke
    run(args=["linking", "migrate"])
    printed = run(args=["linking", "check"]).stdout.splitlines()
    (shown,) = (each.splitlines() for each in texts_of(PATH, language="text") if each.startswith("ok "))
    assert [line for line in printed if not line.startswith("note ")] == shown


def test_both_commands_are_spelled_for_windows_too() -> None:
    for ours in ("example_bot", "pytest"):
        assert re.search(rf"^py -m venv .*\.venv\\Scripts\\python -m {ours}$", README, re.MULTILINE), ours


def test_the_commands_of_the_readme_are_those_that_ci_runs() -> None:
    assert "-m pytest" in guides.between(PATH, "test command")
    assert "-m example_bot" in guides.between(PATH, "run command")
    assert "<!-- test command -->" in (ROOT / ".ci" / "run").read_text("utf-8")
