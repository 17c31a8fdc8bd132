"""Every piece of Python in the guides runs as it stands."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any, ClassVar

import pytest
import requests
from flask import Flask

from bot_linking import Account, AccountLinking
from bot_linking.external_account import ExternalAccount
from bot_linking.simulator import Simulator
from bot_linking.testing import BotServer, LinkingWalk
from tests.guides.blocks import GUIDES, blocks_of, snippet

PAGE = "102030405060708"
HERE = {
    "account_link_api: client", "config: pages", "delivery: celery", "delivery: give-up",
    "external_account: register", "messenger: view", "messenger: ways", "oidc: provider",
    "operators: metrics", "operators: metrics-of-several-workers", "operators: operators-page",
    "webview: email-code", "webview: owner",
}  # fmt: skip
IN_HOSTS = {f"messenger: {name}" for name in ("factory", "flask-login", "wall", "fastapi", "quart", "django")}


def run(room: str, name: str, **given: Any) -> dict[str, Any]:
    """The names that a snippet defines. It may use the given ones."""
    names = {"__name__": "guide", **given}
    exec(compile(snippet(room, name), f"{room}: {name}", "exec"), names)
    return names


def test_no_snippet_is_left_out() -> None:
    """Those marked `run` and `test` run in tests/testing, those of other frameworks in tests/hosts."""
    python = [each for guide in GUIDES for each in blocks_of(guide) if each.language == "python"]
    marked = {f"{each.guide}: {each.mark.removeprefix('snippet: ')}" for each in python}
    elsewhere = {"testing: test", "simulator: run"}
    assert marked == HERE | IN_HOSTS | elsewhere


@pytest.fixture
def app(messenger: Simulator, bot_server: BotServer, tmp_path: Path) -> Flask:
    app = Flask("tests.guide")
    app.config.update(
        messenger.settings_for_bot(bot_server.url),
        BOT_LINKING_DATABASE=f"sqlite:///{tmp_path}/links.db",
        BOT_LINKING_SECRET_KEY="k9-" * 12,
        BOT_LINKING_PAGE_KEYS="p7-" * 12,
    )
    messenger.webhook_url = bot_server.url + "/webhook"
    return app


def check_password(username: str, password: str) -> Account | None:
    return Account("1", username=username) if password == "lovelace-1815" else None


@pytest.fixture
def linking(app: Flask) -> Iterator[AccountLinking]:
    linking = AccountLinking(app, authenticate=check_password)
    yield linking
    linking.stop()
    linking.store.close()


def test_the_view_gets_each_event(
    app: Flask, linking: AccountLinking, messenger: Simulator, bot_server: BotServer
) -> None:
    seen: list[dict[str, Any]] = []
    run("messenger", "view", app=app, linking=linking, answer=seen.append)
    bot_server.serve(app)
    messenger.say(messenger.people[0].psid, "hello")
    assert messenger.wait_until(lambda: bool(seen))
    assert seen[0]["message"]["text"] == "hello"


def test_a_handler_gives_up_on_a_closed_account_and_answers_another(
    app: Flask,
    linking: AccountLinking,
    messenger: Simulator,
    bot_server: BotServer,
    linking_walk: LinkingWalk,
) -> None:
    class Shop:
        closed = False

        def is_closed(self, account_id: str) -> bool:
            return self.closed

        def orders_of(self, account_id: str) -> str:
            return f"The orders of {account_id}"

    shop = Shop()
    orders = run("delivery", "give-up", linking=linking, shop=shop)["orders"]
    run("messenger", "view", app=app, linking=linking, answer=orders)
    bot_server.serve(app)
    ada = messenger.people[0].psid
    messenger.say(ada, "orders")
    linking_walk.link(ada, "ada", "lovelace-1815")
    assert linking_walk.hears(ada, "The orders of 1")
    shop.closed = True
    messenger.say(ada, "orders")
    assert linking_walk.hears(ada, "did not work")


def test_the_module_of_celery_has_the_task(messenger: Simulator, tmp_path: Path, app: Flask) -> None:
    app.config["BOT_LINKING_DELIVERY"] = "worker"
    linking = AccountLinking(app)
    tasks = run("delivery", "celery", create_app=lambda: app)
    assert "bot_linking.deliver" in tasks["app"].tasks
    tasks["app"].close()
    linking.store.close()


@pytest.mark.usefixtures("linking")
def test_prometheus_is_answered_at_metrics(app: Flask, linking: AccountLinking) -> None:
    run("operators", "metrics", app=app, linking=linking)
    answer = app.test_client().get("/metrics")
    assert answer.status_code == 200
    assert "bot_linking_store_up 1.0" in answer.text


def test_several_workers_make_a_registry_at_each_scrape(
    linking: AccountLinking, app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "prometheus").mkdir()
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "prometheus"))
    with app.app_context():
        text = run("operators", "metrics-of-several-workers", linking=linking)["text"]
    assert b"bot_linking_outbox_messages" in text


def test_pages_come_and_go(app: Flask, linking: AccountLinking, capsys: pytest.CaptureFixture[str]) -> None:
    given = {
        "token": "simulator-token-one",
        "secret": "simulator-secret-one",
        "verify": "simulator-verify-one",
    }
    with app.app_context():
        code = snippet("config", "pages").replace(PAGE, "908070605040302")  # that one is configured here
        exec(compile(code, "guide", "exec"), {"linking": linking, "newer": "simulator-token-two", **given})
    shown = capsys.readouterr().out
    assert PAGE in shown
    assert "908070605040302" not in shown


def test_the_client_links_adds_and_unlinks(
    app: Flask, linking: AccountLinking, messenger: Simulator, bot_server: BotServer
) -> None:
    bot_server.serve(app)
    key = app.test_cli_runner().invoke(args=["linking", "api-key", "create", "site"]).stdout.strip()
    code = snippet("account_link_api", "client").replace("https://bot.example.com", bot_server.url)
    exec(compile(code, "guide", "exec"), {"api_key": key})
    history = app.test_cli_runner().invoke(args=["linking", "history", "123456", "--json"]).stdout
    assert len(history.splitlines()) == 3


def test_each_other_way_begins_with_a_line(
    app: Flask, linking: AccountLinking, messenger: Simulator, bot_server: BotServer
) -> None:
    bot_server.serve(app)
    ada = messenger.people[0].psid
    with app.app_context():
        names = run("messenger", "ways", linking=linking, Account=Account, psid=ada)
    assert requests.get(names["address"], timeout=30).status_code == 200
    assert "<svg" in names["receipt"]
    assert "Log in to go on." in str(messenger.messages(ada))


def test_the_owner_hears_of_a_link_with_a_way_back(
    app: Flask, messenger: Simulator, bot_server: BotServer, linking_walk: LinkingWalk
) -> None:
    mails: list[tuple[str, str]] = []
    given = {"send_mail": lambda *mail: mails.append(mail), "check_password": check_password}
    linking = run("webview", "owner", app=app, AccountLinking=AccountLinking, **given)["linking"]
    run("messenger", "view", app=app, linking=linking, answer=lambda event: prompt(linking, event))
    bot_server.serve(app)
    ada = messenger.people[0].psid
    messenger.say(ada, "log in")
    linking_walk.link(ada, "ada", "lovelace-1815")
    assert messenger.wait_until(lambda: bool(mails))
    assert "was linked by login" in mails[0][1]
    undo = requests.get(mails[0][1].rpartition(" ")[2], timeout=30)
    assert undo.status_code == 200
    linking.stop()
    linking.store.close()


def prompt(linking: AccountLinking, event: dict[str, Any]) -> None:
    linking.prompt_login(event["sender"]["id"], "Log in to go on.")


class Post:
    """A mail server that keeps what it gets."""

    sent: ClassVar[list[EmailMessage]] = []

    def __init__(self, host: str, timeout: float) -> None:
        self.send_message = self.sent.append

    def __enter__(self) -> Post:
        return self

    def __exit__(self, *_: object) -> None: ...


def test_a_code_goes_out_by_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smtplib.SMTP", Post)
    names = run("webview", "email-code")
    assert names["find_by_email"]("Ada@example.com").id == "1"
    names["send_code"]("ada@example.com", "123456")
    assert "Your code is 123456." in Post.sent[-1].get_content()


def test_the_operators_page_is_there_for_who_has_a_name(app: Flask) -> None:
    given = {"check_password": check_password, "staff_name_of_this_request": lambda: "grace"}
    linking = run("operators", "operators-page", AccountLinking=AccountLinking, **given)["linking"]
    linking.init_app(app)
    assert app.test_client().get("/linking/operator").status_code == 200
    linking.stop()
    linking.store.close()


def test_external_accounts_are_registered_in_two_lines(
    app: Flask, linking: AccountLinking, bot_server: BotServer
) -> None:
    app.config["BOT_LINKING_EXTERNAL_KEYS"] = "e5-" * 12
    external = run("external_account", "register", app=app, linking=linking)["external"]
    assert isinstance(external, ExternalAccount)
    bot_server.serve(app)
    assert requests.get(f"{bot_server.url}/ExternalAccount/shop", timeout=30).json()["code"] == 401


def test_a_bot_takes_the_identity_provider_that_the_guide_names() -> None:
    """Before a person signs in, no address of the provider is called."""
    names = run("oidc", "provider")
    claims = {"iss": "https://id.example.com", "sub": "248289761001"}
    assert isinstance(names["linking"], AccountLinking)
    assert names["account_of"](claims) == Account("1", display_name="Ada")
    assert names["account_of"](claims | {"sub": "1"}) is None
