"""The webhook events as Messenger writes them, and the envelope they travel in."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from typing import Any

Event = dict[str, Any]

#: The subscription field without which Messenger does not deliver an event of that kind.
FIELD_OF_KIND = {
    "message": "messages",
    "echo": "message_echoes",
    "postback": "messaging_postbacks",
    "linked": "messaging_account_linking",
    "unlinked": "messaging_account_linking",
}


def new_mid() -> str:
    """Mint a message id."""
    return "m_" + secrets.token_urlsafe(32)


def _event(psid: str, page_id: str, timestamp: int, **content: object) -> Event:
    return {"sender": {"id": psid}, "recipient": {"id": page_id}, "timestamp": timestamp, **content}


def message_event(psid: str, page_id: str, timestamp: int, text: str, *, payload: str | None = None) -> Event:
    """Say that the person wrote ``text``, or tapped the quick reply with that title and ``payload``."""
    message: dict[str, Any] = {"mid": new_mid(), "text": text}
    if payload is not None:
        message["quick_reply"] = {"payload": payload}
    return _event(psid, page_id, timestamp, message=message)


def postback_event(psid: str, page_id: str, timestamp: int, *, title: str, payload: str) -> Event:
    """Say that the person tapped a postback button."""
    return _event(psid, page_id, timestamp, postback={"title": title, "payload": payload, "mid": new_mid()})


def linked_event(psid: str, page_id: str, timestamp: int, *, code: str) -> Event:
    """Say that the person came back from the login page with ``code``."""
    return _event(psid, page_id, timestamp, account_linking={"status": "linked", "authorization_code": code})


def unlinked_event(psid: str, page_id: str, timestamp: int) -> Event:
    """Say that the link is gone. It carries no ``authorization_code``."""
    return _event(psid, page_id, timestamp, account_linking={"status": "unlinked"})


def echo_event(psid: str, page_id: str, timestamp: int, *, mid: str, message: Event, app_id: str) -> Event:
    """Give the page its own message back, sender and recipient swapped."""
    echoed = {"is_echo": True, "app_id": int(app_id), "mid": mid, **message}
    return _event(page_id, psid, timestamp, message=echoed)


def kind_of(event: Event) -> str:
    """Name an event in one word: message, echo, postback, linked or unlinked."""
    if "account_linking" in event:
        return str(event["account_linking"]["status"])
    if "postback" in event:
        return "postback"
    return "echo" if event["message"].get("is_echo") else "message"


def person_of(event: Event, page_id: str) -> str:
    """Return the PSID an event is about, also when the page is its sender."""
    sender = str(event["sender"]["id"])
    return sender if sender != page_id else str(event["recipient"]["id"])


def envelope(events: Sequence[Event], page_id: str, sent_at: int) -> bytes:
    """Write the body that is posted: one entry for each event, text escaped to ASCII as Facebook does.

    ``sent_at`` is in milliseconds and is the time of the posting, not that of the events.
    """
    entries = [{"id": page_id, "time": sent_at, "messaging": [event]} for event in events]
    return json.dumps({"object": "page", "entry": entries}, ensure_ascii=True, separators=(",", ":")).encode(
        "ascii"
    )
