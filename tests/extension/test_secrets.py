"""Whole flows with secrets that can be recognised, and a search for them where they must not be."""

from __future__ import annotations

import logging
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask

from bot_linking import Account, AccountLinking
from bot_linking.core.journey import MAX_AGE_MS
from bot_linking.doors.redaction import redact
from bot_linking.simulator import Simulator
from bot_linking.stores.attempts import ATTEMPT_KEPT_MS
from bot_linking.testing import BotServer, LinkingWalk, forms_of
from tests.wire import return_url

PASSWORD = "canary-password-7431"
APP_SECRET = "simulator-canary-app-secret-7431"
PAGE_TOKEN = "simulator-canary-page-token-7431"
VERIFY_TOKEN = "canary-verify-token-7431"
SIGNING_KEY = "canary-signing-key-7431"


class Flow:
    """One whole story over HTTP, with all its secrets."""

    def __init__(self, sim: Simulator, server: BotServer, walk: LinkingWalk, tmp_path: Path) -> None:
        self.sim, self.server, self.walk = sim, server, walk
        self.folder = tmp_path / "store"
        self.pages: list[str] = []
        self.short_lived: set[str] = set()
        self.ada = sim.people[0].psid
        self.app = Flask("tests.canary")
        self.app.config.update(
            sim.settings_for_bot(),
            BOT_LINKING_PUBLIC_URL=server.url,
            BOT_LINKING_DATABASE=f"sqlite:///{self.folder}/links.db",
            BOT_LINKING_DELIVERY="worker",
            SECRET_KEY=SIGNING_KEY,
        )
        self.linking = AccountLinking(self.app, authenticate=self.authenticate)
        server.serve(self.app)
        sim.webhook_url = f"{server.url}/linking/webhook"

    def authenticate(self, username: str, password: str) -> Account | None:
        return Account("1", username=username) if password == PASSWORD else None

    def run(self) -> None:
        assert self.sim.handshake()
        self.log_in()
        self.log_out()
        self.fail()

    def log_in(self) -> None:
        self.linking.prompt_login(self.ada)
        self.note(self.walk.open(self.ada))
        self.note(self.walk.sign_in("ada", "wrong-" + PASSWORD))
        self.note(self.walk.sign_in("ada", PASSWORD))
        self.note(self.walk.consent())
        self.note(self.walk.go_back())
        assert self.sim.wait_until(lambda: self.linking.link_of(self.ada) is not None)
        self.linking.delivery.drain()

    def log_out(self) -> None:
        assert self.linking.unlink(self.ada)
        self.linking.delivery.drain()

    def fail(self) -> None:
        """Do everything that goes wrong: errors are where secrets leak."""
        login = f"{self.server.url}/linking/login"
        for down in ("graph_down", "expired_token", "expired_linking_token", "rate_limited"):
            setattr(self.sim.switches, down, True)
            self.walk.visit(self.sim.open_login(self.ada, login))
            self.note(self.walk.sign_in("ada", PASSWORD))
            if any(form.name == "consent" for form in forms_of(self.walk.page.text)):
                self.note(self.walk.consent())
            self.sim.switches.reset()
        self.sim.switches.wrong_signature = True
        self.sim.say(self.ada, "hello")
        assert self.sim.wait_until(lambda: self.sim.deliveries[-1].status == 403)
        self.sim.switches.reset()
        self.note(self.walk.visit(f"{login}?account_linking_token=AR_evil&redirect_uri=https://evil.example"))
        for path in ("/linking/nowhere", "/linking/consent/nobody", "/linking/webhook"):
            self.note(self.walk.visit(self.server.url + path))
        self.sim.stop()
        self.app.logger.warning("the simulator is gone")
        self.walk.visit(f"{login}?account_linking_token=AR_gone&redirect_uri={self.sim_return()}")
        self.note(self.walk.sign_in("ada", PASSWORD))

    def sim_return(self) -> str:
        return f"{self.sim.url}/messenger_platform/account_linking/?account_linking_token=AR_gone"

    def note(self, page: Any) -> None:
        """Remember what a page and its cookies held, to search for it elsewhere."""
        self.pages.append(page.text)
        for cookie in self.walk._session.cookies:
            self.short_lived.add(str(cookie.value))
        for form in forms_of(page.text):
            self.short_lived.update(filter(None, [form.fields.get("ticket")]))
        for url in [page.url, *(hop.headers.get("Location", "") for hop in page.history)]:
            for name in ("authorization_code=", "account_linking_token="):
                if name in url:
                    self.short_lived.add(url.partition(name)[2].partition("&")[0])


@pytest.fixture
def flow(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> Any:
    with (
        Simulator(app_secret=APP_SECRET, page_access_token=PAGE_TOKEN, verify_token=VERIFY_TOKEN,
                  retry_pauses=()) as sim,
        BotServer() as server,
        LinkingWalk(sim) as walk,
    ):  # fmt: skip
        caplog.set_level(logging.DEBUG)
        for name in ("werkzeug", "urllib3", "bot_linking"):
            caplog.set_level(logging.DEBUG, logger=name)
        story = Flow(sim, server, walk, tmp_path)
        yield story
        story.linking.store.close()


def _without_nested(line: str) -> str:
    """The line without what stands behind a percent-encoded = ; see the test about nested tokens."""
    return re.sub(r"%3D[A-Za-z0-9_-]+", "", line)


LASTING = (PASSWORD, APP_SECRET, PAGE_TOKEN, VERIFY_TOKEN, SIGNING_KEY)


def test_no_secret_is_in_any_log_at_any_level(flow: Flow, caplog: pytest.LogCaptureFixture) -> None:
    flow.run()
    assert {"werkzeug", "urllib3.connectionpool"} <= {record.name for record in caplog.records}
    assert len(flow.short_lived) > 10
    for secret in (*LASTING, *flow.short_lived):
        found = [line for line in caplog.text.splitlines() if secret in _without_nested(line)]
        assert not found, found[0].replace(secret, "THE-SECRET")


def test_no_secret_is_in_the_database_but_the_linking_token_of_a_login_under_way(flow: Flow) -> None:
    """The consent needs that token. Messenger forgets it in five minutes, and it is deleted with its login
    an hour after that has ended."""
    flow.run()
    stored = b"".join(path.read_bytes() for path in flow.folder.iterdir())
    tokens = {secret for secret in flow.short_lived if secret.startswith("AR")}
    assert tokens
    for secret in (*LASTING, *(flow.short_lived - tokens)):
        assert secret.encode() not in stored
    flow.linking.store.purge(flow.linking.now() + MAX_AGE_MS + ATTEMPT_KEPT_MS + 1)
    flow.linking.store.engine.scrub()
    with closing(sqlite3.connect(flow.folder / "links.db")) as database:
        assert database.execute("select count(*) from attempts").fetchone() == (0,)


def test_no_lasting_secret_is_on_any_page(flow: Flow) -> None:
    flow.run()
    assert len(flow.pages) > 12
    for secret in LASTING:
        assert not [page for page in flow.pages if secret in page]


def test_the_database_is_for_its_owner_only(flow: Flow) -> None:
    flow.run()
    for path in flow.folder.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path.name


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        (
            "GET /linking/login?account_linking_token=ARx&redirect_uri=y",
            "account_linking_token=***&redirect_uri=y",
        ),
        ("?authorization_code=c0de HTTP/1.1", "authorization_code=*** HTTP/1.1"),
        ("&access_token=EAAG&x=1", "access_token=***&x=1"),
        ("&appsecret_proof=abc", "appsecret_proof=***"),
        ("?hub.verify_token=abc&hub.mode=subscribe", "hub.verify_token=***&hub.mode=subscribe"),
        ("x%3Faccount_linking_token%3DARx%26authorization_code%3Dc", "authorization_code%3D***"),
        ("%253Faccount_linking_token%253DARx", "account_linking_token%253D***"),
    ],
)
def test_an_access_log_line_keeps_its_shape_and_loses_its_secrets(line: str, masked: str) -> None:
    text = redact(line)
    assert masked in text
    for secret in ("ARx", "c0de", "EAAG", "abc", "3Dc"):
        assert secret not in text


def test_the_nested_token_of_a_redirect_uri_is_masked_too() -> None:
    line = f'"GET /linking/login?redirect_uri={quote(return_url("ARsecret"), safe="")} HTTP/1.1" 200 -'
    assert "ARsecret" not in redact(line)


@pytest.mark.parametrize("logger", ["werkzeug", "gunicorn.access", "uvicorn.access"])
@pytest.mark.parametrize(
    "address",
    [
        "/linking/web/{secret}",
        "/bots/linking/web/{secret}?returned=1",
        "/linking/undo/{secret}",
        "https://m.me/shop?ref=bl.{secret}",
        "payload bl.yes.{secret}",
        "payload bl.erase.{secret}",
        "/login?next=https%3A%2F%2Fbot.example%2Flinking%2Fweb%2F{secret}%3Freturned%3D1",
        "/sso?to=%252Flogin%253Fnext%253D%25252Flinking%25252Fweb%25252F{secret}",
        "/r?u=https%3A%2F%2Fbot.example%2Flinking%2Fundo%2F{secret}",
        "/l?u=https%3A%2F%2Fm.me%2Fshop%3Fref%3Dbl.{secret}",
    ],
)
def test_no_secret_of_an_address_of_ours_stands_in_an_access_log(
    caplog: pytest.LogCaptureFixture, logger: str, address: str
) -> None:
    secret = "x1-_Canary7431Canary7431Canary74"
    with caplog.at_level(logging.INFO, logger=logger):
        logging.getLogger(logger).info(
            '127.0.0.1 - "%s" 200', f"GET {address.format(secret=secret)} HTTP/1.1"
        )
    assert "Canary" not in caplog.text
    assert "HTTP/1.1" in caplog.text
