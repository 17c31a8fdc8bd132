"""A bot that is a module with `app = Flask(__name__)` can be tested unchanged."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from bot_linking.simulator import Simulator
from bot_linking.testing import LinkingWalk, fresh_module

BOT = """
from flask import Flask, request
from bot_linking import Account, AccountLinking
import {package}replies

app = Flask(__name__)
linking = AccountLinking(app, authenticate=lambda u, p: Account("1", username=u) if p == "secret" else None)

@app.post("/hook")
@linking.webhook
def hook():
    for entry in request.get_json()["entry"]:
        for event in entry["messaging"]:
            hello(event)
    return "ok"

@linking.login_required
def hello(event, link):
    linking.bot.send_text_message(event["sender"]["id"], "hello " + link.username)
"""
Serve = Callable[..., Flask]


@pytest.fixture
def bots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a bot that is a file, and one that is a package."""
    (tmp_path / "corner_shop.py").write_text(BOT.format(package="corner_"))
    (tmp_path / "corner_replies.py").write_text("made = []\n")
    (tmp_path / "big_shop").mkdir()
    (tmp_path / "big_shop" / "__init__.py").write_text("")
    (tmp_path / "big_shop" / "replies.py").write_text("")
    (tmp_path / "big_shop" / "web.py").write_text(BOT.format(package="big_shop."))
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", ["corner_shop", "big_shop.web", "big_shop.web:app"])
@pytest.mark.usefixtures("bots")
def test_a_module_is_imported_with_its_settings_and_walked_to_the_end(
    module_bot: Serve, messenger: Simulator, linking_walk: LinkingWalk, name: str
) -> None:
    module_bot(name, webhook="/hook", settings={"BOT_LINKING_BRAND_NAME": "Acme"})
    ada = messenger.people[0].psid
    messenger.say(ada, "hello")
    linking_walk.link(ada, "ada", "secret")
    assert linking_walk.hears(ada, "hello ada")


@pytest.mark.usefixtures("bots")
def test_each_test_gets_a_module_of_its_own_and_leaves_nothing_behind(messenger: Simulator) -> None:
    settings = messenger.settings_for_bot()
    before, known = dict(os.environ), set(sys.modules)
    with fresh_module("corner_shop", settings, also=["corner_replies"]) as one:
        sys.modules["corner_replies"].made.append(1)
        assert os.environ["BOT_LINKING_GRAPH_URL"] == messenger.url
    with fresh_module("corner_shop", settings, also=["corner_replies"]) as other:
        assert sys.modules["corner_replies"].made == []
    assert one is not other
    assert one.app is not other.app
    assert dict(os.environ) == before
    assert not {"corner_shop", "corner_replies"} & (set(sys.modules) - known)
    for module in (one, other):
        module.linking.store.close()


@pytest.mark.usefixtures("bots")
def test_a_setting_of_ones_own_shell_does_not_reach_the_bot(
    messenger: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOT_LINKING_PAGES", "not for this test")
    with fresh_module("corner_shop", messenger.settings_for_bot()) as module:
        assert "BOT_LINKING_PAGES" not in os.environ
        module.linking.store.close()
    assert os.environ["BOT_LINKING_PAGES"] == "not for this test"


def test_a_module_without_an_app_is_named(module_bot: Serve, bots: Path) -> None:
    with pytest.raises(LookupError, match="corner_replies has no app"):
        module_bot("corner_replies")
    with pytest.raises(LookupError, match="has no the_app"):
        module_bot("corner_replies:the_app")
