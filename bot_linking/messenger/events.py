"""Sorts the events of a webhook in one walk: account linking events, and the bot's own."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from enum import Enum
from typing import Any, NamedTuple

from bot_linking.core.errors import PayloadTooLarge, PayloadUnreadable
from bot_linking.core.events import LinkingEvent
from bot_linking.core.reading import read_id

MOST_EVENTS = 1000  # Graph's own limit for a batch
KEY = "account_linking"
_PARTS = ("sender", "recipient", "message", "postback", "referral", "optin", "reaction", "read", "delivery")
_ESCAPED_ASCII = re.compile(rb"\\u00[0-7]")  # Messenger writes ASCII plainly
# A text of ours begins, after blanks, with LINK or digits, also as Chinese and Japanese keyboards type them.
# Each pattern begins with plain letters, which makes its search three times as fast.
_BLANK = (
    rb" |\\[nrt]|\\u3000|\\u00[aA]0|\\u20[0-6][0-9a-fA-F]|\xe3\x80\x80|\xc2\xa0|\xe2[\x80\x81][\x80-\xbf]"
)
_FULL_WIDTH = rb"\\u[fF][fF][1-5]|\xef[\xbc\xbd]"
_TYPED = re.compile(
    rb'"text"\s*:\s*"(?:' + _BLANK + rb")*(?:[lL][iI][nN][kK]|[0-9]{3}|" + _FULL_WIDTH + rb")"
)
_TAPPED = re.compile(rb'"bl\.')  # a ref or a payload

Event = dict[str, Any]
AllowedPages = Collection[str] | None  # the pages that a signer may speak for; None: any


class Kind(Enum):
    """Whose an event is."""

    LINKING = "ours"
    OTHER = "the bot's"
    NO_EVENT = "no object at all"  # stays where it is


class Batch(NamedTuple):
    """One webhook, sorted."""

    linking: Sequence[LinkingEvent]
    """The account linking events to apply, in order."""

    passed_over: int
    """How many account linking events are malformed, or of a page that the signer may not speak for."""

    others: Sequence[Event]
    """Every other event of every entry's `messaging`, in order."""

    rest: dict[str, Any]
    """The payload without our events. An entry that held only ours is gone."""

    taken: int = 0
    """How many events of a chat were ours and were handled: digits, codes, addresses, answers."""

    signer: bytes = b""
    """The app secret that signed the webhook."""

    @property
    def events(self) -> list[Event]:
        """The `others` that have the shape which a bot's code expects."""
        return [event for event in self.others if is_sound(event)]

    @property
    def holds_ours(self) -> bool:
        """Whether an event was taken out, so that the bot must not get the bytes that came."""
        return bool(self.linking or self.passed_over or self.taken)

    def __repr__(self) -> str:
        return (
            f"<Batch: {len(self.linking)} linking, {self.passed_over} passed over, {len(self.others)} others>"
        )


NOTHING_OF_OURS = Batch((), 0, (), {})
"""The batch of a body that was not parsed, because it can hold no event of ours."""


def mentions_ours(body: bytes) -> bool:
    """Whether these bytes can hold an event of ours. Other bodies are passed on without being parsed."""
    if b"account_linking" in body or _TYPED.search(body) or _TAPPED.search(body):
        return True
    # One byte is found faster than several, and most bodies have no backslash at all.
    return b"\\" in body and _ESCAPED_ASCII.search(body) is not None


def kind_of(event: object) -> Kind:
    if not isinstance(event, dict):
        return Kind.NO_EVENT
    return Kind.LINKING if KEY in event else Kind.OTHER


def is_sound(event: Event) -> bool:
    """Whether the event has the shape that Messenger gives it: its parts are objects, its text is text, and a
    message has a sender."""
    if not all(isinstance(event.get(part, event), dict) for part in _PARTS):
        return False
    message = event.get("message")
    if message is None:
        return True
    ids = [event.get(role, {}).get("id") for role in ("sender", "recipient")]
    return all(isinstance(each, str) and read_id(each) for each in ids) and isinstance(
        message.get("text", ""), str
    )


def sort_events(payload: Any, pages: AllowedPages) -> Batch:
    """Sort a payload's events. Account linking events of other pages than `pages` are passed over.

    Entries of `standby` and `changes` have no `messaging`. Raises `PayloadUnreadable` for an object that is
    no webhook payload, and `PayloadTooLarge` beyond 1,000 events.
    """
    entries = payload.get("entry") if isinstance(payload, dict) else None
    if not isinstance(entries, list):
        raise PayloadUnreadable("a webhook payload is an object with an entry array")
    ours: list[tuple[Any, Event]] = []
    others: list[Event] = []
    for entry in entries:
        for event in _messaging_of(entry):
            kind = kind_of(event)
            if kind is Kind.OTHER:
                others.append(event)
            elif kind is Kind.LINKING:
                ours.append((entry, event))
    if len(ours) + len(others) > MOST_EVENTS:
        raise PayloadTooLarge(f"more than {MOST_EVENTS} events in one webhook")
    if not ours:
        return Batch((), 0, others, payload)
    linking = _allowed(ours, pages) if payload.get("object") == "page" else []
    rest = _rest_of(payload, {id(event) for _, event in ours})
    return Batch(linking, len(ours) - len(linking), others, rest)


def is_of(payload: dict[str, Any], pages: AllowedPages) -> bool:
    """Whether a sorted payload is of these pages alone, by its entries. What is no page's counts as so."""
    if pages is None or payload.get("object") != "page":
        return True
    return all(read_id(entry.get("id")) in pages for entry in payload["entry"] if isinstance(entry, dict))


def without(batch: Batch, taken: Collection[int]) -> Batch:
    """The batch without these events, given by Python's `id`; they count as taken."""
    others = [each for each in batch.others if id(each) not in taken]
    return batch._replace(others=others, rest=_rest_of(batch.rest, taken), taken=len(taken))


def _rest_of(payload: dict[str, Any], gone: Collection[int]) -> dict[str, Any]:
    """The payload without these events, and without an entry that held no others."""
    kept = []
    for entry in payload["entry"]:
        events = _messaging_of(entry)
        rest = [event for event in events if id(event) not in gone]
        if len(rest) == len(events):
            kept.append(entry)
        elif rest or entry.keys() & {"standby", "changes"}:
            kept.append(entry | {"messaging": rest})
    return payload | {"entry": kept}


def chat_events(batch: Batch, pages: AllowedPages) -> Iterator[tuple[Event, str, str]]:
    """Each message, postback and referral with its page and PSID, of pages that the signer may speak for."""
    if batch.rest.get("object") != "page":
        return
    for entry in batch.rest.get("entry", []):
        for event in _messaging_of(entry):
            if not isinstance(event, dict) or not event.keys() & {"message", "postback", "referral"}:
                continue
            psid, page_id = id_in(event, "sender"), id_in(event, "recipient")
            is_of_entry = page_id is not None and read_id(entry.get("id", page_id)) == page_id
            if (
                psid is not None
                and page_id is not None
                and is_of_entry
                and (pages is None or page_id in pages)
            ):
                yield event, page_id, psid


def _messaging_of(entry: Any) -> list[Any]:
    events = entry.get("messaging") if isinstance(entry, dict) else None
    return events if isinstance(events, list) else []


def _allowed(ours: list[tuple[Any, Event]], pages: AllowedPages) -> list[LinkingEvent]:
    """The events of these pages. The entry and the event's recipient must name the same page, so that one
    app's secret never speaks for another app's page."""
    read = [(entry, read_linking_event(event)) for entry, event in ours]
    return [
        linking
        for entry, linking in read
        if linking is not None
        and read_id(entry.get("id", linking.page_id)) == linking.page_id
        and (pages is None or linking.page_id in pages)
    ]


def read_linking_event(event: Event) -> LinkingEvent | None:
    """One webhook event as a `LinkingEvent`; None when it is malformed or its status is unknown."""
    linking, psid, page_id = event.get(KEY), id_in(event, "sender"), id_in(event, "recipient")
    if not isinstance(linking, dict) or psid is None or page_id is None:
        return None
    timestamp = milliseconds(event.get("timestamp"))
    match linking.get("status"), linking.get("authorization_code"):
        case "linked", str(code):
            return LinkingEvent(page_id, psid, "linked", code, timestamp)
        case "unlinked", _:
            return LinkingEvent(page_id, psid, "unlinked", None, timestamp)
    return None


def id_in(event: Event, role: str) -> str | None:
    """The id of the event's `sender` or `recipient`."""
    party = event.get(role)
    return read_id(party.get("id")) if isinstance(party, dict) else None


def milliseconds(value: object) -> int | None:
    """A timestamp in milliseconds, from a number or its decimal text. A value below 10^11 counts as
    seconds."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 16:
        value = int(value)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 10**15:
        return None
    return int(value * 1000) if value < 10**11 else int(value)
