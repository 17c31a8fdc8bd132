"""Erasure from the chat: a button, a second question, and only the second tap erases."""

from __future__ import annotations

import re
import secrets

from bot_linking.core.codes import digest_of
from bot_linking.core.linking import Linking
from bot_linking.core.ways import ChatEvent

PAYLOAD = "bl.erase"
ASKED_MS = 900_000
_SURE = re.compile(r"bl\.erase\.([A-Za-z0-9_-]{22})")


class Erasure:
    """Handles both taps, in the chats of one app."""

    def __init__(self, linking: Linking) -> None:
        self._linking = linking

    def take(self, event: ChatEvent, payload: str) -> bool:
        """Handle a tap about erasing: the first asks again, the second erases. False for another payload."""
        if payload == PAYLOAD:
            self._ask(event)
            return True
        match = _SURE.fullmatch(payload)
        if match is None:
            return False
        key, now = _key(event, match[1]), self._linking.now()
        if self._linking.store.find_limit(key, now, ASKED_MS)[0]:
            self._linking.erase(event.psid, event.page_id, asked=key)
            self._linking.wake()
        return True

    def _ask(self, event: ChatEvent) -> None:
        question, now = secrets.token_urlsafe(16), self._linking.now()
        self._linking.store.hit(_key(event, question), now + ASKED_MS, now)
        self._linking.queue(event.page_id, event.psid, "erase", question)


def _key(event: ChatEvent, question: str) -> str:
    return f"erase:{digest_of(f'{event.page_id} {event.psid} {question}')}"  # none holds a blank
