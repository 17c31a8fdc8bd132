"""Whether the public address answers Messenger's handshake."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bot_linking.core.addresses import is_loopback
from bot_linking.doors.findings import Finding

if TYPE_CHECKING:
    from bot_linking.installation import Installation

TIMEOUT_S = 5.0


def check_handshake(bot: Installation) -> Iterator[Finding]:
    """Send the handshake to the bot's own webhooks and to ours; Meta knows one of them. An address that this
    machine cannot reach may still be open to Meta, so that is a note; on loopback it is wrong."""
    import requests

    tokens = bot.pages.all()[0].verify_tokens if bot.pages.all() else ()
    if not tokens:
        return
    urls = [f"{bot.settings.public_url}{path}" for path in bot.host.webhook_paths() if "<" not in path]
    urls.append(f"{bot.base_url}/webhook")
    try:
        statuses = {url: _status_of(url, tokens[0]) for url in urls}
    except requests.RequestException as problem:
        what = f"{urls[0]} cannot be reached from here ({type(problem).__name__}): its handshake was not seen"
        if is_loopback(urls[0]):
            yield Finding("wrong", f"{what}: start the bot")
        else:
            yield Finding("note", what)
        return
    answering = [url for url, status in statuses.items() if status is None]
    if answering:
        yield Finding("ok", f"{answering[0]} answers Messenger's handshake")
        return
    what = f"{urls[0]} answers {statuses[urls[0]]} and not Messenger's handshake: does it lead to this bot?"
    yield Finding("wrong", what)


def _status_of(url: str, token: str) -> int | None:
    """The HTTP status that comes in place of the challenge; None for the challenge. Raises
    `RequestException`."""
    import requests

    challenge = secrets.token_hex(8)
    query = {"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": challenge}
    answer = requests.get(url, params=query, timeout=TIMEOUT_S, allow_redirects=False)
    return None if answer.status_code == 200 and answer.text == challenge else answer.status_code
