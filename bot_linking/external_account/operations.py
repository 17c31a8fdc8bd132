"""Describes the five calls for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from bot_linking.doors.content import JSON, MULTIPART, URLENCODED
from bot_linking.doors.openapi import RETRY_AFTER, Model, Operation, Reply
from bot_linking.external_account.models import (
    PAGE_ID,
    Accounts,
    BindRequest,
    Done,
    Refusal,
    SignedIn,
    SignInRequest,
    UpdateRequest,
)

BEARER = ("Bearer", {"type": "http", "scheme": "bearer"})
FORMS = frozenset({URLENCODED, MULTIPART})
CHALLENGE = {"WWW-Authenticate": {"schema": {"type": "string"}}}

_APP_KEY = {
    "name": "appKey",
    "in": "path",
    "required": True,
    "description": "The application.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 128},
}
_ID = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "The bound account, as the list shows it: a number.",
    "schema": {"type": "integer", "minimum": 1, "maximum": 10**18 - 1},
}
_PAGE = {
    "name": "pageID",
    "in": "query",
    "required": False,
    "description": "Only the accounts that links on this Facebook page made.",
    "schema": {"type": "string", "pattern": PAGE_ID},
}

_HEADERS: dict[int, dict[str, Any]] = {401: CHALLENGE, 429: RETRY_AFTER, 503: RETRY_AFTER}

MEANINGS = {
    400: "A field is missing or wrong; the sentence names it.",
    401: "No token that is good for this application; on SignIn also a missing or wrong twoFactorCode.",
    403: "The token, the site or a link with Messenger does not allow it, or the account is disabled.",
    404: "There is no such account of this user, or no such page.",
    409: "Bound to another user.",
    413: "The body is too large.",
    415: "The body is in no form or charset that is read here.",
    429: "Too many failed sign-ins.",
    503: "The service is not available.",
}


def operations(prefix: str) -> list[Operation]:
    """The five calls, below this prefix."""
    path = f"{prefix}/ExternalAccount/{{appKey}}"
    one, sign_in = f"{path}/{{id}}", f"{path}/SignIn"
    body = (400, 413, 415)
    return [
        _operation("post", path, "bind", "Bind an account to a user.", Done, BindRequest, 409, *body),
        _operation("get", path, "list_accounts", "The user's accounts.", Accounts, None, 400, 404),
        _operation("put", one, "update", "Change an account.", Done, UpdateRequest, 404, *body),
        _operation("delete", one, "unbind", "Remove an account.", Done, None, 404),
        _operation("post", sign_in, "sign_in", "Sign a user in.", SignedIn, SignInRequest, 404, 429, *body),
    ]


def _operation(
    method: str, path: str, name: str, summary: str, answer: Model, body: Model | None = None, *refusals: int
) -> Operation:
    replies = {200: Reply("Done.", answer)}
    for status in sorted({401, 403, 503, *refusals}):
        replies[status] = Reply(MEANINGS[status], Refusal, _HEADERS.get(status, {}))
    more = [_ID] if "{id}" in path else [_PAGE] if method == "get" else []
    return Operation(
        method,
        path,
        name,
        summary,
        dict.fromkeys((JSON, *sorted(FORMS)), body) if body else {},
        replies,
        BEARER,
        flat=FORMS,
        parameters=[_APP_KEY, *more],
    )
