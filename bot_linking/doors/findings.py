"""One thing that a check found."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Finding(NamedTuple):
    """`state` is `ok`, `wrong`, or `note` for what may be intended; `what` is the sentence."""

    state: Literal["ok", "wrong", "note"]
    what: str
