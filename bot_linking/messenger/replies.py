"""The outbox's handlers about the ways to link: questions with their buttons, and answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bot_linking.core.ports import OutboxEntry
from bot_linking.delivery.handlers import handles
from bot_linking.messenger.bots import Bots
from bot_linking.messenger.buttons import Message
from bot_linking.messenger.erasure import PAYLOAD
from bot_linking.translations import translate

LanguageOf = Callable[[str, str], str]


class Replies:
    """The handlers of `question`, `erase` and `say` entries."""

    def __init__(self, bots: Bots, *, brand_name: str, language_of: LanguageOf) -> None:
        self._bots = bots
        self._brand = brand_name
        self._language_of = language_of

    @handles("question")
    def ask(self, entry: OutboxEntry) -> None:
        """Ask whether this chat is to be connected. Only *Connect* links."""
        locale, asked = self._language_of(entry.page_id, entry.psid), entry.payload
        text = translate(
            locale,
            "Connect this chat with {account} at {brand}?",
            account=asked["account"],
            brand=self._brand,
        )
        if asked["replaces"]:
            replaced = translate(
                locale,
                "It is connected with {account} now. If you tap Connect, that ends.",
                account=asked["replaces"],
            )
            text = f"{text}\n{replaced}"
        yes, no = f"bl.yes.{asked['question']}", f"bl.no.{asked['question']}"
        replies = [(translate(locale, "Connect"), yes), (translate(locale, "No"), no)]
        self._send(entry, with_replies(text, replies))

    @handles("erase")
    def ask_to_erase(self, entry: OutboxEntry) -> None:
        locale = self._language_of(entry.page_id, entry.psid)
        text = translate(locale, "Delete everything that {brand} keeps about this chat?", brand=self._brand)
        sure = translate(locale, "Yes, delete it")
        self._send(entry, with_replies(text, [(sure, f"{PAYLOAD}.{entry.payload}")]))

    @handles("say")
    def say(self, entry: OutboxEntry) -> None:
        """Send one sentence, with what to do next."""
        said = self._sentence(self._language_of(entry.page_id, entry.psid), entry.payload)
        if said is not None:
            self._send(entry, {"text": said})

    def _sentence(self, locale: str, slug: str) -> str | None:
        match slug:
            case "digits_wrong":
                return translate(locale, "That is not the number on the page. Please look there again.")
            case "link_unknown":
                return translate(
                    locale, "That code or address does not work any more. Get a new one on our site."
                )
            case "link_used":
                return translate(locale, "That code or address was used already. Get a new one on our site.")
            case "link_other_page":
                return translate(locale, "That code or address is for a chat with another page of ours.")
            case "question_old":
                return translate(locale, "That was the answer to an older question. Nothing was connected.")
            case "declined":
                return translate(locale, "All right, nothing was connected.")
            case "already":
                return translate(
                    locale, "This chat is connected already. To connect another account, tap Log Out first."
                )
            case "barred":
                return translate(
                    locale,
                    "This chat was disconnected from that account within the last day. Try again tomorrow.",
                )
            case "erased":
                return translate(locale, "Everything that we kept about this chat is deleted.")
        return None

    def _send(self, entry: OutboxEntry, message: Message) -> None:
        from bot_linking.messenger.send import send_with

        send_with(self._bots.of(entry.page_id), entry.psid, message)


def with_replies(text: str, replies: list[tuple[str, str]]) -> Message:
    """A text with quick replies: title and payload of each. Source: quick replies."""
    rows: list[dict[str, Any]] = [
        {"content_type": "text", "title": title, "payload": payload} for title, payload in replies
    ]
    return {"text": text, "quick_replies": rows}
