"""What every room's tests share: an app with linking in it, a Graph with a script, a browser, a clock."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import shutil
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urljoin

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response
from werkzeug.test import TestResponse

import bot_linking.signals
from bot_linking import Account, AccountLinking, SignUpRefused, WebhookReceived
from bot_linking.core import funnel as funnel_module
from bot_linking.messenger import graph as graph_module
from bot_linking.testing import Form, forms_of, refresh_of
from tests import ready

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Chromium

SITE = "https://bot.example"
PAGE = "102030405060708"
PSID = "24680135791357"
OTHER_PSID = "24680135792468"
TOKEN = "AR" + "x9_-" * 27
OTHER_TOKEN = "AR" + "y8_-" * 27
APP_SECRET = "app-secret-0123456789abcdef"
OLD_SECRET = "old-secret-0123456789abcdef"
PAGE_TOKEN = "EAAG-page-token-of-the-tests"
VERIFY_TOKEN = "verify-token-of-the-tests"
SECRET_KEY = "form-signing-key-of-the-tests"
START = 1_800_000_000.0

RETURN_PATH = "https://facebook.com/messenger_platform/account_linking/"


def pytest_configure(config: pytest.Config) -> None:
    """An installed package brings the plugin by its entry point; a bare checkout takes it from here."""
    if not config.pluginmanager.has_plugin("bot_linking"):
        from bot_linking.testing import plugin

        config.pluginmanager.register(plugin, "bot_linking")


def return_url(token: str = TOKEN) -> str:
    """What Messenger hands over as redirect_uri, as captured in the field."""
    return f"{RETURN_PATH}?account_linking_token={token}"


def signature(body: bytes, secret: str = APP_SECRET) -> str:
    """Messenger's header, in the tests' own handwriting."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def linked_event(code: str, *, psid: str = PSID, page: str = PAGE, at: int | None = None) -> dict[str, Any]:
    event: dict[str, Any] = {"sender": {"id": psid}, "recipient": {"id": page}}
    if at is not None:
        event["timestamp"] = at
    return event | {"account_linking": {"status": "linked", "authorization_code": code}}


def unlinked_event(*, psid: str = PSID, page: str = PAGE, at: int | None = None) -> dict[str, Any]:
    event: dict[str, Any] = {"sender": {"id": psid}, "recipient": {"id": page}}
    if at is not None:
        event["timestamp"] = at
    return event | {"account_linking": {"status": "unlinked"}}


def message_event(text: str, *, psid: str = PSID, page: str = PAGE) -> dict[str, Any]:
    return {
        "sender": {"id": psid}, "recipient": {"id": page}, "timestamp": 1_800_000_000_000,
        "message": {"mid": "m_1", "text": text},
    }  # fmt: skip


def batch(*events: dict[str, Any], page: str = PAGE) -> bytes:
    """One webhook body, escaped as Messenger escapes."""
    entry = {"id": page, "time": 1_800_000_000_000, "messaging": list(events)}
    return json.dumps({"object": "page", "entry": [entry]}, separators=(",", ":")).encode("ascii")


class Clock:
    """Stands still until a test moves it."""

    def __init__(self, start: float = START) -> None:
        self.seconds = start

    def __call__(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds

    @property
    def ms(self) -> int:
        return int(self.seconds * 1000)


ADA = Account("1", username="ada", email="ada@example.com")
GRACE = Account("2", username="grace", email="grace@example.com")


class Site:
    """The host's own users, and a note of each question that it was asked."""

    def __init__(self) -> None:
        self.accounts = {"ada": ADA, "grace": GRACE}
        self.passwords = {"ada": "lovelace-1815", "grace": "hopper-1906"}
        self.asked: list[str] = []
        self.signed_in: Account | None = None

    def authenticate(self, username: str, password: str) -> Account | None:
        self.asked.append(username)
        name = username.casefold().strip()
        return self.accounts[name] if self.passwords.get(name) == password else None

    def current_account(self) -> Account | None:
        return self.signed_in

    def create_account(self, username: str, email: str | None, password: str) -> Account:
        if username in self.accounts:
            raise SignUpRefused("That user name is taken. Please choose another one.")
        account = Account(str(len(self.accounts) + 1), username=username, email=email)
        self.accounts[username], self.passwords[username] = account, password
        return account


@dataclass
class GraphCall:
    """One call that reached the scripted Graph."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]


class ScriptedGraph:
    """A Graph that answers as it is told to, over real HTTP."""

    def __init__(self, server: HTTPServer) -> None:
        self.url = server.url_for("").rstrip("/")
        self.owners = {TOKEN: PSID, OTHER_TOKEN: OTHER_PSID}
        self.names = {PSID: ("Ada", "L."), OTHER_PSID: ("Grace", "H.")}
        self.page_id = PAGE
        self.down = False
        self.failures: dict[str, dict[str, Any]] = {}  # path -> error, until it is taken away
        self.calls: list[GraphCall] = []
        server.expect_request(re.compile(".*")).respond_with_handler(self._answer)

    @property
    def sent(self) -> list[dict[str, Any]]:
        """The bodies of the messages that were sent."""
        return [call.body for call in self.calls if call.path == "me/messages"]

    def calls_to(self, path: str) -> list[GraphCall]:
        return [call for call in self.calls if call.path == path]

    def _answer(self, request: Request) -> Response:
        path = request.path.removeprefix("/v26.0/")
        body = request.get_json(silent=True)
        self.calls.append(
            GraphCall(request.method, path, dict(request.args), body, dict(request.headers.items()))
        )
        if self.down:
            return _json({"error": {"code": 2, "message": "down", "is_transient": True}}, 503)
        if path in self.failures:
            return _json({"error": {"message": "scripted", **self.failures[path]}}, 400)
        return self._node(request, path, body)

    def _node(self, request: Request, path: str, body: Any) -> Response:
        if path == "me/messages":
            return _json({"recipient_id": body["recipient"]["id"], "message_id": f"m_{len(self.calls)}"})
        if path == "me/unlink_accounts":
            return _json({"result": "unlink account success"})
        if path == "me" and "account_linking_token" in request.args:
            psid = self.owners.get(request.args["account_linking_token"])
            if psid is None:
                return _json({"error": {"code": 10303, "message": "Invalid account_linking_token"}}, 400)
            return _json({"id": self.page_id, "recipient": psid})
        if path in self.names:
            first, last = self.names[path]
            return _json({"id": path, "first_name": first, "last_name": last})
        return _json({"id": self.page_id})


def _json(value: object, status: int = 200) -> Response:
    return Response(json.dumps(value), status, content_type="application/json")


@dataclass
class Heard:
    """Everything that the signals of one app said, in order."""

    events: list[Any] = field(default_factory=list)

    def names(self) -> list[str]:
        return [type(event).__name__ for event in self.events]

    def of(self, name: str) -> list[Any]:
        return [event for event in self.events if type(event).__name__ == name]

    def reasons(self) -> list[str]:
        return [event.reason for event in self.of("LinkingRefused")]

    def hear(self, _app: object, event: Any) -> None:
        if not isinstance(event, WebhookReceived):  # one for each request, whatever it came to
            self.events.append(event)


class Browser:
    """One browser with its cookies on the linking pages; `page` is what it shows."""

    def __init__(self, bot: Bot, prefix: str = "/linking") -> None:
        self.client = bot.app.test_client()
        self.base_url = bot.linking.settings.public_url
        self.prefix = prefix
        self.environ: dict[str, Any] = {}
        self.headers: dict[str, str] = {}
        self.location = f"{prefix}/login"
        self._page: TestResponse | None = None

    @property
    def page(self) -> TestResponse:
        assert self._page is not None
        return self._page

    def open(self, token: str = TOKEN, url: str | None = None, **more: str) -> TestResponse:
        """Tap Log In."""
        query = {"account_linking_token": token, "redirect_uri": url or return_url(token), **more}
        return self.get(f"{self.prefix}/login?{urlencode(query)}")

    def get(self, path: str, **kwargs: Any) -> TestResponse:
        self.location = path
        self._page = self.client.get(
            path, base_url=self.base_url, environ_overrides=self.environ, headers=self.headers, **kwargs
        )
        return self._page

    def post(self, path: str, fields: Mapping[str, str], **headers: str) -> TestResponse:
        self._page = self.client.post(
            path, data=dict(fields), base_url=self.base_url, environ_overrides=self.environ,
            headers={**self.headers, **headers},
        )  # fmt: skip
        return self._page

    def form(self, name: str) -> Form:
        found = [form for form in forms_of(self.page.text) if form.name == name]
        assert found, f"no {name} form on this page: {self.page.status_code}"
        return found[0]

    def submit(self, name: str, headers: Mapping[str, str] | None = None, **fields: str) -> TestResponse:
        form = self.form(name)
        path = urljoin(self.location, form.action)
        self.location = path
        return self.post(path, {**form.fields, **fields}, **(headers or {}))

    def follow(self) -> TestResponse:
        """Go where the page redirects to, on our own site."""
        assert self.page.status_code == 303, self.page.status_code
        target = urljoin(self.location, self.page.headers["Location"])
        assert target.startswith("/"), target
        return self.get(target)

    def sign_in(self, username: str = "ada", password: str = "lovelace-1815") -> TestResponse:
        """Sign in and arrive at the consent page, or at the sign-in page again."""
        page = self.submit("login", username=username, password=password)
        return self.follow() if page.status_code == 303 else page

    def consent(self) -> str:
        """Press Link; the address that leads back to Messenger, code and all."""
        page = self.submit("consent")
        target = page.headers["Location"] if page.status_code == 303 else refresh_of(page.text)
        assert target is not None, page.status_code
        return str(target)

    def code(self, token: str = TOKEN) -> str:
        """The whole walk as Ada; the authorization code that it ends with."""
        self.open(token)
        self.sign_in()
        return code_in(self.consent())


def code_in(target: str) -> str:
    return target.rpartition("authorization_code=")[2]


@dataclass
class Bot:
    """One bot under test, with everything around it."""

    app: Flask
    linking: AccountLinking
    site: Site
    clock: Clock
    graph: ScriptedGraph
    heard: Heard
    database: Path

    def browser(self) -> Browser:
        return Browser(self)

    def client(self) -> FlaskClient:
        return self.app.test_client()

    def post(
        self, body: bytes, secret: str = APP_SECRET, path: str = "/linking/webhook", **headers: str
    ) -> TestResponse:
        """One webhook POST, signed."""
        given = {
            "Content-Type": "application/json",
            "X-Hub-Signature-256": signature(body, secret),
            **headers,
        }
        return self.client().post(path, data=body, headers=given)

    def link(self, psid: str = PSID, token: str = TOKEN) -> None:
        """Link a person to Ada's account, through the pages and the webhook."""
        code = self.browser().code(token)
        answer = self.post(batch(linked_event(code, psid=psid, at=self.clock.ms)))
        assert answer.status_code == 200

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every table with its rows."""
        import sqlite3
        from contextlib import closing

        with closing(sqlite3.connect(self.database)) as connection:
            tables = [
                name
                for (name,) in connection.execute(
                    "select name from sqlite_master where type = 'table' order by 1"
                )
            ]
            return {name: connection.execute(f"select * from {name}").fetchall() for name in tables}


NewBot = Callable[..., Bot]


@pytest.fixture(scope="session", autouse=True)
def _compiled_once() -> Iterator[None]:
    """Thousands of apps share what was compiled for the first."""
    with ready.templates(), ready.url_builders():
        yield


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the developer's own shell reaches a test."""
    for name in list(os.environ):
        if name.startswith("BOT_LINKING_"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _funnel_is_written_when_read(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread writes into a store that another test looks at, unless a test wants just that."""
    if request.node.get_closest_marker("writes_later") is None:
        monkeypatch.setattr(funnel_module, "write_later", lambda funnel: None)


@pytest.fixture(autouse=True)
def _fresh_connections() -> Iterator[None]:
    """No test inherits another one's pooled connections."""
    yield
    for session in graph_module._sessions.values():
        session.close()
    graph_module._sessions.clear()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def scripted(httpserver: HTTPServer) -> ScriptedGraph:
    """A Graph that answers by script."""
    return ScriptedGraph(httpserver)


@pytest.fixture
def settings(scripted: ScriptedGraph, tmp_path: Path) -> dict[str, Any]:
    """Valid `BOT_LINKING_*` settings; tests drive the outbox themselves with `linking.delivery.drain()`."""
    return {
        "BOT_LINKING_APP_SECRET": APP_SECRET,
        "BOT_LINKING_PAGE_ACCESS_TOKEN": PAGE_TOKEN,
        "BOT_LINKING_VERIFY_TOKEN": VERIFY_TOKEN,
        "BOT_LINKING_PAGE_ID": PAGE,
        "BOT_LINKING_PUBLIC_URL": SITE,
        "BOT_LINKING_GRAPH_URL": scripted.url,
        "BOT_LINKING_DATABASE": f"sqlite:///{tmp_path}/links.db",
        "BOT_LINKING_BRAND_NAME": "Acme",
        "BOT_LINKING_DELIVERY": "worker",
        "SECRET_KEY": SECRET_KEY,
    }


@pytest.fixture
def new_bot(
    settings: dict[str, Any], site: Site, clock: Clock, scripted: ScriptedGraph, tmp_path: Path
) -> Iterator[NewBot]:
    """Makes bots: `new_bot(STRICT=True, authenticate=...)`. Capitals are settings, others arguments."""
    heard = Heard()
    bots: list[Bot] = []

    def make(app: Flask | None = None, *, prefix: str = "/linking", **given: Any) -> Bot:
        app = app or Flask("tests.host", instance_path=str(tmp_path))
        app.config.update(settings)
        app.config.update({f"BOT_LINKING_{key}": value for key, value in given.items() if key.isupper()})
        arguments: dict[str, Any] = {"authenticate": site.authenticate, "clock": clock}
        arguments |= {key: value for key, value in given.items() if not key.isupper()}
        linking = AccountLinking(**arguments)
        with ready.empty_tables():
            linking.init_app(app, url_prefix=prefix)
        for signal in bot_linking.signals._BY_EVENT.values():
            signal.connect(heard.hear, sender=app)
        database = Path(app.config["BOT_LINKING_DATABASE"].removeprefix("sqlite:///"))
        bots.append(Bot(app, linking, site, clock, scripted, heard, database))
        return bots[-1]

    yield make
    for bot in bots:
        for signal in bot_linking.signals._BY_EVENT.values():
            signal.disconnect(heard.hear, sender=bot.app)
        with bot.app.app_context():
            bot.linking.delivery.stop()
            bot.linking.store.close()


@pytest.fixture
def bot(new_bot: NewBot) -> Bot:
    """A bot with the usual settings."""
    return new_bot()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """On CI nothing may be missing that a test needs: there a skipped test has failed."""
    report = yield
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped on CI: {report.longrepr}"
    return report


CHROMIUM_SWITCHES = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    """Debian's Chromium, headless. One for the whole session: two drivers in one process do not get along."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed")
    with api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=CHROMIUM_SWITCHES)
        yield browser
        browser.close()
