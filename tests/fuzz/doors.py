"""The doors under fuzz: each takes a body and its content type, and tells the status. Another one joins by
one more entry in `DOORS`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from pathlib import Path

from flask import Flask

from bot_linking import Account, AccountLinking
from bot_linking.account_link_api.keys import Keys
from bot_linking.external_account import ExternalAccount

SECRET = "app-s3cret-of-the-fuzzer-0123456789"
Send = Callable[[bytes, str], int]


def _bot(folder: Path) -> tuple[Flask, AccountLinking]:
    app = Flask("tests.fuzz", instance_path=str(folder))
    app.config.update(
        SECRET_KEY="form-signing-k3y-of-the-fuzzer",
        BOT_LINKING_APP_SECRET=SECRET,
        BOT_LINKING_PAGE_ACCESS_TOKEN="EAAG-page-t0ken-of-the-fuzzer",
        BOT_LINKING_VERIFY_TOKEN="v3rify-of-the-fuzzer",
        BOT_LINKING_PAGE_ID="1001",
        BOT_LINKING_PUBLIC_URL="https://bot.example",
        BOT_LINKING_GRAPH_URL="http://127.0.0.1:9",
        BOT_LINKING_DELIVERY="worker",
        BOT_LINKING_DATABASE=f"sqlite:///{folder}/links.db",
        BOT_LINKING_EXTERNAL_KEYS="k3y-of-the-fuzzer-which-is-long-enough-0",
    )
    linking = AccountLinking(app, authenticate=lambda name, _: Account("1", username=name))
    return app, linking


def account_link_api(folder: Path) -> Send:
    app, linking = _bot(folder)
    headers, client = {"APIKEY": Keys(linking.core).create("fuzz")}, app.test_client()
    return lambda body, kind: (
        client.post("/linking/api", data=body, content_type=kind, headers=headers).status_code
    )


def external_account(folder: Path) -> Send:
    app, linking = _bot(folder)
    external = ExternalAccount(linking)
    app.register_blueprint(external.blueprint)
    external.create_app("shop")
    token = external.create_token("shop", 1, ["accounts", "bind", "signin"])
    headers, client = {"Authorization": f"Bearer {token}"}, app.test_client()
    calls = [("POST", ""), ("PUT", "/1"), ("POST", "/SignIn")]

    def send(body: bytes, kind: str) -> int:
        return max(
            client.open(
                f"/ExternalAccount/shop{path}", method=method, data=body, content_type=kind, headers=headers
            ).status_code
            for method, path in calls
        )

    return send


def webhook(folder: Path) -> Send:
    app, _linking = _bot(folder)
    client = app.test_client()

    def send(body: bytes, kind: str) -> int:
        signed = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {"X-Hub-Signature-256": signed}
        return client.post("/linking/webhook", data=body, content_type=kind, headers=headers).status_code

    return send


DOORS: dict[str, Callable[[Path], Send]] = {
    "account_link_api": account_link_api,
    "external_account": external_account,
    "webhook": webhook,
}
