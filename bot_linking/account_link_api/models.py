"""The fields of a call: these models validate it, and the OpenAPI document shows them.

Import it late: pydantic is slow to load.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from bot_linking.core.identifiers import LONGEST, Identifiers
from bot_linking.core.marks import BLANKS, INVISIBLE, stripped
from bot_linking.core.reading import HIDDEN_MARKS, has_hidden_marks

LARGEST_NUMBER = 2**53 - 1  # a client may have rounded a larger one before it sent it
_DIGITS = "^[0-9]{1,64}$"  # in pydantic, $ does not match before a line end
_AT_ENDS = f"\\s{BLANKS}"  # white space at the ends is stripped
_HIDDEN = (
    f"(?!\\s)[{HIDDEN_MARKS}]|[^{_AT_ENDS}][{_AT_ENDS}]*(?=\\s)[{HIDDEN_MARKS}][{_AT_ENDS}]*[^{_AT_ENDS}]"
)


class _Repeated:
    """The value of a form field that was sent several times; it is valid for no field."""


REPEATED = _Repeated()


def _number_as_text(value: Any) -> Any:
    """A whole number as decimal text. Raises an error of the type `rounded` for one that a client may have
    rounded."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if abs(value) > LARGEST_NUMBER:
        raise PydanticCustomError("rounded", "a number that may have been rounded")
    is_whole = isinstance(value, int) or value.is_integer()  # in JSON 2.0 is the integer 2
    return str(int(value)) if is_whole and value >= 0 else value


def _psid(value: Any) -> Any:
    if value is None or value == "" or value is REPEATED:
        raise PydanticCustomError("not_given", "no recipient.id")
    return _number_as_text(value)


def _seen_part(longest: int) -> BeforeValidator:
    """Strips white space around an identifier; None where nothing in it is visible."""

    def read(value: Any) -> Any:
        fits = isinstance(value, str) and len(value) <= longest
        return stripped(value) if fits else value

    return BeforeValidator(read)


def _one_line(value: str) -> str:
    if has_hidden_marks(value):
        raise PydanticCustomError("hidden_marks", "control characters")
    return value


def _shown(longest: int) -> dict[str, Any]:
    return {"type": "string", "maxLength": longest, "not": {"pattern": _HIDDEN}}


_LONG, _SHORT = LONGEST["username"], LONGEST["phone_number"]
_NUMBER = {"type": "integer", "minimum": 0, "maximum": LARGEST_NUMBER}
Name = Annotated[
    Annotated[str, Field(max_length=_LONG), AfterValidator(_one_line)] | None,
    _seen_part(_LONG),
    WithJsonSchema({"anyOf": [_shown(_LONG), {"type": "null"}]}),
]
Number = Annotated[
    Annotated[str, Field(max_length=_SHORT), AfterValidator(_one_line)] | None,
    _seen_part(_SHORT),
    BeforeValidator(_number_as_text),
    WithJsonSchema({"anyOf": [_shown(_SHORT), _NUMBER, {"type": "null"}]}),
]
PSID = Annotated[
    Annotated[str, Field(pattern=_DIGITS)],
    BeforeValidator(_psid),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": _DIGITS}, _NUMBER]}),
]


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class RequestPart(_Model):
    """The name of the call, and the caller's own notes about it."""

    method: Literal["account_link"]
    id: Any = Field(None, description="The caller's own id for this request, given back.")
    meta: Any = Field(None, description="Reserved; kept with the history of the link.")


class RecipientPart(_Model):
    """The person that the call is about."""

    id: PSID = Field(
        description="The Facebook user id (PSID). As text: a number over 2^53 - 1 is refused.",
        examples=["123456"],
    )


def _is_given(name: str) -> dict[str, Any]:
    seen: dict[str, Any] = {"type": "string", "pattern": f"[^{INVISIBLE}]"}
    if name == "phone_number":
        seen = {"anyOf": [seen, {"type": "integer"}]}
    return {"required": [name], "properties": {name: seen}}


class LinkedPart(_Model):
    """The person is linked to the account with these identifiers. At least one has a visible character."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [_is_given(name) for name in LONGEST]})

    status: Literal["linked"]
    username: Name = Field(None, description="The site account: user name.", examples=["myaccount"])
    email: Name = Field(None, description="The site account: e-mail address.", examples=["mike@example.com"])
    phone_number: Number = Field(
        None, description="The site account: phone number, best as text.", examples=["18900001111"]
    )

    @model_validator(mode="after")
    def _has_one(self) -> LinkedPart:
        if not (self.username or self.email or self.phone_number):
            raise PydanticCustomError("none_given", "no identifier")
        return self


class UnlinkedPart(_Model):
    """The person is not linked any more: every identifier is removed."""

    status: Literal["unlinked"]


class AccountLinkCall(_Model):
    """One call, as nested objects."""

    request: RequestPart
    recipient: RecipientPart
    account_linking: Annotated[LinkedPart | UnlinkedPart, Field(discriminator="status")]
    timestamp: Any = Field(None, description="Accepted, not judged.")

    @property
    def psid(self) -> str:
        return self.recipient.id

    @property
    def identifiers(self) -> Identifiers | None:
        """The identifiers to link the person by; None to unlink them."""
        part = self.account_linking
        if isinstance(part, UnlinkedPart):
            return None
        return Identifiers(part.username, part.email, part.phone_number)


PARTS: dict[str, type[BaseModel]] = {
    "request": RequestPart,
    "recipient": RecipientPart,
    "account_linking": LinkedPart,
}
FORM_FIELDS = {
    "timestamp",
    *(f"{part}.{name}" for part, model in PARTS.items() for name in model.model_fields),
}
