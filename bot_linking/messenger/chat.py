"""Handles what a person types or taps in the chat for account linking: digits, codes, addresses, answers.

The form of an event decides: a `ref` or a payload that begins with `bl.`, a text `LINK ABCD-2345`, or six
digits while a page shows digits for that person. Every other event is the bot's.
"""

from __future__ import annotations

from typing import Any

from bot_linking.core.ways import ChatEvent, Ways
from bot_linking.messenger.erasure import Erasure
from bot_linking.messenger.events import Event, milliseconds


class Chat:
    """The ways to link that a chat takes part in, for one app."""

    def __init__(self, ways: Ways, erasure: Erasure) -> None:
        self._ways = ways
        self._erasure = erasure

    def take(self, event: Event, page_id: str, psid: str) -> bool:
        """Handle the event, if it is ours. True when the bot must not get it.

        A Get Started postback with a `ref` of ours is handled, and the bot gets it, too: it may say welcome.
        """
        whose = ChatEvent(page_id, psid, milliseconds(event.get("timestamp")))
        message, postback = _part(event, "message"), _part(event, "postback")
        if message:
            return not message.get("is_echo") and self._take_message(whose, message)
        if postback:
            self._take_ref(whose, _part(postback, "referral"))
            return self._take_payload(whose, postback.get("payload"))
        return self._take_ref(whose, _part(event, "referral"))

    def _take_message(self, whose: ChatEvent, message: Event) -> bool:
        text = message.get("text")
        if self._take_payload(whose, _part(message, "quick_reply").get("payload")):
            return True
        return isinstance(text, str) and self._ways.take_text(whose, text)

    def _take_payload(self, whose: ChatEvent, payload: object) -> bool:
        if not isinstance(payload, str):
            return False
        return self._erasure.take(whose, payload) or self._ways.take_answer(whose, payload)

    def _take_ref(self, whose: ChatEvent, referral: Event) -> bool:
        ref = referral.get("ref")
        return isinstance(ref, str) and self._ways.take_ref(whose, ref)


def _part(event: Event, name: str) -> dict[str, Any]:
    part = event.get(name)
    return part if isinstance(part, dict) else {}
