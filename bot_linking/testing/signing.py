"""Signed webhooks for a bot's tests that use Flask's own test client."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bot_linking.simulator import sign_webhook

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

_KEY = "BOT_LINKING_APP_SECRET"


def sign(body: bytes | str, secret: str) -> dict[str, str]:
    """The headers with which Messenger posts this body: its type, and the signature over its exact bytes.

    client.post("/webhook", data=body, headers=sign(body, "the-app-secret"))
    """
    data = body.encode() if isinstance(body, str) else body
    return {"Content-Type": "application/json", "X-Hub-Signature-256": sign_webhook(data, secret)}


def signed_post(
    client: FlaskClient,
    path: str,
    payload: Mapping[str, Any] | bytes | str,
    *,
    secret: str | None = None,
    headers: Mapping[str, str] | None = None,
    **given: Any,
) -> TestResponse:
    """Post a signed webhook to the bot: replaces `client.post(path, json=payload)`, which is refused.

    `payload` is the JSON object, or the exact body. `secret` is the app secret, by default the bot's own
    `BOT_LINKING_APP_SECRET`. Other arguments go to `client.post`. Raises `LookupError` without a secret.
    """
    body = payload if isinstance(payload, (bytes, str)) else json.dumps(payload, separators=(",", ":"))
    signed = sign(body, secret or _secret_of(client))
    return client.post(path, data=body, headers={**signed, **(headers or {})}, **given)


def _secret_of(client: FlaskClient) -> str:
    given = client.application.config.get(_KEY) or os.environ.get(_KEY)
    first = given if isinstance(given, str) or not given else next(iter(given))
    if not first:
        raise LookupError(f"no app secret: set {_KEY}, or pass secret=")
    return str(first).split(",")[0].strip()
