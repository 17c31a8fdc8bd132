"""What goes over the wire, in a form that may be shown: tokens and codes are shortened."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from .graph_call import GraphAnswer, GraphRequest
from .wire import Delivery

_SECRET_NAMES = {
    "access_token",
    "account_linking_token",
    "appsecret_proof",
    "authorization_code",
    "redirect_uri",
}
_KEEP_CHARACTERS = 4
_LONGEST_TEXT = 500


@dataclass(frozen=True)
class GraphCall:
    """One call that the bot made to the Graph API, and how it was answered."""

    number: int
    at: float
    method: str
    path: str
    query: Mapping[str, str]
    body: Mapping[str, Any]
    status: int
    error: str = ""

    @classmethod
    def of(cls, call: GraphRequest, answer: GraphAnswer, *, number: int, at: float) -> GraphCall:
        """Note ``call`` and ``answer`` with everything secret shortened."""
        error = answer.body.get("error", {}).get("message", "")
        query = {
            name: value
            for name, value in call.query.items()
            if name not in ("access_token", "appsecret_proof")
        }
        body = {name: value for name, value in call.body.items() if name != "access_token"}
        path = "/" + call.path
        return cls(number, at, call.method, path, shortened(query), shortened(body), answer.status, error)


def shortened(value: Any) -> Any:
    """Return a JSON value with tokens and codes cut to their first characters, and long texts cut."""
    if isinstance(value, Mapping):
        return {
            name: _cut(item) if name in _SECRET_NAMES else shortened(item) for name, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [shortened(item) for item in value]
    if isinstance(value, str):
        return _shortened_text(value)
    return value


def _shortened_text(text: str) -> str:
    if text.startswith(("http://", "https://")) and "?" in text:
        parts = urlsplit(text)
        query = [
            (name, _cut(item) if name in _SECRET_NAMES else item) for name, item in parse_qsl(parts.query)
        ]
        text = urlunsplit(parts._replace(query=urlencode(query, safe="…")))
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "…"


def _cut(secret: object) -> str:
    text = str(secret)
    return text[:_KEEP_CHARACTERS] + "…" if len(text) > _KEEP_CHARACTERS else text


def delivery_line(delivery: Delivery) -> dict[str, Any]:
    """Describe a delivery for the chat page."""
    return {
        "id": f"w{delivery.number}",
        "at": delivery.when,
        "way": "webhook",
        "title": ", ".join(delivery.kinds),
        "status": delivery.status,
        "tries": delivery.tries,
        "problem": delivery.error or ("given up" if delivery.given_up else ""),
        "ok": delivery.accepted,
        "body": shortened(json.loads(delivery.body)),
    }


def call_line(call: GraphCall) -> dict[str, Any]:
    """Describe a Graph call for the chat page."""
    return {
        "id": f"g{call.number}",
        "at": call.at,
        "way": "graph",
        "title": f"{call.method} {call.path}",
        "status": call.status,
        "tries": 1,
        "problem": call.error,
        "ok": call.status < 400,
        "body": {**call.query, **call.body},
    }
