"""Reads account linking events out of a webhook's payload, and tells them from everything else."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from bot_linking.core.errors import PayloadTooLarge, PayloadUnreadable
from bot_linking.core.events import LinkingEvent
from bot_linking.core.reading import read_id

MOST_EVENTS = 1000  # Graph's own limit for a batch
KEY = "account_linking"
_ESCAPED_LETTER = re.compile(rb"\\u00(?:5[fF]|6[13679bBcCeEfF]|7[45])")


def may_link(body: bytes) -> bool:
    """Whether the raw bytes can hold a linking event at all, so that nothing else is ever parsed."""
    if b"account_linking" in body:
        return True
    # One byte is found faster than several, and most bodies have no backslash at all.
    return b"\\" in body and b"\\u00" in body and _ESCAPED_LETTER.search(body) is not None


def events_of(payload: Any) -> list[dict[str, Any]]:
    """Every event of every entry's `messaging`, in order. Entries may have none.

    Raises `PayloadUnreadable` when the payload is no webhook payload, and `PayloadTooLarge` beyond
    1,000 events.
    """
    if not isinstance(payload, dict) or not isinstance(payload.get("entry"), list):
        raise PayloadUnreadable("a webhook payload is an object with an entry array")
    events = [event for _, event in _walk(payload)]
    if len(events) > MOST_EVENTS:
        raise PayloadTooLarge(f"more than {MOST_EVENTS} events in one webhook")
    return events


def linking_events_of(payload: Any, pages: Collection[str] | None) -> list[LinkingEvent]:
    """The linking events that these pages may send (None: any), each read or passed over.

    The entry and the event's recipient must name the same page, so that one app's secret never speaks
    for another app's page.
    """
    if payload.get("object") != "page":
        return []
    found = []
    for entry, event in _walk(payload):
        if KEY in event and (linking := read_linking_event(event)) is not None:
            same_page = read_id(entry.get("id", linking.page_id)) == linking.page_id
            if same_page and (pages is None or linking.page_id in pages):
                found.append(linking)
    return found


def read_linking_event(event: dict[str, Any]) -> LinkingEvent | None:
    """One webhook event as a `LinkingEvent`; None when it is malformed or of an unknown status."""
    linking, psid, page_id = event.get(KEY), _id_in(event, "sender"), _id_in(event, "recipient")
    if not isinstance(linking, dict) or psid is None or page_id is None:
        return None
    timestamp = _milliseconds(event.get("timestamp"))
    match linking.get("status"), linking.get("authorization_code"):
        case "linked", str(code):
            return LinkingEvent(page_id, psid, "linked", code, timestamp)
        case "unlinked", _:
            return LinkingEvent(page_id, psid, "unlinked", None, timestamp)
    return None


def without_linking(payload: dict[str, Any]) -> dict[str, Any]:
    """The same payload without its linking events; entries that only held those are gone."""
    kept = []
    for entry in payload["entry"]:
        if not isinstance(entry, dict) or not isinstance(entry.get("messaging"), list):
            kept.append(entry)
            continue
        rest = [event for event in entry["messaging"] if not (isinstance(event, dict) and KEY in event)]
        if rest or not entry["messaging"] or len(entry.keys() & {"standby", "changes"}):
            kept.append(entry | {"messaging": rest})
    return payload | {"entry": kept}


def _walk(payload: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for entry in payload["entry"]:
        if isinstance(entry, dict) and isinstance(entry.get("messaging"), list):
            for event in entry["messaging"]:
                if isinstance(event, dict):
                    yield entry, event


def _id_in(event: dict[str, Any], role: str) -> str | None:
    party = event.get(role)
    return read_id(party.get("id")) if isinstance(party, dict) else None


def _milliseconds(value: object) -> int | None:
    """Milliseconds, from a number or its decimal text; what is too small for them is in seconds."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 16:
        value = int(value)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 10**15:
        return None
    return int(value * 1000) if value < 10**11 else int(value)
