"""Reads the body of a call as its model, from JSON or form data."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import ValidationError

from bot_linking.doors.content import Pairs, read_content
from bot_linking.external_account.errors import FieldRefused
from bot_linking.external_account.models import LONGEST_DATA, RULES, Body, UpdateRequest

LARGEST_BODY = 8 * LONGEST_DATA  # JSON may escape one byte by six
_SWITCHES = {"true": True, "1": True, "false": False, "0": False}

Model = TypeVar("Model", bound=Body)


def read_as(model: type[Model], content_type: str | None, body: bytes) -> Model:
    """Read the body as this model.

    Raises what `doors.content.read_content` raises, and `FieldRefused` with the name of the first wrong
    field.
    """
    content = read_content(content_type, body)
    value = _of_form(content.fields, model) if content.json is None else content.json
    try:
        read = model.model_validate(value)
    except ValidationError as problem:
        raise _refusal_of(problem) from None
    if isinstance(read, UpdateRequest) and not read.changes():
        raise FieldRefused("one of avatar, data and enable is required")
    return read


def _of_form(fields: Pairs, model: type[Model]) -> dict[str, Any]:
    """The fields of a form by name. `enable` becomes a boolean, all others stay text."""
    value: dict[str, Any] = {}
    for name, text in fields:
        if name in value and name in model.model_fields:
            raise FieldRefused(f"{name} is sent twice")
        value[name] = _SWITCHES.get(text, text) if name == "enable" else text
    return value


def _refusal_of(problem: ValidationError) -> FieldRefused:
    """A sentence that names the field and never repeats its value."""
    error = problem.errors(include_input=False, include_url=False)[0]
    name = str(error["loc"][0])
    if error["type"] == "missing":
        return FieldRefused(f"{name} is required: it {RULES[name]}")
    if error["type"] == "extra_forbidden":
        return FieldRefused(f"{json.dumps(name[:50]).strip(chr(34))} cannot be updated")
    return FieldRefused(f"{name} {RULES[name]}")
