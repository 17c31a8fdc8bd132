"""Who may ask the simulator what: its own page and a shell on this machine, and no other site."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from flask import abort, request

from ..engine import Engine

#: Where the bot's pages, which the chat page frames, and its pictures may come from.
LOOPBACK = "http://127.0.0.1:* http://localhost:* https://127.0.0.1:* https://localhost:*"
#: The policy without its end, which names who may frame the page.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    f"img-src 'self' data: https: {LOOPBACK}; frame-src 'self' {LOOPBACK}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors "
)
#: A header that other sites cannot set, and its values from the chat page, the shell command and a bot.
HEADER, OWN = "X-Simulator", ("chat", "shell", "bot")


def refuse_other_sites() -> None:
    """Abort unless the request is of the simulator's page, its shell command, or a bot on this machine."""
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
    """Return the PSID in the body; aborts with 404 for an unknown person."""
    psid = str(body.get("psid", ""))
    return psid if engine.person(psid) else abort(404, "Nobody here has that PSID.")
