"""Reads the headers and the query of any framework, and checks that a body is raw bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs

Headers = Mapping[str, Any] | Mapping[bytes, Any] | Iterable[tuple[Any, Any]]

Query = Mapping[str, Any] | str | bytes | None

CONTENT_TYPE = "Content-Type"
MOST_PARAMETERS = 100

_WANTED = "a mapping, or pairs of names and values, as the framework has them"


def header_in(headers: Headers, name: str) -> str | None:
    """The header's value, its name in any letter case; None when it is missing or there are several.

    Takes the maps of Flask, Django, Starlette, Quart, aiohttp and `email`; ASGI's pairs of bytes; a WSGI
    environ (`HTTP_...`); and maps to lists, as AWS Lambda's `multiValueHeaders`. Raises `TypeError` for
    anything else.
    """
    names = {name.lower(), "http_" + name.lower().replace("-", "_")}
    if name == CONTENT_TYPE:
        names.add("content_type")  # of a WSGI environ
    found: list[Any] = []
    for key, value in _pairs(headers):
        if _text(key).lower() in names:
            found += value if isinstance(value, (list, tuple)) else [value]
    return _text(found[0]) if len(found) == 1 else None


def _pairs(headers: Any) -> list[tuple[Any, Any]]:
    if isinstance(headers, (str, bytes)) or not (hasattr(headers, "items") or hasattr(headers, "__iter__")):
        raise TypeError(f"headers must be {_WANTED}, not {type(headers).__name__}")
    if isinstance(headers, Mapping) and isinstance(headers.get("headers"), (Mapping, list, tuple)):
        raise TypeError(
            'headers must be the headers alone, not the event or scope around them: pass its ["headers"]'
        )
    try:
        pairs = headers.items() if hasattr(headers, "items") else headers
        return [(key, value) for key, value in pairs]
    except (TypeError, ValueError):
        raise TypeError(f"headers must be {_WANTED}") from None


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value if isinstance(value, str) else ""


def parameters_in(query: Query) -> Mapping[str, Any]:
    """The parameters of a query: a framework's map, or the query itself as text (WSGI) or bytes (ASGI). None,
    as AWS Lambda has it, is an empty one. Raises `TypeError` for anything else."""
    if query is None:
        return {}
    if isinstance(query, (str, bytes)):
        try:
            return parse_qs(_text(query).removeprefix("?"), True, max_num_fields=MOST_PARAMETERS)
        except ValueError:
            return {}
    if not hasattr(query, "get"):
        raise TypeError(f"query must be a mapping, text or bytes, not {type(query).__name__}")
    return query


def raw_bytes(body: Any) -> bytes:
    """The body as bytes. Raises `TypeError` for text, whose bytes are lost."""
    if isinstance(body, bytes):
        return body
    if isinstance(body, (bytearray, memoryview)):
        return bytes(body)
    raise TypeError(
        f"body must be the raw bytes as they came, not {type(body).__name__}: the signature is over the bytes"
    )
