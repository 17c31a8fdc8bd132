"""Every refusal has a status: each error of the package, raised behind each door, is answered in the door's
own form."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest

import bot_linking
from bot_linking.account_link_api.codes import Code, code_of
from bot_linking.account_link_api.keys import Keys
from bot_linking.core.errors import BotLinkingError
from bot_linking.external_account import ExternalAccount
from bot_linking.external_account.endpoint import STATUS
from bot_linking.messenger.signed_request import Flaw
from tests.bots import Bot, NewBot
from tests.owners.test_callbacks import call
from tests.wire import PSID, batch, message_event, unlinked_event

CANARY = "canary-of-the-refusal"


def refusals() -> Iterator[type[BotLinkingError]]:
    """Every class of a refusal in the package."""
    for module in pkgutil.walk_packages(bot_linking.__path__, "bot_linking."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    waiting = [BotLinkingError]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        yield kind


class Unheard(BotLinkingError):
    """A refusal that no table knows."""

    slug = "unheard_of"


KINDS = sorted({*refusals(), Unheard}, key=lambda kind: kind.__name__)


def one_of(kind: type[BotLinkingError]) -> BotLinkingError:
    """A refusal of this class, whatever arguments it needs."""
    refusal = kind.__new__(kind)
    Exception.__init__(refusal, CANARY)
    refusal.__dict__.update({"message": CANARY, "retry_after": 7, "allowed": "POST", "flaw": Flaw.MALFORMED})
    return refusal


@pytest.fixture
def bot(new_bot: NewBot) -> Bot:
    return new_bot()


def test_the_walk_finds_the_refusals_of_every_room() -> None:
    assert len(KINDS) > 30
    rooms = {kind.__module__.split(".")[1] for kind in KINDS if kind.__module__.startswith("bot_linking.")}
    assert rooms >= {"core", "doors", "account_link_api", "external_account", "messenger", "webview"}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_account_link_api_answers_each_in_its_envelope(
    bot: Bot, monkeypatch: pytest.MonkeyPatch, kind: type[BotLinkingError]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise one_of(kind)

    monkeypatch.setattr(bot.linking.core, "bind", refuse)
    call = {
        "request": {"method": "account_link", "id": "r-1"},
        "recipient": {"id": PSID},
        "account_linking": {"status": "linked", "username": "ada"},
    }
    headers = {"APIKEY": Keys(bot.linking.core).create("site")}
    answer = bot.client().post("/linking/api", json=call, headers=headers)
    said, code = answer.get_json(), code_of(one_of(kind))
    assert (answer.status_code, said["error_code"]) == (code.status, code.number)
    assert (said["result"], said["request_id"], said["error"]["code"]) == (False, "r-1", code.number)
    if code is Code.FAILED:
        assert CANARY not in answer.text, "an unforeseen one is for the log"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_external_account_answers_each_in_its_envelope(
    bot: Bot, monkeypatch: pytest.MonkeyPatch, kind: type[BotLinkingError]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise one_of(kind)

    external = ExternalAccount(bot.linking)
    bot.app.register_blueprint(external.blueprint)
    external.create_app("shop")
    headers = {"Authorization": f"Bearer {external.create_token('shop', 1)}"}
    monkeypatch.setattr(external._here().accounts, "logins_of", refuse)
    answer = bot.client().get("/ExternalAccount/shop", headers=headers)
    status = STATUS.get(kind.slug, 500)
    said: dict[str, Any] = answer.get_json()
    assert answer.status_code == said["code"] == status
    assert (said["data"], set(said)) == ([], {"code", "data", "error"})
    if status in {500, 503}:
        assert CANARY not in answer.text


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("path", ["/linking/webhook", "/hook"])
def test_the_webhook_answers_each_with_a_status_and_never_with_a_traceback(
    bot: Bot, monkeypatch: pytest.MonkeyPatch, kind: type[BotLinkingError], path: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise one_of(kind)

    bot.app.add_url_rule("/hook", "hook", bot.linking.webhook(lambda: "ok"), methods=["POST"])
    monkeypatch.setattr(bot.linking.core, "receive", refuse)
    answer = bot.post(batch(unlinked_event(at=1), message_event("hello")), path=path)
    assert 400 <= answer.status_code < 600
    assert answer.mimetype == "text/plain"
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_linking_pages_answer_each_with_a_page(
    bot: Bot, monkeypatch: pytest.MonkeyPatch, kind: type[BotLinkingError]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise one_of(kind)

    browser = bot.browser()
    browser.open()
    form = browser.form("login")
    core = bot.linking.core
    for owner, name in ((core, "attempt_of"), (core.store, "find_web_link"), (core.undoing, "find")):
        monkeypatch.setattr(owner, name, refuse)
    answers = [
        browser.post("/linking/login", {**form.fields, "username": "ada", "password": "lovelace-1815"}),
        browser.get("/linking/web/" + "t" * 32),
        browser.get("/linking/undo/" + "t" * 32),
    ]
    for answer in answers:
        assert 400 <= answer.status_code < 600
        assert answer.mimetype == "text/html"
        assert answer.headers["Cache-Control"] == "no-store"
        assert CANARY not in answer.text


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_callbacks_answer_each_in_json_and_acknowledge_nothing(
    bot: Bot, monkeypatch: pytest.MonkeyPatch, kind: type[BotLinkingError]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise one_of(kind)

    monkeypatch.setattr("bot_linking.messenger.callbacks.request_deletion", refuse)
    for path in ("data-deletion", "deauthorize"):
        answer = call(bot, path)
        assert 400 <= answer.status_code < 600
        assert set(answer.get_json()) == {"error"}
