"""The account_link API: a site's back end tells the bot that a person is linked. `endpoint` takes the call,
and `Client` makes it.

    from bot_linking.account_link_api import Client

    Client("https://bot.example.com/linking/api", api_key).link(psid, email="mike@example.com")

Begin with `endpoint`, the order of a call, then `calls`, what is read. To add an error code: one member of
`codes.Code` with its slug, number, status and sentence, and its row in the guide.
"""

from bot_linking.account_link_api.client import Client
from bot_linking.account_link_api.errors import (
    AccountLinkError,
    AccountNotFound,
    CallNotAccepted,
    IdentifierInvalid,
    KeyNotValid,
    LinkedToAnother,
    MethodUnknown,
    NoAnswer,
    RecipientInvalid,
    RecipientMissing,
    ServiceUnavailable,
    StatusInvalid,
    TooManyRequests,
)

__all__ = [
    "AccountLinkError",
    "AccountNotFound",
    "CallNotAccepted",
    "Client",
    "IdentifierInvalid",
    "KeyNotValid",
    "LinkedToAnother",
    "MethodUnknown",
    "NoAnswer",
    "RecipientInvalid",
    "RecipientMissing",
    "ServiceUnavailable",
    "StatusInvalid",
    "TooManyRequests",
]
