"""A whole login, and what the funnel's counts add to it; and to a webhook that has nothing of ours.

From the prompt to the message that confirms the link, by direct WSGI calls. The site checks no password and
Graph answers before it is asked: whatever they take in truth makes the share of the counts smaller. Two of
the same app differ by nothing but their funnel. Processor time of the thread that serves; the counts are
written by another one, a few seconds later, and that is told apart.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import quote, urlencode, urljoin, urlsplit

from flask import Flask

from bot_linking import Account, AccountLinking
from bot_linking import installation as installation_module
from bot_linking.core.funnel import WRITTEN_AFTER_S, Funnel
from bot_linking.messenger.graph import Recipient

from . import payloads
from .databases import each_store
from .measure import Finding, Round, alternate, busy
from .ours import insist_on, our_app
from .webhook import caller

RETURN = "https://www.facebook.com/messenger_platform/account_linking/?account_linking_token="
_TICKET = re.compile(rb'name="ticket" value="([^"]+)"')
_CODE = re.compile(r"authorization_code=([A-Za-z0-9_-]+)")
_WORK_DONE = """
select (select count(*) from links where account_id is not null),
       (select count(*) from codes where consumed_at is not null),
       (select count(*) from outbox) + (select count(*) from links where account_id is not null)"""


class _NoFunnel(Funnel):
    """Counts nothing, and says that everything is new."""

    def reach(self, *_: Any, **__: Any) -> bool:
        return True

    def cancel(self, *_: Any, **__: Any) -> bool:
        return True

    def _nothing(self, *_: Any, **__: Any) -> None:
        return None

    refuse = open = prompt = later = measure_opening = pass_by = hear = write = _nothing


class _Graph:
    """Knows whose token it is by the token, and takes every message."""

    def owner_of(self, token: str) -> Recipient:
        return Recipient(payloads.PAGE, token.removeprefix("token-"))

    def profile_name(self, psid: str) -> str:
        return "Ada Lovelace"

    def get(self, path: str, **parameters: str) -> dict[str, Any]:
        return {"data": []}

    def send(self, payload: dict[str, Any]) -> dict[str, Any]:
        return {"recipient_id": payload["recipient"]["id"], "message_id": "m"}


class _Bot:
    def send_raw(self, payload: dict[str, Any]) -> dict[str, Any]:
        return _Graph().send(payload)


def run(folder: Path, quick: bool) -> Iterator[Finding]:
    for store, new in each_store(folder):
        yield from _logins(store, new, folder, 60 if quick else 400)
    yield from _webhooks(folder, 120 if quick else 500)


def _logins(store: str, new: Callable[[], Any], folder: Path, rounds: int) -> Iterator[Finding]:
    """One login here and one there, so that both have the same noise; then one writing of the counts. Two
    apps of each kind, as an app that was made earlier is slower by a per cent."""
    contestants: dict[str, Round] = {}
    databases = {name: new() for name in ("counting", "silent", "silent too", "counting too")}
    for name, database in databases.items():
        app, linking = _app(folder / f"{name}_{store}", name, BOT_LINKING_DATABASE=database.url)
        contestants[name] = busy(Walk(app, linking), 1)
    funnel = linking._here().funnel
    took = alternate(contestants, rounds)
    for database in databases.values():
        insist_on(database.execute(_WORK_DONE), rounds + 1)
    ours = (took.of("counting") + took.of("counting too")) / 2
    beside = (took.of("silent") + took.of("silent too")) / 2
    what = f"a whole login with the funnel, beside without it, {store}"
    yield Finding("20", what, ours, beside, ours / beside, 1.02, "µs")
    began = time.thread_time()
    funnel.write()
    writing = (time.thread_time() - began) * 1e6
    what = f"(counts of all logins written, once in {WRITTEN_AFTER_S:g} s at most; beside one login, {store})"
    yield Finding("20", what, writing, beside, writing / beside, None, "µs")


def _webhooks(folder: Path, rounds: int) -> Iterator[Finding]:
    body = payloads.ordinary()
    contestants: dict[str, Round] = {}
    for name in ("counting", "silent"):
        app, _ = _app(folder / f"{name}_webhook", name)
        contestants[name] = busy(caller(app, body), 40)
    took = alternate(contestants, rounds)
    ours, beside = took.least("counting"), took.least("silent")
    what = "an ordinary webhook with the funnel, beside without it"
    yield Finding("20", what, ours, beside, ours / beside, 1.02, "µs")


def _app(folder: Path, name: str, **more: Any) -> tuple[Flask, AccountLinking]:
    """The app with its funnel, or with one that counts nothing."""
    folder.mkdir()
    kind = Funnel if name.startswith("counting") else _NoFunnel
    with mock.patch.object(installation_module, "Funnel", kind):
        app, linking = our_app(folder, authenticate=_everyone, bot=_Bot(), **more)
    linking._here().bots.graph_of = lambda page_id: _Graph()  # type: ignore[method-assign,assignment,return-value]
    return app, linking


def _everyone(username: str, password: str) -> Account:
    return Account(username.removeprefix("user"), username=username, email=f"{username}@example.com")


class Walk:
    """Each call is another person's login."""

    def __init__(self, app: Flask, linking: AccountLinking) -> None:
        self._app, self.linking = app, linking
        self._numbers = count()
        self._cookies: dict[str, str] = {}
        self._address = ""

    def __call__(self) -> None:
        number = next(self._numbers)
        self._cookies, self._address = {}, f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        token = f"token-{payloads.psid(number)}"
        query = urlencode({"account_linking_token": token, "redirect_uri": RETURN + token})
        self.linking.prompt_login(payloads.psid(number))
        _, _, page = self._get("/linking/login", query)
        _, location, _ = self._submit("login", page, username=f"user{number}", password="right")
        _, _, page = self._get(urljoin("/linking/login", location))
        _, location, page = self._submit("consent", page)
        code = _CODE.search(location or page.decode())
        assert code is not None, page
        self._post(_linked(number, code[1]))
        self.linking.delivery.drain()

    def _get(self, address: str, query: str = "") -> tuple[str, str, bytes]:
        path = urlsplit(address).path
        return self._call(
            {**payloads.environ(b"", path), "REQUEST_METHOD": "GET", "QUERY_STRING": query}, b""
        )

    def _submit(self, form: str, page: bytes, **fields: str) -> tuple[str, str, bytes]:
        ticket = _TICKET.search(page)
        assert ticket is not None, page
        body = urlencode({"ticket": ticket[1].decode(), **fields}).encode()
        environ = payloads.environ(body, f"/linking/{form}")
        return self._call({**environ, "CONTENT_TYPE": "application/x-www-form-urlencoded"}, body)

    def _post(self, body: bytes) -> None:
        status, _, _ = self._call(payloads.environ(body, "/linking/webhook"), body)
        assert status.startswith("200"), status

    def _call(self, environ: dict[str, Any], body: bytes) -> tuple[str, str, bytes]:
        said: list[Any] = []

        def start_response(*begun: Any) -> Callable[[bytes], object]:
            said.extend(begun)
            return len

        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        environ |= {"HTTP_COOKIE": cookies, "REMOTE_ADDR": self._address, "wsgi.input": BytesIO(body)}
        answer = b"".join(self._app(environ, start_response))
        status, headers = said[:2]
        for name, value in headers:
            if name == "Set-Cookie":
                key, _, rest = value.partition("=")
                self._cookies[key] = rest.partition(";")[0]
        return status, dict(headers).get("Location", ""), answer


def _linked(number: int, code: str) -> bytes:
    return payloads.linking([number]).replace(payloads.code(number).encode(), quote(code).encode())
