"""The code table: one line for each refusal, for the endpoint and the client."""

from __future__ import annotations

from enum import Enum

from bot_linking.account_link_api.errors import (
    AccountLinkError,
    AccountNotFound,
    CallNotAccepted,
    IdentifierInvalid,
    KeyNotValid,
    LinkedToAnother,
    MethodUnknown,
    RecipientInvalid,
    RecipientMissing,
    ServiceUnavailable,
    StatusInvalid,
    TooManyRequests,
)
from bot_linking.core.errors import BotLinkingError

OAUTH, INVALID, NOT_FOUND = "OAuthException", "InvalidParamException", "NotFoundException"
NOT_ALLOWED, TOO_MANY = "MethodNotAllowedException", "TooManyRequestsException"
FAILURE, AWAY = "InternalException", "ServiceUnavailableException"

NO_KEY = "The API key is missing or not valid"
NO_METHOD = "request.method is missing or unknown; it must be account_link"
NO_PERSON = "recipient.id is missing"
NO_PSID = "Invalid Facebook user id: recipient.id must be 1 to 64 digits"
NO_STATUS = "account_linking.status must be linked or unlinked"
NO_NAME = "One of account_linking.username, email and phone_number is needed"
NO_STORE = "The store is not available"  # the error's own text may name a file
NOT_DONE = "The call could not be done"


class Code(Enum):
    """The slug of a refusal; the number, HTTP status and type of its answer; the sentence, empty where the
    refusal has one of its own; and the error that the client raises.

    The protocol's own codes come first, in the order in which a call is judged. Where the protocol has no
    code, the number is the HTTP status.
    """

    KEY_NOT_VALID = "api_key_refused", 10005, 401, OAUTH, NO_KEY, KeyNotValid
    METHOD_UNKNOWN = "call_method_unknown", 10000, 400, INVALID, NO_METHOD, MethodUnknown
    RECIPIENT_MISSING = "recipient_missing", 13000, 400, INVALID, NO_PERSON, RecipientMissing
    RECIPIENT_INVALID = "recipient_invalid", 13002, 400, INVALID, NO_PSID, RecipientInvalid
    STATUS_INVALID = "status_invalid", 13003, 400, INVALID, NO_STATUS, StatusInvalid
    IDENTIFIER_INVALID = "identifier_refused", 13001, 400, INVALID, NO_NAME, IdentifierInvalid

    BODY_UNREADABLE = "payload_unreadable", 400, 400, INVALID, "", CallNotAccepted
    ACCOUNT_UNKNOWN = "account_unknown", 404, 404, NOT_FOUND, "", AccountNotFound
    PATH_UNKNOWN = "path_unknown", 404, 404, NOT_FOUND, "", AccountNotFound
    METHOD_REFUSED = "method_refused", 405, 405, NOT_ALLOWED, "", CallNotAccepted
    CONFLICT = "conflict_refused", 409, 409, INVALID, "", LinkedToAnother
    BODY_TOO_LARGE = "payload_too_large", 413, 413, INVALID, "", CallNotAccepted
    TYPE_REFUSED = "content_type_refused", 415, 415, INVALID, "", CallNotAccepted
    CHARSET_REFUSED = "charset_refused", 415, 415, INVALID, "", CallNotAccepted
    TOO_MANY_CALLS = "too_many_attempts", 429, 429, TOO_MANY, "", TooManyRequests
    FAILED = "error", 500, 500, FAILURE, NOT_DONE, ServiceUnavailable
    POLICY_FAILED = "policy_failed", 503, 503, AWAY, NOT_DONE, ServiceUnavailable
    PAGE_UNKNOWN = "page_unknown", 503, 503, AWAY, "", ServiceUnavailable
    STORE_AWAY = "store_unavailable", 503, 503, AWAY, NO_STORE, ServiceUnavailable
    MESSENGER_SILENT = "messenger_silent", 503, 503, AWAY, "", ServiceUnavailable

    def __init__(
        self, slug: str, number: int, status: int, kind: str, sentence: str, error: type[AccountLinkError]
    ) -> None:
        self.slug = slug
        self.number = number
        self.status = status
        self.kind = kind
        self.sentence = sentence
        self.error = error


_BY_SLUG = {code.slug: code for code in Code}


def code_of(refusal: BotLinkingError) -> Code:
    """The code of a refusal; `FAILED` for a slug without a line."""
    code = getattr(refusal, "code", None)
    return code if isinstance(code, Code) else _BY_SLUG.get(refusal.slug, Code.FAILED)


def error_of(number: int) -> type[AccountLinkError] | None:
    """The error that the client raises for an answer with this number; None for an unknown number."""
    return next((code.error for code in Code if code.number == number), None)
