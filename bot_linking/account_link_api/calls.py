"""Reads a call, as JSON or form data, and judges it in the order of the code table.

Import it late: pydantic is slow to load.
"""

from __future__ import annotations

import json
import math
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bot_linking.account_link_api.codes import Code
from bot_linking.account_link_api.models import FORM_FIELDS, PARTS, REPEATED, AccountLinkCall
from bot_linking.account_link_api.refusals import CallRefused
from bot_linking.core.errors import BotLinkingError, PayloadUnreadable
from bot_linking.core.history import Audit
from bot_linking.core.identifiers import LONGEST
from bot_linking.core.reading import is_unicode
from bot_linking.doors.content import Pairs, read_content

LONGEST_REQUEST_ID = 254  # in the history; the answer repeats the whole id
LONGEST_META = 4096

Fields = dict[str, Any]

_ROUNDED = "is a number beyond 2^53 - 1, which a client may have rounded: send it as text"
_NESTED = 'in JSON the fields are nested, {"request": {"method": "account_link"}}; dotted names are for forms'


def read_fields(content_type: str | None, body: bytes) -> Fields:
    """The fields of a body, nested. Raises what `doors.content.read_content` raises."""
    content = read_content(content_type, body)
    return _nest(content.fields) if content.json is None else content.json


def _nest(pairs: Pairs) -> Fields:
    """`request.method=...` as `{"request": {"method": ...}}`; a repeated field becomes `REPEATED`."""
    fields: Fields = {}
    for dotted, value in pairs:
        if dotted in FORM_FIELDS:
            part, _, name = dotted.rpartition(".")
            at = fields.setdefault(part, {}) if part else fields
            at[name] = REPEATED if name in at else value
    return fields


def request_id_of(fields: Fields) -> str:
    """The caller's id for the request, as text; empty for none, and for a value that is no text or number."""
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
    """A text, number or boolean as text; empty for any other value. Raises `PayloadUnreadable`."""
    if isinstance(value, str):
        if not is_unicode(value):
            raise PayloadUnreadable("the body holds text that is not Unicode")
        return value
    if isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return str(value)
    return ""


def _kept(given: str, longest: int) -> str | None:
    return given[:longest].replace("\0", "\N{REPLACEMENT CHARACTER}") or None


def judge(fields: Fields) -> AccountLinkCall | BotLinkingError:
    """The call, or its first problem by the order of the code table."""
    try:
        return AccountLinkCall.model_validate(fields)
    except ValidationError as problem:
        found = {_code_of(error): error for error in reversed(problem.errors(include_input=False))}
    code = next(code for code in Code if code in found)
    error = found[code]
    if code is Code.IDENTIFIER_INVALID and error["type"] == "rounded":
        return PayloadUnreadable(f"account_linking.{error['loc'][-1]} {_ROUNDED}")
    return CallRefused(code, _sentence_of(code, error, fields))


def is_about_a_valid_person(call: AccountLinkCall | BotLinkingError) -> bool:
    """Whether a call has a valid `recipient.id`."""
    return not isinstance(call, CallRefused) or call.code in _JUDGED_AFTER_THE_PERSON


def psid_of(fields: Fields) -> str:
    """The `recipient.id` of a call that has a valid one."""
    given = fields["recipient"]["id"]
    return given if isinstance(given, str) else str(int(given))


_JUDGED_AFTER_THE_PERSON = {Code.STATUS_INVALID, Code.IDENTIFIER_INVALID}


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


def _sentence_of(code: Code, error: ErrorDetails, fields: Fields) -> str:
    """The code's sentence, or one that names the field or what the caller meant."""
    sentence = code.sentence
    name = error["loc"][2] if len(error["loc"]) > 2 else None
    if code is Code.IDENTIFIER_INVALID and name in LONGEST:
        rule = f"text of 1 to {LONGEST[str(name)]} characters without control characters"
        sentence = f"account_linking.{name} is not valid: it must be {rule}"
    elif code is Code.RECIPIENT_INVALID and error["type"] == "rounded":
        sentence = f"Invalid Facebook user id: recipient.id {_ROUNDED}"
    return f"{sentence}; {_NESTED}" if _has_dotted_names(fields) else sentence


def _has_dotted_names(fields: Fields) -> bool:
    """Whether JSON names a part as a form does, also inside the part."""
    places = [fields, *(part for part in fields.values() if isinstance(part, dict))]
    dotted = (name for place in places for name in place if "." in name)
    return any(name.partition(".")[0].lower() in PARTS for name in dotted)
