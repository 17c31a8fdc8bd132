"""Reads a call, whichever of the two forms it has, and judges it in the order of the code table.

The models below are what validates and what the OpenAPI document shows. Imported when the API is first
called, as pydantic takes a while to load.
"""

from __future__ import annotations

import json
import math
from io import BytesIO
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import parse_qsl

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError
from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header

from bot_linking.account_link_api.codes import MESSAGES, Code
from bot_linking.core.errors import BotLinkingError, PayloadUnreadable
from bot_linking.core.history import Audit
from bot_linking.core.identifiers import LONGEST, Identifiers
from bot_linking.core.reading import has_hidden_marks, is_unicode, read_json

JSON = "application/json"
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
MOST_FIELDS = 100
LONGEST_REQUEST_ID = 254  # of what is kept; the answer repeats all of it
LONGEST_META = 4096

Fields = dict[str, Any]


class CallRefused(BotLinkingError):
    """A call with one of the protocol's own codes."""

    slug: ClassVar[str] = "call_refused"

    def __init__(self, code: Code, message: str | None = None) -> None:
        super().__init__(message or MESSAGES[code])
        self.code = code


class ContentTypeUnknown(BotLinkingError):
    """The body is in none of the forms of the protocol."""

    slug: ClassVar[str] = "content_type_unknown"


class _Repeated:
    """Stands for a form field that was sent several times: no reader may choose one of them."""


REPEATED = _Repeated()


# The models


def _given(value: Any) -> Any:
    """An empty text is as good as none."""
    return None if value == "" else value


def _psid(value: Any) -> Any:
    if value is None or value == "" or value is REPEATED:
        raise PydanticCustomError("not_given", "no recipient.id")
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)  # in JSON 2.0 is the integer 2
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**64:
        return str(value)
    return value


def _visible(value: str) -> str:
    if has_hidden_marks(value):
        raise PydanticCustomError("hidden_marks", "control characters")
    return value


def _without_hidden_marks(schema: dict[str, Any]) -> None:
    marks = r"[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
    schema["not"] = {"pattern": marks}


_VISIBLE = Field(json_schema_extra=_without_hidden_marks)
Name = Annotated[
    Annotated[str, Field(max_length=LONGEST["username"]), _VISIBLE, AfterValidator(_visible)] | None,
    BeforeValidator(_given),
]
Number = Annotated[
    Annotated[str, Field(max_length=LONGEST["phone_number"]), _VISIBLE, AfterValidator(_visible)] | None,
    BeforeValidator(_given),
]
_DIGITS = "^[0-9]{1,64}$"  # pydantic matches whole, and no line end before the $
PSID = Annotated[
    Annotated[str, Field(pattern=_DIGITS)],
    BeforeValidator(_psid),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": _DIGITS},
                {"type": "integer", "minimum": 0, "maximum": 10**64 - 1},
            ]
        }
    ),
]


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class RequestPart(_Model):
    """Which call it is, and the caller's own notes about it."""

    method: Literal["account_link"]
    id: Any = Field(None, description="The caller's own id for this request, given back.")
    meta: Any = Field(None, description="Reserved; kept with the history of the link.")


class RecipientPart(_Model):
    """Whom it is about."""

    id: PSID = Field(description="The Facebook user id (PSID).", examples=["123456"])


class LinkedPart(_Model):
    """The person has this account: at least one of the three."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": [name], "properties": {name: {"type": "string", "minLength": 1}}}
                for name in LONGEST
            ]
        }
    )
    status: Literal["linked"]
    username: Name = Field(None, description="The site account: user name.", examples=["myaccount"])
    email: Name = Field(None, description="The site account: e-mail address.", examples=["mike@example.com"])
    phone_number: Number = Field(
        None, description="The site account: phone number.", examples=["18900001111"]
    )

    @model_validator(mode="after")
    def _has_one(self) -> LinkedPart:
        if not (self.username or self.email or self.phone_number):
            raise PydanticCustomError("none_given", "no identifier")
        return self


class UnlinkedPart(_Model):
    """The person has no account any more: every identifier goes."""

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
        """What the person is to be linked by; None when they are to be unlinked."""
        part = self.account_linking
        if isinstance(part, UnlinkedPart):
            return None
        return Identifiers(part.username, part.email, part.phone_number)


_PARTS: dict[str, type[BaseModel]] = {
    "request": RequestPart,
    "recipient": RecipientPart,
    "account_linking": LinkedPart,
}
FORM_FIELDS = {
    "timestamp",
    *(f"{part}.{name}" for part, model in _PARTS.items() for name in model.model_fields),
}


# Reading


def read_fields(content_type: str | None, body: bytes) -> Fields:
    """The nested fields of a body, by what its `Content-Type` says and nothing else.

    Raises `ContentTypeUnknown` and `PayloadUnreadable`.
    """
    kind, options = parse_options_header(content_type)
    kind = kind.lower()
    if kind == JSON:
        fields = read_json(body)
        if not isinstance(fields, dict):
            raise PayloadUnreadable("the body is not a JSON object")
        return fields
    if kind == URLENCODED:
        return _nest(_read_urlencoded(body))
    if kind == MULTIPART:
        return _nest(_read_multipart(body, options))
    raise ContentTypeUnknown(f"the Content-Type must be {JSON}, {URLENCODED} or {MULTIPART}")


def _read_urlencoded(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS
        )
    except ValueError:
        raise PayloadUnreadable("the body is not form data in UTF-8") from None


def _read_multipart(body: bytes, options: dict[str, str]) -> list[tuple[str, str]]:
    parser = FormDataParser(lambda *_, **__: BytesIO(), max_form_parts=MOST_FIELDS, silent=False)
    try:
        body.decode("utf-8")
        _, form, _ = parser.parse(BytesIO(body), MULTIPART, len(body), options)
    except (ValueError, LookupError):
        raise PayloadUnreadable("the body is not multipart form data in UTF-8") from None
    return list(form.items(multi=True))


def _nest(pairs: list[tuple[str, str]]) -> Fields:
    """`request.method=...` as `{"request": {"method": ...}}`; a field that was repeated is not valid."""
    fields: Fields = {}
    for dotted, value in pairs:
        if dotted in FORM_FIELDS:
            part, _, name = dotted.rpartition(".")
            at = fields.setdefault(part, {}) if part else fields
            at[name] = REPEATED if name in at else value
    return fields


def request_id_of(fields: Fields) -> str:
    """The caller's id for the request, as text; empty when there is none that could be given back."""
    return _text(_of_request(fields, "id"))


def audit_of(fields: Fields, key_id: str) -> Audit:
    """What the history keeps of a call."""
    meta = _of_request(fields, "meta")
    text = json.dumps(meta) if isinstance(meta, dict | list) else _text(meta)
    request_id = request_id_of(fields)
    return Audit(key_id, _kept(request_id, LONGEST_REQUEST_ID), _kept(text, LONGEST_META))


def _of_request(fields: Fields, name: str) -> Any:
    part = fields.get("request")
    return part.get(name) if isinstance(part, dict) else None


def _text(value: Any) -> str:
    """A scalar as text, nothing else."""
    if isinstance(value, str):
        if not is_unicode(value):
            raise PayloadUnreadable("the body holds text that is not Unicode")
        return value
    if isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return str(value)
    return ""


def _kept(text: str, longest: int) -> str | None:
    return text[:longest].replace("\0", "\N{REPLACEMENT CHARACTER}") or None


# Judging


def judge(fields: Fields) -> AccountLinkCall | CallRefused:
    """The call, or the first thing that is wrong with it by the order of the table."""
    try:
        return AccountLinkCall.model_validate(fields)
    except ValidationError as problem:
        found = {_code_of(error): error for error in reversed(problem.errors(include_input=False))}
    code = next(code for code in Code if code in found)
    return CallRefused(code, _message_of(code, found[code]))


def _code_of(error: ErrorDetails) -> Code:
    match error["loc"]:
        case ("request", *_):
            return Code.METHOD_UNKNOWN
        case ("recipient", "id") if error["type"] not in {"missing", "not_given"}:
            return Code.RECIPIENT_INVALID
        case ("recipient", *_):
            return Code.RECIPIENT_MISSING
        case ("account_linking",):
            return Code.STATUS_INVALID
        case _:
            return Code.IDENTIFIER_INVALID


def _message_of(code: Code, error: ErrorDetails) -> str | None:
    name = error["loc"][2] if len(error["loc"]) > 2 else None
    if code is not Code.IDENTIFIER_INVALID or name not in LONGEST:
        return None
    rule = f"text of 1 to {LONGEST[str(name)]} characters without control characters"
    return f"account_linking.{name} is not valid: it must be {rule}"


def psid_of(fields: Fields) -> str:
    """The `recipient.id` of a call that got as far as having a valid one."""
    return str(_psid(fields["recipient"]["id"]))
