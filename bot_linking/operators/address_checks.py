"""Whether the public address answers Messenger's handshake, as Messenger would ask it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bot_linking.core.addresses import is_loopback
from bot_linking.operators.findings import Finding

if TYPE_CHECKING:
    from bot_linking.installation import Installation

TIMEOUT_S = 5.0


def check_handshake(bot: Installation) -> Iterator[Finding]:
    """Ask our own webhook for a challenge, from outside. That the address cannot be reached from this very
    machine may be the network's: a note, but on a loopback address."""
    import requests

    url, challenge = f"{bot.base_url}/webhook", secrets.token_hex(8)
    tokens = bot.pages.all()[0].verify_tokens if bot.pages.all() else ()
    if not tokens:
        return
    query = {"hub.mode": "subscribe", "hub.verify_token": tokens[0], "hub.challenge": challenge}
    try:
        answer = requests.get(url, params=query, timeout=TIMEOUT_S, allow_redirects=False)
    except requests.RequestException as problem:
        what = f"{url} cannot be reached from here ({type(problem).__name__}): its handshake was not seen"
        yield Finding("wrong" if is_loopback(url) else "note", what)
        return
    if answer.status_code == 200 and answer.text == challenge:
        yield Finding("ok", f"{url} answers Messenger's handshake")
        return
    what = f"{url} answers {answer.status_code} and not Messenger's handshake: does it lead to this bot?"
    yield Finding("wrong", what)
