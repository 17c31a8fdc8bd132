"""A bot's own tests can post signed webhooks through Flask's test client."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask, request

from bot_linking import AccountLinking
from bot_linking.testing import sign, signed_post

SECRET = "an-app-secret-of-the-tests"
PAYLOAD: dict[str, Any] = {"object": "page", "entry": [{"id": "1", "messaging": [{"sender": {"id": "2"}}]}]}


@pytest.fixture
def app(settings: dict[str, Any]) -> Flask:
    app = Flask("tests.signed")
    app.config.update(settings, BOT_LINKING_APP_SECRET=SECRET)
    linking = AccountLinking(app, authenticate=lambda username, password: None)

    @app.post("/webhook")
    @linking.webhook
    def webhook() -> dict[str, Any]:
        return {"got": request.get_json(), "query": request.args.get("a")}

    return app


def test_a_signed_post_reaches_the_view_and_an_unsigned_one_does_not(app: Flask) -> None:
    client = app.test_client()
    assert client.post("/webhook", json=PAYLOAD).status_code == 403
    assert signed_post(client, "/webhook", PAYLOAD).get_json()["got"] == PAYLOAD
    assert signed_post(client, "/webhook", json.dumps(PAYLOAD).encode()).status_code == 200
    assert signed_post(client, "/webhook", PAYLOAD, secret="another-secret").status_code == 403
    assert signed_post(client, "/webhook", PAYLOAD, query_string={"a": "b"}).get_json()["query"] == "b"


def test_the_headers_alone_are_enough_for_any_client(app: Flask) -> None:
    for body in (json.dumps(PAYLOAD), '{"object": "page", "entry": [], "text": "åäö"}'.encode()):
        answer = app.test_client().post("/webhook", data=body, headers=sign(body, SECRET))
        assert answer.status_code == 200


def test_the_signature_is_the_known_one_of_these_bytes() -> None:
    """HMAC-SHA256 of `hello` under `key`, computed by another program."""
    known = "9307b3b915efb5171ff14d8cb55fbcc798c6c0ef1456d66ded1a6aa723a58b7b"
    assert sign(b"hello", "key")["X-Hub-Signature-256"] == f"sha256={known}"
    assert sign("hello", "key") == sign(b"hello", "key")


def test_the_newest_of_two_secrets_signs(app: Flask) -> None:
    for given in (f"{SECRET},an-older-secret", [SECRET, "an-older-secret"]):
        app.config["BOT_LINKING_APP_SECRET"] = given
        assert signed_post(app.test_client(), "/webhook", PAYLOAD).status_code == 200


def test_without_a_secret_it_says_which_setting_is_missing() -> None:
    with pytest.raises(LookupError, match="BOT_LINKING_APP_SECRET"):
        signed_post(Flask("bare").test_client(), "/webhook", PAYLOAD)
