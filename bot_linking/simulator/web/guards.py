"""Who may ask the simulator what: its own page and a shell on this machine, and no other site."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from flask import abort, request

from ..engine import Engine

#: Pictures of cards may come from the bot's own https address; everything else is this page's own.
LOOPBACK = "http://127.0.0.1:* http://localhost:* https://127.0.0.1:* https://localhost:*"
#: All of the policy but its end: who may frame the page.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    f"img-src 'self' data: https: {LOOPBACK}; frame-src 'self' {LOOPBACK}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors "
)
#: A header that other sites cannot set, and who sets it: the chat page, the command of the shell, a bot.
HEADER, OWN = "X-Simulator", ("chat", "shell", "bot")


def refuse_other_sites() -> None:
    """Let only the simulator's own page and command change anything, or read what is secret."""
    origin = request.headers.get("Origin")
    foreign = origin is not None and urlsplit(origin).netloc != request.host
    if request.headers.get(HEADER) not in OWN or foreign:
        abort(403, "Only the chat page may do that.")


def asked() -> Mapping[str, Any]:
    """Return the JSON object of a request that may change something."""
    refuse_other_sites()
    body = request.get_json()
    if not isinstance(body, dict):
        abort(400, "A JSON object is wanted.")
    return body


def psid_in(engine: Engine, body: Mapping[str, Any]) -> str:
    """Return the PSID that the body names, of a person who is here."""
    psid = str(body.get("psid", ""))
    return psid if engine.person(psid) else abort(404, "Nobody here has that PSID.")
