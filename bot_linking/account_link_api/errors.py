"""The errors that the client raises; `codes` says which for which answer."""

from __future__ import annotations

from typing import ClassVar

from bot_linking.core.errors import BotLinkingError


class AccountLinkError(BotLinkingError):
    """A call that was not done. `code` is the protocol's error code, the HTTP status where the protocol has
    no code, or None without an answer. `status` is the HTTP status. The text never holds the key."""

    slug: ClassVar[str] = "account_link_error"

    def __init__(
        self, problem: str, *, code: int | None = None, status: int | None = None, request_id: str = ""
    ) -> None:
        super().__init__(problem)
        self.code, self.status, self.request_id = code, status, request_id


class KeyNotValid(AccountLinkError):
    """10005: the key is missing, wrong or revoked, or may not act on this page."""


class MethodUnknown(AccountLinkError):
    """10000: the bot does not know `request.method`."""


class RecipientMissing(AccountLinkError):
    """13000: the PSID is missing."""


class RecipientInvalid(AccountLinkError):
    """13002: the PSID is not valid, or Messenger knows no such person."""


class StatusInvalid(AccountLinkError):
    """13003: the status is neither `linked` nor `unlinked`."""


class IdentifierInvalid(AccountLinkError):
    """13001: no user name, e-mail address or phone number, or one that is not valid."""


class AccountNotFound(AccountLinkError):
    """404: the bot's site knows no account with these identifiers."""


class LinkedToAnother(AccountLinkError):
    """409: the person is linked to another account, which the bot's policy keeps."""


class TooManyRequests(AccountLinkError):
    """429, also at the last try."""


class ServiceUnavailable(AccountLinkError):
    """503 or another server error, also at the last try."""


class CallNotAccepted(AccountLinkError):
    """Another refusal, or an answer that is not of this protocol: is the address right?"""


class NoAnswer(AccountLinkError):
    """The bot could not be reached, or did not answer in time, also at the last try."""
