"""The refusals of this door. `codes` says how each is answered."""

from __future__ import annotations

from typing import ClassVar

from bot_linking.account_link_api.codes import Code
from bot_linking.core.errors import BotLinkingError


class KeyRefused(BotLinkingError):
    """There is no active key, or it may not act on this page."""

    slug: ClassVar[str] = "api_key_refused"


class CallRefused(BotLinkingError):
    """A call that is refused with a code of the protocol."""

    slug: ClassVar[str] = "call_refused"

    def __init__(self, code: Code, message: str | None = None) -> None:
        super().__init__(message or code.sentence)
        self.code = code


class ConflictRefused(BotLinkingError):
    """The person is linked to another account, and the host's policy keeps that link."""

    slug: ClassVar[str] = "conflict_refused"


class MessengerSilent(BotLinkingError):
    """Messenger did not say whether the person exists."""

    slug: ClassVar[str] = "messenger_silent"
