"""What the OpenAPI document says of the five calls."""

from __future__ import annotations

from typing import Any

from bot_linking.doors.openapi import Model, Operation, Reply
from bot_linking.external_account.models import (
    Accounts,
    BindRequest,
    Done,
    Refusal,
    SignedIn,
    SignInRequest,
    UpdateRequest,
)

JSON = "application/json"
BEARER = ("Bearer", {"type": "http", "scheme": "bearer"})
RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
CHALLENGE = {"WWW-Authenticate": {"schema": {"type": "string"}}}

_APP_KEY = {
    "name": "appKey", "in": "path", "required": True, "description": "The application.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 128},
}  # fmt: skip
_ID = {
    "name": "id", "in": "path", "required": True, "description": "The bound account.",
    "schema": {"type": "integer", "minimum": 1, "maximum": 10**18 - 1},
}  # fmt: skip

_HEADERS: dict[int, dict[str, Any]] = {401: CHALLENGE, 429: RETRY_AFTER, 503: RETRY_AFTER}

MEANINGS = {
    400: "A field is missing or wrong; the sentence names it.",
    401: "No token that is good for this application.",
    403: "The token, the site or the second factor does not allow it.",
    404: "There is no such account of this user.",
    409: "Bound to another user.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    429: "Too many sign-ins.",
    503: "The service is not available.",
}


def operations(prefix: str) -> list[Operation]:
    """The calls, below this prefix."""
    path = f"{prefix}/ExternalAccount/{{appKey}}"
    one = f"{path}/{{id}}"
    body = (400, 413, 415)
    return [
        _operation("post", path, "bind", "Bind an account to a user.", Done, BindRequest, 409, *body),
        _operation("get", path, "list_accounts", "The accounts of the token's user.", Accounts),
        _operation("put", one, "update", "Change an account.", Done, UpdateRequest, 404, *body),
        _operation("delete", one, "unbind", "Remove an account.", Done, None, 404),
        _operation(
            "post", f"{path}/SignIn", "sign_in", "Sign a user in.", SignedIn, SignInRequest, 404, 429, *body
        ),
    ]


def _operation(
    method: str, path: str, name: str, summary: str, answer: Model, body: Model | None = None, *refusals: int
) -> Operation:
    replies = {200: Reply("Done.", answer)}
    for status in sorted({401, 403, 503, *refusals}):
        replies[status] = Reply(MEANINGS[status], Refusal, _HEADERS.get(status, {}))
    return Operation(
        method, path, name, summary, {JSON: body} if body else {}, replies, BEARER,
        parameters=[_APP_KEY, _ID] if "{id}" in path else [_APP_KEY],
    )  # fmt: skip
