"""Fixtures that every room's tests share: an app with linking, its Graph, its clock; a real browser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from pytest_httpserver import HTTPServer

import bot_linking.signals
from bot_linking import AccountLinking
from bot_linking.core import funnel as funnel_module
from bot_linking.core import log_throttle
from bot_linking.messenger import graph as graph_module
from tests import ready, waits
from tests.bots import Bot, Clock, Heard, NewBot
from tests.browser import chromium_program, launch
from tests.graph import ScriptedGraph
from tests.people import Site
from tests.wire import SETTINGS

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Chromium

pytest_plugins = ["tests.hooks"]


@pytest.fixture(scope="session", autouse=True)
def _quick_apps() -> Iterator[None]:
    """Thousands of apps share what was compiled for the first, and no commit waits for the disk."""
    with ready.templates(), ready.url_builders(), ready.url_paths(), ready.unflushed_commits():
        yield


@pytest.fixture(scope="session", autouse=True)
def _patient_stores() -> Iterator[None]:
    with waits.long_waits():
        yield


@pytest.fixture
def product_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of how long the product's stores wait."""
    waits.product_waits(monkeypatch)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the settings of the developer's own shell."""
    for name in list(os.environ):
        if name.startswith("BOT_LINKING_"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _funnel_is_written_when_read(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no thread write into a store that another test looks at, unless the test is marked for it."""
    if request.node.get_closest_marker("writes_later") is None:
        monkeypatch.setattr(funnel_module, "write_later", lambda funnel: None)


@pytest.fixture(autouse=True)
def _no_line_is_left_out_for_another_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_throttle, "_throttle", log_throttle.LogThrottle())


@pytest.fixture(autouse=True)
def _fresh_connections() -> Iterator[None]:
    """Let no test inherit another one's pooled connections."""
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
        **SETTINGS,
        "BOT_LINKING_GRAPH_URL": scripted.url,
        "BOT_LINKING_DATABASE": f"sqlite:///{tmp_path}/links.db",
        "BOT_LINKING_BRAND_NAME": "Acme",
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


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    """Debian's Chromium, headless. One for the whole session: two drivers in one process disturb each
    other."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    if chromium_program() is None:
        pytest.skip("chromium is not installed")
    with api.sync_playwright() as driver:
        browser = launch(driver)
        yield browser
        browser.close()
