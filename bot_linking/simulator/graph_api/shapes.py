"""The shapes of JSON values that Graph accepts; anything else is refused with code 100."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import refused


def mapping(name: str, value: object) -> Mapping[str, Any]:
    """Return ``value``, or raise ``GraphError`` when it is no object."""
    if not isinstance(value, Mapping):
        raise refused(f"{name} must be an object")
    return value


def listing(name: str, value: object, at_least: int, at_most: int) -> list[Any]:
    """Return ``value``, or raise ``GraphError`` when it is no list of that length."""
    if not isinstance(value, list) or not at_least <= len(value) <= at_most:
        raise refused(f"{name} must be a list of {at_least} to {at_most}")
    return value


def text(name: str, value: object, limit: int) -> None:
    """Raise ``GraphError`` unless ``value`` is text of one to ``limit`` characters."""
    if not isinstance(value, str) or not value:
        raise refused(f"The {name} must be a text that is not empty")
    if len(value) > limit:
        raise refused(f"The {name} has {len(value)} characters; {limit} are allowed")


def one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    """Raise ``GraphError`` unless ``value`` is one of ``allowed``."""
    if value not in allowed:
        raise refused(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
