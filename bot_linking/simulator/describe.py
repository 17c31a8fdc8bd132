"""Events and Graph calls in a few words, without tokens and codes."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from .events import Event, kind_of
from .graph_api.buttons import buttons_of
from .graph_api.call import VERSION, GraphAnswer, GraphRequest, without_nulls

_LONGEST = 60
_LABELS = {"account_link": "Log In", "account_unlink": "Log Out"}


def words_of_events(events: Sequence[Event]) -> str:
    """Describe the events of one post. A developer may have edited them, so any shape is possible."""
    return ", ".join(_or_else(kind_of(event), words_of_event, event) for event in events) or "nothing"


def words_of_event(event: Event) -> str:
    """Describe an event: its kind, and how it begins."""
    kind = kind_of(event)
    if kind == "message" and "quick_reply" in event["message"]:
        return f"quick reply {_quoted(event['message'].get('text'))}"
    if kind in ("message", "echo"):
        return f"{kind} {words_of_message(event['message'])}"
    if kind == "postback":
        ref = event["postback"].get("referral", {}).get("ref")
        came = f" by ref {_quoted(ref)}" if ref else ""
        return f"postback {_quoted(event['postback'].get('title'))}{came}"
    if kind in ("referral", "optin"):
        return f"{kind} {_quoted(event[kind].get('ref'))}"
    return kind


def words_of_message(message: Mapping[str, Any]) -> str:
    """Describe a message: the words it begins with, and the labels of its buttons."""
    said = list(_words_in(message))
    labels = [_LABELS.get(button["type"]) or button.get("title") for button in buttons_of(message)]
    return " ".join([*map(_quoted, said[:1]), *(f"[{plain(label)}]" for label in labels)]) or "without words"


def _words_in(message: Mapping[str, Any]) -> Iterator[str]:
    if "text" in message:
        yield message["text"]
    if "template" in message:
        yield f"template {message['template'].get('name')}"
    attachment = message.get("attachment", {})
    payload = attachment.get("payload", {})
    if "text" in payload:
        yield payload["text"]
    for element in payload.get("elements", ()):
        yield element.get("title") or element.get("media_type")
    if attachment:
        yield str(attachment.get("type"))


def call_kind(call: GraphRequest) -> str:
    """Name the edge that was called; ``recipient`` is the look-up of a linking token."""
    parts = [part for part in call.path.split("/") if part and not VERSION.fullmatch(part)]
    if len(parts) > 1:
        return parts[1]
    if "account_linking_token" in call.query:
        return "recipient"
    return "page" if parts[:1] in ([], ["me"]) else "profile"


def words_of_call(call: GraphRequest) -> str:
    """Describe a Graph call: its method, its edge, and what it says."""
    kind = call_kind(call)
    said = f"{call.method} {kind}"
    if kind == "messages" and "sender_action" in call.body:
        return f"{said}: {plain(call.body['sender_action'])}"
    message = without_nulls(_object(call.body.get("message")))
    if kind == "messages" and message:
        return _or_else(said, lambda given: f"{said}: {words_of_message(given)}", message)
    if kind == "messenger_profile" and call.method == "POST":
        return f"{said}: {plain(', '.join(sorted(set(call.body) - {'access_token', 'appsecret_proof'})))}"
    return said


def people_of_call(call: GraphRequest, answer: GraphAnswer, known: Sequence[str]) -> tuple[str, ...]:
    """Return the PSIDs of the known people whom a call is about."""
    named = [
        _object(call.body.get("recipient")).get("id"),
        call.get("psid"),
        answer.body.get("recipient"),
        *call.path.split("/"),
    ]
    return tuple(psid for psid in known if psid in named)


def _or_else(otherwise: str, describe: Callable[[Any], str], value: Any) -> str:
    """Describe a value of any shape; one that cannot be described is ``otherwise``."""
    try:
        return describe(value)
    except (AttributeError, KeyError, TypeError):
        return otherwise


def _object(value: Any) -> Mapping[str, Any]:
    """Return an object, also one that a form carries as JSON text; empty for anything else."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, Mapping) else {}


def _quoted(value: object) -> str:
    return f"“{plain(value)}”"


def plain(value: object) -> str:
    """Return a text in one short line without control characters, fit for a terminal.

    Addresses lose their query, since tokens travel there.
    """
    words = [word.partition("?")[0] if "://" in word else word for word in str(value or "").split()]
    line = " ".join(words)
    line = "".join(sign for sign in line if unicodedata.category(sign)[0] != "C")
    return line if len(line) <= _LONGEST else line[:_LONGEST] + "…"
