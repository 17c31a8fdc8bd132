"""Makes the OpenAPI 3.1 document of the doors that a program calls, from the models that validate the calls.

Import it late: pydantic is slow to load.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

VERSION = "3.1.0"
RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
_REF = "#/components/schemas/"

Model = type[BaseModel]
Schema = dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """One answer: what it means, its model, and the headers that come with it."""

    meaning: str
    model: Model
    headers: Mapping[str, Schema] = field(default_factory=dict)


@dataclass(frozen=True)
class Operation:
    """One method of one path.

    `bodies` maps a content type to the model that validates it. Content types in `flat` are shown as form
    data, with dotted names. `security` is the name of a scheme and its definition.
    """

    method: str
    path: str
    name: str
    summary: str
    bodies: Mapping[str, Model]
    replies: Mapping[int, Reply]
    security: tuple[str, Schema]
    flat: frozenset[str] = frozenset()
    description: str = ""
    parameters: Sequence[Schema] = ()


def document(operations: Sequence[Operation], *, server: str) -> Schema:
    """The document of these operations, on the server at this address."""
    models = {model for each in operations for model in _models_of(each)}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, made = models_json_schema([(model, "validation") for model in ordered], ref_template=_REF + "{model}")
    schemas = made["$defs"]
    paths: Schema = {}
    for each in operations:
        paths.setdefault(each.path, {})[each.method] = _describe(each, schemas)
    return {
        "openapi": VERSION,
        "info": {"title": "bot_linking", "version": version("bot-linking")},
        "servers": [{"url": server}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": dict(each.security for each in operations),
        },
    }


def _models_of(operation: Operation) -> set[Model]:
    return {*operation.bodies.values(), *(reply.model for reply in operation.replies.values())}


def _describe(operation: Operation, schemas: Schema) -> Schema:
    described: Schema = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": operation.description,
        "security": [{operation.security[0]: []}],
        "responses": {str(status): _reply(reply) for status, reply in operation.replies.items()},
    }
    if operation.parameters:
        described["parameters"] = list(operation.parameters)
    if operation.bodies:
        content = {
            kind: {"schema": _flat(_ref(model), schemas) if kind in operation.flat else _ref(model)}
            for kind, model in operation.bodies.items()
        }
        described["requestBody"] = {"required": True, "content": content}
    return described


def _reply(reply: Reply) -> Schema:
    described: Schema = {
        "description": reply.meaning,
        "content": {"application/json": {"schema": _ref(reply.model)}},
    }
    if reply.headers:
        described["headers"] = dict(reply.headers)
    return described


def _ref(model: Model) -> Schema:
    return {"$ref": _REF + model.__name__}


# Nested objects as form data


def _flat(schema: Schema, schemas: Schema) -> Schema:
    """The same object as form data: dotted names for nested fields, and text for each value."""
    whole = _resolved(schema, schemas)
    flat: Schema = {"type": "object", "properties": {}, "allOf": []}
    for name, nested in whole["properties"].items():
        options = [_resolved(option, schemas) for option in nested.get("oneOf", [nested])]
        if all(option.get("type") == "object" for option in options):
            flat["allOf"].append({"anyOf": [_dotted(name, option) for option in options]})
        else:
            flat["properties"][name] = _as_text(nested)
    flat["required"] = [name for name in whole.get("required", ()) if name in flat["properties"]]
    if "anyOf" in whole:
        flat["allOf"].append({"anyOf": [_renamed("", rule) for rule in whole["anyOf"]]})
    if "additionalProperties" in whole:
        flat["additionalProperties"] = whole["additionalProperties"]
    return {name: each for name, each in flat.items() if each != []}


def _resolved(schema: Schema, schemas: Schema) -> Schema:
    ref = schema.get("$ref")
    return schemas[ref.removeprefix(_REF)] if ref else schema


def _dotted(part: str, schema: Schema) -> Schema:
    """A nested object's fields under dotted names, with the rules about them."""
    flat: Schema = {
        "type": "object",
        "properties": {f"{part}.{name}": _as_text(each) for name, each in schema["properties"].items()},
        "required": [f"{part}.{name}" for name in schema.get("required", ())],
    }
    if "anyOf" in schema:
        flat["anyOf"] = [_renamed(part, rule) for rule in schema["anyOf"]]
    return flat


def _renamed(part: str, rule: Schema) -> Schema:
    """A rule about some fields, under their dotted names."""
    before = f"{part}." if part else ""
    return {
        "required": [before + name for name in rule["required"]],
        "properties": {before + name: _as_text(each) for name, each in rule.get("properties", {}).items()},
    }


def _as_text(schema: Schema) -> Schema:
    """A value as form data: the alternative that is text, and for a boolean its spellings."""
    if schema.get("type") == "boolean":
        return {"type": "string", "enum": ["true", "false", "1", "0"]}
    texts = [each for each in schema.get("anyOf", ()) if each.get("type") == "string"]
    described = {name: each for name, each in schema.items() if name not in {"anyOf", "default"}}
    if not texts and "type" not in described:
        return {"type": "string", **described}
    return {**(texts[0] if texts else {}), **described}
