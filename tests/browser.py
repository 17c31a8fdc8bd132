"""A client that walks the linking pages by HTTP, and the real browser of the tests."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode, urljoin

from flask import Flask
from werkzeug.test import TestResponse

from bot_linking.testing import Form, forms_of, refresh_of
from tests.wire import TOKEN, code_in, return_url

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Chromium
    from playwright.sync_api import Playwright

_SWITCHES = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LONGEST_MS = 120_000.0


def chromium_program() -> str | None:
    """Debian's Chromium. Its shell without a window opens a page in a third of the time."""
    return shutil.which("chromium-headless-shell") or shutil.which("chromium")


def launch(driver: Playwright) -> Chromium:
    """A real browser, without a window."""
    how: Any = {"executable_path": chromium_program(), "args": _SWITCHES, "timeout": LONGEST_MS}
    browser: Any = driver.chromium.launch(**how)
    browser.new_page, browser.new_context = _patiently(browser.new_page), _patiently(browser.new_context)
    return cast("Chromium", browser)


def _patiently(new: Callable[..., Any]) -> Callable[..., Any]:
    """The same, but what it makes waits long enough for the slowest machine, and nothing in it moves: a
    colour on its way to another is no fault of a page."""

    def make(**given: Any) -> Any:
        made = new(**{"reduced_motion": "reduce", **given})
        made.set_default_timeout(LONGEST_MS)
        return made

    return make


class Browser:
    """One browser with its cookies on the linking pages; `page` is what it shows."""

    def __init__(self, app: Flask, public_url: str, prefix: str = "/linking") -> None:
        self.client = app.test_client()
        self.base_url = public_url
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
        _, begun, rest = self.page.text.partition("<form")  # what is around the forms takes as long to read
        found = [form for form in forms_of(begun + rest) if form.name == name]
        assert found, f"no {name} form on this page: {self.page.status_code}"
        return found[0]

    def submit(self, name: str, headers: Mapping[str, str] | None = None, **fields: str) -> TestResponse:
        form = self.form(name)
        path = urljoin(self.location, form.action)
        self.location = path
        return self.post(path, {**form.fields, **fields}, **(headers or {}))

    def follow(self) -> TestResponse:
        """Follow the page's redirect, on our own site."""
        assert self.page.status_code == 303, self.page.status_code
        target = urljoin(self.location, self.page.headers["Location"])
        assert target.startswith("/"), target
        return self.get(target)

    def sign_in(self, username: str = "ada", password: str = "lovelace-1815") -> TestResponse:
        """Sign in. Arrives at the consent page, or at the sign-in page again."""
        page = self.submit("login", username=username, password=password)
        return self.follow() if page.status_code == 303 else page

    def consent(self) -> str:
        """Press Link; the address that leads back to Messenger, code and all."""
        self.submit("consent")
        return self.leads_to()

    def leads_to(self) -> str:
        """Where the page leads by itself: its redirect, or the refresh in its head."""
        page = self.page
        target = (
            page.headers["Location"]
            if page.status_code == 303
            else refresh_of(page.text.partition("</head>")[0])
        )
        assert target is not None, page.status_code
        return str(target)

    def code(self, token: str = TOKEN) -> str:
        """Walk all pages as Ada; returns the authorization code at the end."""
        self.open(token)
        self.sign_in()
        return code_in(self.consent())
