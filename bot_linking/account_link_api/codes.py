"""The protocol's own error codes, for both of its sides."""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """What is wrong with a call, in the order in which it is judged."""

    KEY_NOT_VALID = 10005
    METHOD_UNKNOWN = 10000
    RECIPIENT_MISSING = 13000
    RECIPIENT_INVALID = 13002
    STATUS_INVALID = 13003
    IDENTIFIER_INVALID = 13001


MESSAGES = {
    Code.KEY_NOT_VALID: "The API key is missing or not valid",
    Code.METHOD_UNKNOWN: "request.method is missing or unknown; it must be account_link",
    Code.RECIPIENT_MISSING: "recipient.id is missing",
    Code.RECIPIENT_INVALID: "Invalid Facebook user id: recipient.id must be 1 to 64 digits",
    Code.STATUS_INVALID: "account_linking.status must be linked or unlinked",
    Code.IDENTIFIER_INVALID: "One of account_linking.username, email and phone_number is needed",
}
