"""A Graph call in plain values, what the API needs from Messenger, and how parameters are read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..clock import Clock
from ..person import Person
from ..switches import Switches
from ..tokens import LinkingTokens
from .errors import GraphError, refused

Fields = dict[str, Any]
VERSION = re.compile(r"v\d+\.\d+")
AUTH_FIELDS = ("access_token", "appsecret_proof", "appsecret_time")


@dataclass(frozen=True)
class GraphRequest:
    """One call: ``path`` has no leading slash, ``query`` and ``body`` are decoded.

    ``headers`` and ``text``, the body as it was sent, are for the wire log only.
    """

    method: str
    path: str
    query: Mapping[str, str]
    body: Mapping[str, Any]
    bearer: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""

    def get(self, name: str) -> Any:
        """Return a parameter from the query, else from the body."""
        return self.query.get(name, self.body.get(name))

    @property
    def token(self) -> str:
        """The access token from query, body or header; empty when it is missing."""
        return str(self.get("access_token") or self.bearer)


@dataclass(frozen=True)
class GraphAnswer:
    """What goes back: HTTP status, JSON body, and the extra headers."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str]


class Messenger(Protocol):
    """What the Graph API needs from Messenger itself."""

    page_fields: list[str]
    app_fields: list[str]
    profile: dict[str, Any]
    messaging_type_required: bool
    webhook_url: str

    @property
    def app_id(self) -> str: ...
    @property
    def page_id(self) -> str: ...
    @property
    def page_name(self) -> str: ...
    @property
    def app_secret(self) -> str: ...
    @property
    def page_access_token(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def switches(self) -> Switches: ...
    @property
    def tokens(self) -> LinkingTokens: ...
    def person(self, psid: str) -> Person | None: ...
    def person_of_app(self, asid: str) -> Person | None: ...
    def receive(self, psid: str, body: Mapping[str, Any]) -> str | None: ...
    def unlink(self, psid: str) -> Any: ...
    def silent_for(self, psid: str) -> float: ...
    def handshake(self, url: str | None = None, verify_token: str | None = None) -> bool: ...


def unknown_path(call: GraphRequest) -> GraphError:
    """Build the answer to a path or a method that Graph does not serve."""
    message = f"Unknown path components: {call.method} /{call.path[:200]}"
    return GraphError(2500, message, status=404)


def comma_separated(value: object) -> list[str]:
    """Read a list that may come as ``a,b``, as a JSON array in a string, or as a JSON array."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = _json_or_refuse(value)
    parts = value if isinstance(value, list) else str(value or "").split(",")
    return [str(part).strip() for part in parts if str(part).strip()]


def with_objects_parsed(body: Mapping[str, Any], names: tuple[str, ...]) -> Fields:
    """Read the fields that a form carries as JSON in a string, as older clients send them."""
    parsed = dict(body)
    for name in names:
        if isinstance(parsed.get(name), str):
            parsed[name] = without_nulls(_json_or_refuse(parsed[name]))
    return parsed


def without_nulls(value: Any) -> Any:
    """Return a JSON value without null fields, which clients send for what they do not use."""
    if isinstance(value, Mapping):
        return {name: without_nulls(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def _json_or_refuse(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise refused("A parameter is not valid JSON") from None


def refuse_unknown_fields(fields: Any, known: Any) -> None:
    """Raise ``GraphError`` for the first of ``fields`` that is not among the ``known``."""
    for name in fields:
        if name not in known:
            raise refused(f"Tried accessing nonexisting field ({name})")
