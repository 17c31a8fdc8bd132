"""Describes this API for the OpenAPI document."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from bot_linking.account_link_api.models import AccountLinkCall
from bot_linking.doors.content import JSON, MULTIPART, URLENCODED
from bot_linking.doors.openapi import RETRY_AFTER, Operation, Reply

API_KEY = ("APIKEY", {"type": "apiKey", "in": "header", "name": "APIKEY"})


class Success(BaseModel):
    """The call was done, or changed nothing because it was done before."""

    request_id: str
    result: Literal[True]
    error_code: Literal[0]
    error_message: Literal[""]


class Problem(BaseModel):
    """The problem with the call."""

    message: str
    type: str
    code: int
    error_subcode: Literal[0]
    request_id: str


class Failure(BaseModel):
    """Nothing was changed. Where the code table has no code, `error_code` is the HTTP status."""

    request_id: str
    result: Literal[False]
    error_code: int
    error_message: str
    error: Problem


def operations(prefix: str) -> list[Operation]:
    """The one call of this API."""
    return [
        Operation(
            method="post",
            path=f"{prefix}/api",
            name="account_link",
            summary="Tell the bot that a person is linked to an account of the site, or is not any more.",
            description="The same facts again change nothing, so a call may be repeated without harm.",
            bodies=dict.fromkeys((JSON, URLENCODED, MULTIPART), AccountLinkCall),
            flat=frozenset({URLENCODED, MULTIPART}),
            security=API_KEY,
            replies={
                200: Reply("Done, or so already.", Success),
                400: Reply("10000, 13000, 13001, 13002 or 13003; or 400: the body cannot be read.", Failure),
                401: Reply("10005: the API key is missing or not valid.", Failure),
                404: Reply("The site knows no account with these identifiers.", Failure),
                409: Reply("The person is linked to another account, which the bot's policy keeps.", Failure),
                413: Reply("The body is too large.", Failure),
                415: Reply("The body is in no form or charset that is read here.", Failure),
                429: Reply("Too many calls with a wrong key.", Failure, RETRY_AFTER),
                503: Reply("The store or Messenger is away; nothing was changed.", Failure, RETRY_AFTER),
            },
        )
    ]
