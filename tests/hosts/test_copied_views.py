"""People copy the views of the README and the example bot: no signed body may make them fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

import example_bot
from bot_linking import AccountLinking
from tests.bots import Bot
from tests.guides.blocks import readme_bot
from tests.hosts import junk
from tests.wire import APP_SECRET, batch, message_event, signature

PIECES = 10_000


def app_of_the_readme() -> Flask:
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(readme_bot(), "README", "exec"), names)
    app: Flask = names["app"]
    return app


@pytest.fixture(params=["README", "example bot"])
def copied(
    request: pytest.FixtureRequest,
    settings: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Flask:
    """An app whose view people copy."""
    monkeypatch.setenv("EXAMPLE_BOT_INSTANCE", str(tmp_path))
    monkeypatch.setenv("BOT_LINKING_SECRET_KEY", settings["SECRET_KEY"])
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return app_of_the_readme() if request.param == "README" else example_bot.create_app(settings)


def post(app: Flask, body: bytes) -> int:
    headers = {"X-Hub-Signature-256": signature(body, APP_SECRET), "Content-Type": "application/json"}
    return app.test_client().post("/webhook", data=body, headers=headers).status_code


def test_no_signed_body_fails_a_view_that_people_copy(copied: Flask) -> None:
    answers = Counter[int]()
    failed = []
    for body in junk.bodies(PIECES, seed=7):
        status = post(copied, body)
        answers[status] += 1
        if status >= 500:
            failed.append(body[:300])
    assert failed == []
    assert answers.total() == PIECES
    assert answers[200] > PIECES / 2


def test_the_junk_holds_what_a_bot_answers(copied: Flask) -> None:
    """Else the test before would prove nothing."""
    texts = [body for body in junk.bodies(PIECES, seed=7) if b'"text": "orders"' in body]
    assert len(texts) > 100


class Views:
    """A bot's view, and the events that it got."""

    def __init__(self, bot: Bot) -> None:
        self.app, self.linking = bot.app, bot.linking
        self.seen: list[dict[str, Any]] = []

    def view(self) -> str:
        self.seen += self.linking.events()
        return "ok"


@pytest.mark.parametrize(
    ("add", "status", "seen"),
    [
        (lambda app, linking, view: app.post("/webhook")(linking.webhook(view)), 200, 1),
        (lambda app, linking, view: linking.webhook(app.post("/webhook")(view)), 500, 0),
        (lambda app, linking, view: app.post("/webhook")(view), 500, 0),
    ],
    ids=["right", "the wrong way round", "none"],
)
def test_a_view_that_nothing_verifies_gets_no_events(
    bot: Bot, add: Callable[[Flask, AccountLinking, Callable[[], str]], Any], status: int, seen: int
) -> None:
    """With the decorators in the wrong order the view would run unsigned events; so it fails at once."""
    views = Views(bot)
    add(bot.app, bot.linking, views.view)
    assert post(bot.app, batch(message_event("hello"))) == status
    assert len(views.seen) == seen


def test_the_events_of_a_request_are_those_that_messenger_could_have_sent(bot: Bot) -> None:
    views = Views(bot)
    bot.app.post("/webhook")(bot.linking.webhook(views.view))
    good = [
        message_event("hello"),
        message_event("hi") | {"message": {"mid": "m", "attachments": [], "is_echo": True}},
        {"recipient": {"id": "1"}, "optin": {"user_ref": "r"}, "timestamp": 1},
        {"recipient": {"id": "1"}, "policy_enforcement": {"action": "warning"}},
    ]
    bad: list[Any] = [
        None, 1, [], "x", message_event("x") | {"message": None}, message_event("x") | {"message": []},
        message_event("x") | {"sender": None}, message_event("x") | {"sender": {"user_ref": "r"}},
        message_event("x") | {"sender": {"id": 10**20}}, message_event("x") | {"recipient": {"id": 7}},
        message_event("x") | {"recipient": {"id": "a/b"}}, message_event("x") | {"postback": "x"},
        message_event("x") | {"message": {"text": 7}},
    ]  # fmt: skip
    mixed = [each for pair in zip(bad, good * 3, strict=False) for each in pair]
    assert post(bot.app, batch(*mixed)) == 200
    assert views.seen == (good * 3)[: len(bad)]
