"""What a check finds, and how it is said."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Finding(NamedTuple):
    """`ok`, `wrong`, or `note` where it may be meant so."""

    state: Literal["ok", "wrong", "note"]
    what: str
