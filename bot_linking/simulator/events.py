"""The webhook events as Messenger writes them, and the envelope they travel in."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from typing import Any

Event = dict[str, Any]

#: The subscription field without which Messenger does not deliver an event of that kind.
FIELD_OF_KIND = {
    "message": "messages",
    "echo": "message_echoes",
    "postback": "messaging_postbacks",
    "linked": "messaging_account_linking",
    "unlinked": "messaging_account_linking",
    "referral": "messaging_referrals",
    "optin": "messaging_optins",
    "read": "message_reads",
    "delivery": "message_deliveries",
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


def postback_event(
    psid: str, page_id: str, timestamp: int, *, title: str, payload: str, ref: str | None = None
) -> Event:
    """Say that the person tapped a postback button; Get Started carries the ``ref`` of the link before it."""
    postback: dict[str, Any] = {"title": title, "payload": payload, "mid": new_mid()}
    if ref is not None:
        postback["referral"] = _referral(ref)
    return _event(psid, page_id, timestamp, postback=postback)


def referral_event(psid: str, page_id: str, timestamp: int, *, ref: str) -> Event:
    """Say that the person came into a chat that was open already, by an m.me link with ``ref``."""
    return _event(psid, page_id, timestamp, referral=_referral(ref))


def _referral(ref: str) -> dict[str, str]:
    return {"ref": ref, "source": "SHORTLINK", "type": "OPEN_THREAD"}


def optin_event(psid: str, page_id: str, timestamp: int, *, ref: str) -> Event:
    """Say that the person agreed to be written to, by a plugin on a site."""
    return _event(psid, page_id, timestamp, optin={"ref": ref})


def read_event(psid: str, page_id: str, timestamp: int) -> Event:
    """Say that the person has read everything up to now."""
    return _event(psid, page_id, timestamp, read={"watermark": timestamp})


def delivery_event(psid: str, page_id: str, timestamp: int, *, mids: Sequence[str] = ()) -> Event:
    """Say that what the page sent up to now has reached the person's device."""
    return _event(psid, page_id, timestamp, delivery={"mids": list(mids), "watermark": timestamp})


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
    """Name an event in one word: message, echo, postback, linked, unlinked, referral, optin and so on."""
    if "account_linking" in event:
        return str(event["account_linking"]["status"])
    if "message" in event:
        return "echo" if event["message"].get("is_echo") else "message"
    return next((kind for kind in FIELD_OF_KIND if kind in event), "unknown")


def events_in(body: bytes) -> list[Event]:
    """Return the readable events of a body, which a developer may have edited.

    Raises ``ValueError`` when it is not JSON.
    """
    return [event for event in _leaves(json.loads(body)) if _is_readable(event)]


def _leaves(payload: Any) -> Iterator[Any]:
    entries = payload.get("entry") if isinstance(payload, dict) else None
    for entry in entries if isinstance(entries, list) else ():
        found = entry.get("messaging") if isinstance(entry, dict) else None
        yield from found if isinstance(found, list) else ()


def _is_readable(event: Any) -> bool:
    try:
        kind_of(event)
        person_of(event, "")
    except (KeyError, TypeError, AttributeError):
        return False
    return True


def person_of(event: Event, page_id: str) -> str:
    """Return the PSID an event is about, also when the page is its sender."""
    sender = str(event["sender"]["id"])
    return sender if sender != page_id else str(event["recipient"]["id"])


def envelope(events: Sequence[Event], page_id: str, sent_at: int) -> bytes:
    """Write the body that is posted: one entry for each event, text escaped to ASCII as Facebook does.

    ``sent_at`` is in milliseconds and is the time of the posting, not that of the events.
    """
    entries = [{"id": page_id, "time": sent_at, "messaging": [event]} for event in events]
    return as_json({"object": "page", "entry": entries}).encode("ascii")


def as_json(value: Event) -> str:
    """Write an event, or a whole body, as it travels."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"))
