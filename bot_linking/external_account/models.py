"""The bodies and answers of the five calls: these models validate them, and the OpenAPI document shows
them."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from bot_linking.core.reading import is_unicode, read_id

LONGEST_DATA = 64 * 1024
LONGEST_AVATAR = 2048
LARGEST_NUMBER = 2**53 - 1
UNION_ID = "^[A-Za-z0-9_-]{1,50}$"
PLATFORM = "^[A-Za-z0-9]{1,20}$"
CODE = "^([0-9]{6})?$"
PAGE_ID = r"^([A-Za-z0-9_.\-]{1,64})?$"
ADDRESS = (
    r"^([Hh][Tt][Tt][Pp][Ss]?://([A-Za-z0-9_][A-Za-z0-9._-]{0,252}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?"
    r"([/?#][!#-;=?-\[\]_a-z|~]*)?)?$"
)
# Line breaks and other control characters, and marks that make text read otherwise than it is written.
_MISLEADING = "[\\u0000-\\u001f\\u007f-\\u009f\\u2028-\\u202e\\u2066-\\u2069]"

RULES = {
    "unionID": "must be text of 1 to 50 letters, digits, _ or -",
    "platform": "must be text of 1 to 20 letters and digits",
    "pageID": "must be the id of a page, as text",
    "twoFactorCode": "must be text of exactly 6 digits",
    "platformName": "must be text of up to 50 characters on one line",
    "avatar": "must be an http or https address of up to 2 KiB",
    "data": "must be text of up to 64 KiB",
    "enable": "must be true or false",
}


def _storable(text: str) -> str:
    if "\0" in text or not is_unicode(text) or len(text.encode()) > LONGEST_DATA:
        raise PydanticCustomError("not_storable", "text that cannot be stored")
    return text


def _plain(text: str) -> str:
    if re.search(_MISLEADING, text) or not is_unicode(text):
        raise PydanticCustomError("misleading", "a line break or an override")
    return text


def _small(text: str) -> str:
    return text.lower()


def _number_as_text(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # in JSON 7.0 is the integer 7
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return read_id(value) if is_number and 0 <= value <= LARGEST_NUMBER else value


_NOT_GIVEN = BeforeValidator(lambda value: None if value == "" else value)  # as null is
_NO_NUL = {"not": {"pattern": r"\u0000"}}
_PAGE_AS_TEXT = {"type": "string", "pattern": PAGE_ID}
_PAGE_AS_NUMBER = {"type": "integer", "minimum": 0, "maximum": LARGEST_NUMBER}
_ONE_LINE = {"not": {"pattern": _MISLEADING}}

UnionID = Annotated[str, Field(pattern=UNION_ID, description="The person's id on the platform.")]
Platform = Annotated[
    str,
    Field(pattern=PLATFORM, description="The third party, in any letter case; kept in small letters."),
    AfterValidator(_small),
]
PageID = Annotated[
    Annotated[str, Field(pattern=PAGE_ID)] | None,
    _NOT_GIVEN,
    BeforeValidator(_number_as_text),
    WithJsonSchema({"anyOf": [_PAGE_AS_TEXT, _PAGE_AS_NUMBER, {"type": "null"}]}),
    Field(description="The Facebook page on which a unionID of platform messenger is linked."),
]
Code = Annotated[
    Annotated[str, Field(pattern=CODE)] | None,
    _NOT_GIVEN,
    Field(description="From the authenticator app. Empty is not given."),
]
Name = Annotated[
    Annotated[str, AfterValidator(_plain), Field(max_length=50, json_schema_extra=_ONE_LINE)] | None,
    _NOT_GIVEN,
]
Avatar = Annotated[
    Annotated[str, Field(pattern=ADDRESS, max_length=LONGEST_AVATAR)] | None,
    _NOT_GIVEN,
    Field(description="An http or https address. Stored, never fetched. Empty is not given."),
]
Data = Annotated[
    Annotated[str, AfterValidator(_storable), Field(max_length=LONGEST_DATA, json_schema_extra=_NO_NUL)]
    | None,
    _NOT_GIVEN,
]
Ignored = Annotated[Any, Field(description="Ignored: it cannot be changed.")]


class Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class BindRequest(Body):
    """An account of a third party, to be bound to the token's user. Platform messenger is bound by links."""

    unionID: UnionID
    platform: Platform
    platformName: Name = None
    avatar: Avatar = None
    data: Data = None


_ONE_IS_GIVEN: dict[str, Any] = {
    "anyOf": [
        {"required": ["enable"]},
        {"required": ["avatar"], "properties": {"avatar": {"type": "string", "minLength": 1}}},
        {"required": ["data"], "properties": {"data": {"type": "string", "minLength": 1}}},
    ]
}


class UpdateRequest(Body):
    """Changes of a bound account: at least one of `avatar`, `data` and `enable`. The other fields of the
    list are accepted and ignored, so that a fetched account can be changed and put back."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_ONE_IS_GIVEN)

    avatar: Avatar = None
    data: Data = None
    enable: bool = True
    id: Ignored = None
    userID: Ignored = None
    platformName: Ignored = None
    platform: Ignored = None
    unionID: Ignored = None
    createDate: Ignored = None
    lastUpdate: Ignored = None

    def changes(self) -> dict[str, Any]:
        """The given fields, by name."""
        given = {"avatar": self.avatar, "data": self.data}
        enable = {"enable": self.enable} if "enable" in self.model_fields_set else {}
        return {name: value for name, value in given.items() if value is not None} | enable


class SignInRequest(Body):
    """Who signs in. The code is required where the user has two-factor sign-in on; the page, where a unionID
    of platform messenger is linked on several."""

    unionID: UnionID
    platform: Platform
    twoFactorCode: Code = None
    pageID: PageID = None


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
    """The call was done, or changed nothing because it was done before."""

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
    """The call was refused; `error` says why. `data` is false, [] or null by the call's type."""

    code: int = Field(ge=400, le=599)
    data: Literal[False] | Annotated[list[Any], Field(max_length=0)] | None
    error: str = Field(min_length=1)
