"""Every snippet of the two guides runs as it stands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from bot_linking import AccountLinking
from bot_linking.simulator import Simulator
from bot_linking.simulator.switches import SWITCH_NOTES
from bot_linking.simulator.triggers import TRIGGERS
from bot_linking.testing import BotServer, LinkingWalk
from tests.guides.blocks import guide_of, texts_of
from tests.testing.test_module_bots import BOT

TESTING, SIMULATOR = texts_of(guide_of("testing")), texts_of(guide_of("simulator"))


def names_of(number: int) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "guide"}
    exec(compile(TESTING[number], f"guide {number}", "exec"), names)
    return names


def test_every_snippet_is_run_here() -> None:
    assert len(TESTING) == 4
    assert len(SIMULATOR) == 2


def test_the_snippet_of_a_factory(
    messenger: Simulator, bot_server: BotServer, linking_walk: LinkingWalk, tmp_path: Path
) -> None:
    names_of(0)["test_ada_sees_her_orders_after_logging_in"](messenger, bot_server, linking_walk, tmp_path)


def test_the_snippet_of_a_module(
    module_bot: Callable[..., Flask],
    messenger: Simulator,
    linking_walk: LinkingWalk,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code = BOT.format(package="corner_").replace('"/hook"', '"/webhook"')
    (tmp_path / "corner_shop.py").write_text(code)
    (tmp_path / "corner_replies.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    names_of(1)["test_the_bot_greets_whoever_is_linked"](module_bot, messenger, linking_walk)


def test_the_snippets_of_flasks_test_client(settings: dict[str, Any]) -> None:
    app = Flask("tests.guide")
    app.config.update(settings, BOT_LINKING_APP_SECRET="an-app-secret-of-the-tests")
    linking = AccountLinking(app, authenticate=lambda username, password: None)
    app.post("/webhook")(linking.webhook(lambda: "ok"))
    names = names_of(2)
    names["test_a_message_is_taken"](app)
    names["test_any_client_can_sign"](app)


def test_the_snippet_of_faults(messenger: Simulator) -> None:
    names_of(3)["test_what_a_test_can_do_to_messenger"](messenger)


def test_a_client_of_ones_own_is_pointed_to_the_simulator(
    messenger: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in messenger.settings_for_bot().items():
        monkeypatch.setenv(name, value)
    messenger.messaging_type_required = False
    names: dict[str, Any] = {}
    exec(compile(SIMULATOR[0], "guide", "exec"), names)
    names["bot"].send_text_message(messenger.people[0].psid, "hello")
    assert messenger.messages(messenger.people[0].psid)[0]["message"]["text"] == "hello"


def test_the_snippet_of_the_simulator(capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(SIMULATOR[1], "guide", "exec"), {})
    assert capsys.readouterr().out.startswith("http://127.0.0.1:")


def test_the_guide_names_every_trigger_and_every_step() -> None:
    assert [name for name in TRIGGERS if f"`{name}`" not in guide_of("simulator").read_text("utf-8")] == []
    assert any(note.label == "24 hours over" for note in SWITCH_NOTES)
    for step in (
        "open_web_link",
        "digits",
        "type_digits",
        "open_menu",
        "prove_by_context",
        "arrive",
        "reply",
    ):
        assert callable(getattr(LinkingWalk, step))
        assert step in guide_of("testing").read_text("utf-8")
