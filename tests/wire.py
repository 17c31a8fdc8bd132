"""Messenger's side of the protocol, written anew for the tests, and the settings of their bots."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

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
#: A bot's settings, but for its database and its Graph; nothing is sent unless a test drains the outbox.
SETTINGS = {
    "BOT_LINKING_APP_SECRET": APP_SECRET,
    "BOT_LINKING_PAGE_ACCESS_TOKEN": PAGE_TOKEN,
    "BOT_LINKING_VERIFY_TOKEN": VERIFY_TOKEN,
    "BOT_LINKING_PAGE_ID": PAGE,
    "BOT_LINKING_PUBLIC_URL": SITE,
    "BOT_LINKING_DELIVERY": "worker",
    "SECRET_KEY": SECRET_KEY,
}
RETURN_PATH = "https://facebook.com/messenger_platform/account_linking/"


def return_url(token: str = TOKEN) -> str:
    """A redirect_uri as Messenger gives it, captured in the field."""
    return f"{RETURN_PATH}?account_linking_token={token}"


def signature(body: bytes, secret: str = APP_SECRET) -> str:
    """The value of Messenger's signature header, computed by the tests' own code."""
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
    """One webhook's body, escaped as Messenger escapes."""
    entry = {"id": page, "time": 1_800_000_000_000, "messaging": list(events)}
    return json.dumps({"object": "page", "entry": [entry]}, separators=(",", ":")).encode("ascii")


def code_in(target: str) -> str:
    return target.rpartition("authorization_code=")[2]
