"""Reads from the headers of Graph's answers how much of a limit is used, and how long to wait.

Source: Graph API, "Rate limits". `X-App-Usage` is an object of percentages. `X-Business-Use-Case-Usage` maps
each business to a list of such objects; their `estimated_time_to_regain_access` is in minutes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

LONGEST_WAIT_S = 86_400
_LONGEST_HEADER = 65_536
_OF_ONE = ("X-App-Usage", "X-Page-Usage")
_OF_MANY = "X-Business-Use-Case-Usage"
_PERCENTAGES = ("call_count", "total_time", "total_cputime")


def percent_used(headers: Mapping[str, str]) -> float | None:
    """The highest percentage in these headers; None without one."""
    shares = [
        float(use[name])
        for use in _uses(headers)
        for name in _PERCENTAGES
        if isinstance(use.get(name), int | float) and not isinstance(use[name], bool) and 0 <= use[name] < 1e6
    ]
    return max(shares, default=None)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from `Retry-After` or else from the longest estimate; None without either."""
    if (headers.get("Retry-After") or "").isdecimal():
        return float(min(int(headers["Retry-After"][:9]), LONGEST_WAIT_S))
    minutes = [use.get("estimated_time_to_regain_access", 0) for use in _uses(headers)]
    try:
        return min(max(minutes, default=0) * 60.0, float(LONGEST_WAIT_S)) or None
    except (TypeError, OverflowError):
        return None


def _uses(headers: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for name in (*_OF_ONE, _OF_MANY):
        yield from _objects_in(_read(headers.get(name)), 0 if name in _OF_ONE else 2)


def _objects_in(value: Any, depth: int) -> Iterator[dict[str, Any]]:
    if depth == 0:
        if isinstance(value, dict):
            yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _objects_in(part, depth - 1)


def _read(header: str | None) -> Any:
    if not header or len(header) > _LONGEST_HEADER:
        return None
    try:
        return json.loads(header)
    except (ValueError, RecursionError):
        return None
