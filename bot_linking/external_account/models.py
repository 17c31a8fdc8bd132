"""The bodies and answers of the five calls: what validates is what the OpenAPI document shows."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from bot_linking.core.errors import PayloadUnreadable
from bot_linking.core.reading import is_unicode, read_json
from bot_linking.external_account.errors import ContentTypeRefused, FieldRefused

LONGEST_DATA = 64 * 1024
LONGEST_AVATAR = 2048
LARGEST_BODY = 8 * LONGEST_DATA  # JSON may write six bytes for one
UNION_ID = "^[A-Za-z0-9_-]{1,50}$"
PLATFORM = "^[A-Za-z0-9]{1,20}$"
CODE = "^[0-9]{6}$"
ADDRESS = r"^(https://[A-Za-z0-9][A-Za-z0-9.-]{0,252}(:[0-9]{1,5})?([/?#][!#-;=?-\[\]_a-z|~]*)?)?$"

RULES = {
    "unionID": "must be text of 1 to 50 letters, digits, _ or -",
    "platform": "must be text of 1 to 20 letters and digits",
    "twoFactorCode": "must be text of exactly 6 digits",
    "platformName": "must be text of up to 50 characters",
    "avatar": "must be an https address of up to 2 KiB",
    "data": "must be text of up to 64 KiB",
    "enable": "must be true or false",
}

Model = TypeVar("Model", bound="Body")


def _storable(text: str) -> str:
    if "\0" in text or not is_unicode(text) or len(text.encode()) > LONGEST_DATA:
        raise PydanticCustomError("not_storable", "text that cannot be stored")
    return text


_NO_NUL = {"not": {"pattern": r"\u0000"}}

UnionID = Annotated[str, Field(pattern=UNION_ID, description="The person's id on the platform.")]
Platform = Annotated[str, Field(pattern=PLATFORM, description="The third party, for example messenger.")]
Code = Annotated[str, Field(pattern=CODE, description="From the authenticator app.")]
Name = Annotated[str, AfterValidator(_storable), Field(max_length=50, json_schema_extra=_NO_NUL)]
Avatar = Annotated[str, Field(pattern=ADDRESS, max_length=LONGEST_AVATAR, description="Never fetched.")]
Data = Annotated[str, AfterValidator(_storable), Field(max_length=LONGEST_DATA, json_schema_extra=_NO_NUL)]


class Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class BindRequest(Body):
    """An account of a third party, to be bound to the token's user."""

    unionID: UnionID
    platform: Platform
    platformName: Name | None = None
    avatar: Avatar | None = None
    data: Data | None = None


class UpdateRequest(Body):
    """What may be changed of a bound account; at least one of them."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"minProperties": 1})

    avatar: Avatar = ""
    data: Data = ""
    enable: bool = True


class SignInRequest(Body):
    """Who signs in. The code is required where the user has two-factor sign-in on."""

    unionID: UnionID
    platform: Platform
    twoFactorCode: Code | None = None


class UserLogins(BaseModel):
    """A third-party account that is bound to a user."""

    id: int
    userID: int
    platformName: str
    platform: str
    unionID: str
    avatar: str
    data: str
    enable: bool
    createDate: str = Field(json_schema_extra={"format": "date-time"})
    lastUpdate: str = Field(json_schema_extra={"format": "date-time"})


class TokenModel(BaseModel):
    """A token that acts for the user who was signed in."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int = Field(description="Seconds.")


class Done(BaseModel):
    """It is so now, or was already."""

    code: Literal[200]
    data: Literal[True]
    error: Literal[""]


class Accounts(BaseModel):
    """The bound accounts of the token's user."""

    code: Literal[200]
    data: list[UserLogins]
    error: Literal[""]


class SignedIn(BaseModel):
    """The person is signed in."""

    code: Literal[200]
    data: TokenModel
    error: Literal[""]


class Refusal(BaseModel):
    """Nothing was done; `error` says why. `data` is false, [] or null by the call's type."""

    code: int = Field(ge=400, le=599)
    data: Literal[False] | Annotated[list[Any], Field(max_length=0)] | None
    error: str = Field(min_length=1)


def read_body(model: type[Model], content_type: str | None, body: bytes) -> Model:
    """The body as this model.

    JSON is assumed where nothing or plain text is said, as some clients do. Raises `ContentTypeRefused`,
    `PayloadUnreadable`, and `FieldRefused` with the name of the first field that is wrong.
    """
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind not in {"", "application/json", "text/json", "text/plain"}:
        raise ContentTypeRefused("the Content-Type must be application/json")
    value = read_json(body)
    if not isinstance(value, dict):
        raise PayloadUnreadable("the body is not a JSON object")
    try:
        read = model.model_validate(value)
    except ValidationError as problem:
        raise _refusal_of(problem) from None
    if isinstance(read, UpdateRequest) and not read.model_fields_set:
        raise FieldRefused("one of avatar, data and enable is required")
    return read


def _refusal_of(problem: ValidationError) -> FieldRefused:
    """A sentence that names the field and never repeats its value."""
    error = problem.errors(include_input=False, include_url=False)[0]
    name = str(error["loc"][0])
    if error["type"] == "missing":
        return FieldRefused(f"{name} is required: it {RULES[name]}")
    if error["type"] == "extra_forbidden":
        return FieldRefused(f"{json.dumps(name[:50]).strip(chr(34))} cannot be updated")
    return FieldRefused(f"{name} {RULES[name]}")
