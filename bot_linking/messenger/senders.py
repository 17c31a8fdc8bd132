"""Who made an event: the person, or Messenger, the page and the apps around it.

Source: Messenger Platform, webhook reference. An echo repeats a message of the page. Reads, deliveries and
the events of conversation routing are reports.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from bot_linking.messenger.events import id_in

_MADE_BY_A_PERSON = frozenset(("message", "postback", "referral", "optin"))
_MADE_BY_NO_PERSON = frozenset(
    (
        "read",
        "delivery",
        "app_roles",
        "policy_enforcement",
        "pass_thread_control",
        "take_thread_control",
        "request_thread_control",
        "message_template_status_update",
    )
)
_KNOWN = _MADE_BY_A_PERSON | _MADE_BY_NO_PERSON


def opens_the_window(event: dict[str, Any]) -> bool:
    """Whether a person made this event, so that the page may write to them for 24 hours."""
    return not _is_echo(event) and not _MADE_BY_A_PERSON.isdisjoint(_kinds(event))


def people_in(events: Iterable[dict[str, Any]], pages: Collection[str] | None) -> list[tuple[str, str]]:
    """Page and PSID of each person who made one of these events on one of these pages (None: any page)."""
    found = dict[tuple[str, str], None]()
    for event in events:
        page_id, psid = id_in(event, "recipient"), id_in(event, "sender")
        if page_id and psid and (pages is None or page_id in pages) and opens_the_window(event):
            found[page_id, psid] = None
    return list(found)


def is_automatic(event: Any) -> bool:
    """Whether Messenger, the page or an app made this event, so that no person waits for an answer.

    An event of an unknown kind counts as a person's: a host may build its own.
    """
    if not isinstance(event, dict):
        return False
    kinds = _kinds(event)
    return _is_echo(event) or (
        _MADE_BY_A_PERSON.isdisjoint(kinds) and not _MADE_BY_NO_PERSON.isdisjoint(kinds)
    )


def names_no_sender(event: Any) -> bool:
    """Whether Messenger's event has no PSID as its sender, so that no person can be asked: an event about
    the page itself, or an optin by `user_ref`."""
    if not isinstance(event, dict) or _KNOWN.isdisjoint(_kinds(event)):
        return False
    sender = event.get("sender")
    return sender is None or (isinstance(sender, dict) and sender.get("id") is None)


def mid_of(event: Any) -> str | None:
    """The id of a message or postback. It stays the same when Messenger delivers the event again."""
    if not isinstance(event, dict):
        return None
    for kind in ("message", "postback"):
        part = event.get(kind)
        if isinstance(part, dict) and isinstance(part.get("mid"), str):
            return str(part["mid"])
    return None


def _kinds(event: dict[str, Any]) -> set[str]:
    """The event's parts, without those that are null."""
    return {kind for kind, part in event.items() if part is not None}


def _is_echo(event: dict[str, Any]) -> bool:
    message = event.get("message")
    return isinstance(message, dict) and bool(message.get("is_echo"))
