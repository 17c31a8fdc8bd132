"""What the bot says about linking: friendly, short, in the person's language, with the next step."""

from __future__ import annotations

from bot_linking.core.links import Link
from bot_linking.core.text import safe_name
from bot_linking.messenger.buttons import ButtonOf, Message, message_with, shortened, way_out
from bot_linking.translations import translate


class Messages:
    """The messages of one app, for one brand."""

    def __init__(self, *, brand_name: str, login_button: ButtonOf, next_step: str | None = None) -> None:
        self._brand = safe_name(brand_name)
        self._login_button = login_button
        self._next_step = next_step

    def linked(self, link: Link, locale: str) -> Message:
        """The confirmation: with which account, the next step, and the Log Out button."""
        name = safe_name(link.username or link.email or link.phone_number or "")
        if name:
            text = translate(
                locale, "You are now connected to {brand} as {name}. Welcome!", brand=self._brand, name=name
            )
        else:
            text = translate(locale, "You are now connected to {brand}. Welcome!", brand=self._brand)
        step = self._next_step or translate(locale, "You can go on here now.")
        out = translate(locale, "To disconnect, tap Log Out.")
        return message_with(way_out(link.source, locale), shortened(f"{text}\n{step}\n{out}"))

    def unlinked(self, page_id: str, locale: str) -> Message:
        """The farewell, with a Log In button."""
        text = translate(
            locale,
            "This chat is disconnected from {brand}. To connect it again, tap Log In.",
            brand=self._brand,
        )
        return message_with(self._login_button(page_id), text)

    def refused(self, page_id: str, locale: str) -> Message:
        """The login did not work, with a new Log In button."""
        text = translate(
            locale,
            "Sorry, that took too long or was used already, so nothing was connected. "
            "Please tap Log In again.",
        )
        return message_with(self._login_button(page_id), text)

    def sorry(self, locale: str) -> Message:
        """The question from before the login could not be answered."""
        text = translate(
            locale,
            "Sorry, what you asked for before did not work. Please ask me again.",
        )
        return {"text": text}

    def utility(self, template: str, link: Link, locale: str) -> Message:
        """The page's utility template of this name, with the brand and the account as its parameters.

        Source: Messenger Platform, "Utility messages".
        """
        account = safe_name(link.username or link.email or link.phone_number or link.account_id)
        parameters = [{"type": "text", "text": text} for text in (self._brand, account or "-")]
        components = [{"type": "body", "parameters": parameters}]
        return {"template": {"name": template, "language": {"code": locale}, "components": components}}

    def prompt(self, locale: str, text: str | None = None) -> Message:
        """A Log In button with a text. `ValueError` for a text that Messenger would refuse."""
        return message_with(self._login_button(None), text or self.login_prompt(locale))

    def login_prompt(self, locale: str) -> str:
        return translate(locale, "Please log in to {brand} to go on.", brand=self._brand)

    def logout_prompt(self, locale: str) -> str:
        return translate(
            locale, "This chat is connected to {brand}. To disconnect it, tap Log Out.", brand=self._brand
        )
