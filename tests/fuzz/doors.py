"""The doors under fuzz: each takes a body and its content type, and returns the status. To add one: an
entry in `DOORS`."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from urllib.parse import quote, urlencode

from flask import Flask, request

from bot_linking import Account, AccountLinking
from bot_linking.account_link_api.keys import Keys
from bot_linking.external_account import ExternalAccount
from bot_linking.testing import forms_of
from bot_linking.webview.stamps import Stamps

SECRET = "app-s3cret-of-the-fuzzer-0123456789"
FORM = "application/x-www-form-urlencoded"
LOGIN_S = 300
SITE = "https://bot.example"
LOGIN = "/linking/login?" + urlencode(
    {
        "account_linking_token": "ARtoken",
        "redirect_uri": "https://facebook.com/messenger_platform/account_linking/?account_linking_token=ARtoken",
    }
)
ADDRESSES = (
    *("login?", "signup?", "login/", "consent/", "web/", "digits/", "linked/", "connect?", "connections?"),
    *("undo/", "deletion/", "menu?", "webhook?hub.mode=subscribe&hub.verify_token=", "api/", "openapi.json?"),
)
FORMS = ("login", "signup", "second-factor", "consent", "switch", "cancel")
Send = Callable[[bytes, str], int]


class Host:
    """One app with everything in it."""

    def __init__(self, folder: Path) -> None:
        self.app = Flask("tests.fuzz", instance_path=str(folder))
        self.app.config.update(
            SECRET_KEY="form-signing-k3y-of-the-fuzzer",
            BOT_LINKING_APP_SECRET=SECRET,
            BOT_LINKING_PAGE_ACCESS_TOKEN="EAAG-page-t0ken-of-the-fuzzer",
            BOT_LINKING_VERIFY_TOKEN="v3rify-of-the-fuzzer",
            BOT_LINKING_PAGE_ID="1001",
            BOT_LINKING_APP_ID="2002",
            BOT_LINKING_PUBLIC_URL=SITE,
            BOT_LINKING_GRAPH_URL="http://127.0.0.1:9",
            BOT_LINKING_DELIVERY="worker",
            BOT_LINKING_DATABASE=f"sqlite:///{folder}/links.db",
            BOT_LINKING_EXTERNAL_KEYS="k3y-of-the-fuzzer-which-is-long-enough-0",
            BOT_LINKING_ADDRESS_LIMIT=10_000,
            BOT_LINKING_SIGN_IN_LIMIT=100,
        )
        self.linking = AccountLinking(
            self.app,
            authenticate=lambda name, _: Account("1", username=name) if name == "linked" else None,
            create_account=lambda name, email, _: Account("2", username=name, email=email),
            current_account=lambda: Account("9") if request.path.startswith("/linking/conn") else None,
            notify_owner=lambda notice: None,
        )
        self.external = ExternalAccount(self.linking)
        self.app.register_blueprint(self.external.blueprint)
        self.external.create_app("shop")

        @self.app.post("/hook")
        @self.linking.webhook
        def hook() -> str:
            return str(len(self.linking.events()))

        self.client = self.app.test_client()
        self._opened_at = float("-inf")
        self._ticket = ""

    def ticket(self) -> str:
        """The ticket of a login that this browser has opened a short while ago."""
        if time.monotonic() - self._opened_at > LOGIN_S:
            page = self.client.get(LOGIN, base_url=SITE)
            self._ticket, self._opened_at = str(forms_of(page.text)[0].fields["ticket"]), time.monotonic()
        return self._ticket

    def stamp(self, purpose: str, about: str = "") -> str:
        assert self.ticket(), "with it comes the browser's own secret"
        cookie = self.client.get_cookie("__Host-bot_linking", domain="bot.example")
        assert cookie is not None
        stamps = Stamps(self.linking.settings.secret_key, self.linking.now)
        return stamps.make(purpose, about, cookie.value)

    def close(self) -> None:
        self.linking.delivery.stop()
        self.linking.store.close()


def with_field(body: bytes, kind: str, **fields: str) -> bytes:
    """A form with these fields before the junk."""
    return urlencode(fields).encode() + b"&" + body if kind.startswith(FORM) else body


def account_link_api(host: Host) -> Send:
    headers = {"APIKEY": Keys(host.linking.core).create("fuzz")}
    return lambda body, kind: (
        host.client.post("/linking/api", data=body, content_type=kind, headers=headers).status_code
    )


def external_account(host: Host) -> Send:
    token = host.external.create_token("shop", 1, ["accounts", "bind", "signin"])
    headers = {"Authorization": f"Bearer {token}"}
    calls = [("POST", ""), ("PUT", "/1"), ("POST", "/SignIn")]

    def send(body: bytes, kind: str) -> int:
        return max(
            host.client.open(
                f"/ExternalAccount/shop{path}", method=method, data=body, content_type=kind, headers=headers
            ).status_code
            for method, path in calls
        )

    return send


def signature(body: bytes) -> dict[str, str]:
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}


def webhook(host: Host) -> Send:
    """In turn the blueprint's own route, a view of the bot, and bytes without Flask."""
    ways = cycle(("/linking/webhook", "/hook", None))

    def send(body: bytes, kind: str) -> int:
        headers = signature(body)
        if path := next(ways):
            return host.client.post(path, data=body, content_type=kind, headers=headers).status_code
        with host.app.app_context():
            return host.linking.answer(body, headers | {"Content-Type": kind}).status

    return send


def linking_pages(host: Host) -> Send:
    """Each form in turn, with a good ticket before the junk."""
    names = cycle(FORMS)

    def send(body: bytes, kind: str) -> int:
        sent = with_field(body, kind, ticket=host.ticket())
        path = f"/linking/{next(names)}"
        return host.client.post(path, data=sent, content_type=kind, base_url=SITE).status_code

    return send


def addresses(host: Host) -> Send:
    """Junk behind each address, as the rest of the path and as a query."""
    names = cycle(ADDRESSES)

    def send(body: bytes, kind: str) -> int:
        junk = quote(body[:300], safe="/?&=%;")
        return host.client.get(f"/linking/{next(names)}{junk}", base_url=SITE).status_code

    return send


def menu(host: Host) -> Send:
    """Junk that Messenger has signed for the menu's page."""

    def send(body: bytes, kind: str) -> int:
        sent = with_field(body, kind, ticket=host.stamp("menu"), signed_request=signed(body))
        return host.client.post("/linking/menu", data=sent, content_type=kind, base_url=SITE).status_code

    return send


def callbacks(host: Host) -> Send:
    """Junk that Meta has signed for a callback, and unsigned junk."""
    paths = cycle(("data-deletion", "deauthorize"))

    def send(body: bytes, kind: str) -> int:
        sent = with_field(body, kind, signed_request=signed(body))
        return host.client.post(f"/linking/{next(paths)}", data=sent, content_type=kind).status_code

    return send


def owners_pages(host: Host) -> Send:
    host.linking.core.undoing.find = lambda token: ("1001", "71", token)  # type: ignore[method-assign]
    forms = cycle([("undo/t", "undo", "t"), ("connections/c/disconnect", "disconnect", "9")])

    def send(body: bytes, kind: str) -> int:
        path, purpose, about = next(forms)
        sent = with_field(body, kind, ticket=host.stamp(purpose, about))
        return host.client.post(f"/linking/{path}", data=sent, content_type=kind, base_url=SITE).status_code

    return send


def signed(payload: bytes) -> str:
    encoded = base64.urlsafe_b64encode(payload or b"{}").rstrip(b"=")
    mac = hmac.new(SECRET.encode(), encoded, hashlib.sha256).digest()
    return (base64.urlsafe_b64encode(mac).rstrip(b"=") + b"." + encoded).decode("ascii")


DOORS: dict[str, Callable[[Host], Send]] = {
    "account_link_api": account_link_api,
    "addresses": addresses,
    "callbacks": callbacks,
    "external_account": external_account,
    "linking_pages": linking_pages,
    "menu": menu,
    "owners_pages": owners_pages,
    "webhook": webhook,
}
