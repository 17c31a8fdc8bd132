"""A request and its answer, whole: what the inspector shows, and what can be copied from it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

#: Headers that curl writes unasked, or that only hold for one connection.
_NOT_COPIED = {"accept-encoding", "connection", "content-length", "host"}


@dataclass(frozen=True)
class Exchange:
    """The secrets in it are throw-away ones of this machine, so nothing is cut."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    status: int | None = None
    answer_headers: Mapping[str, str] = field(default_factory=dict)
    answer: str = ""

    @property
    def curl(self) -> str:
        """The command that makes the same request from a shell."""
        words = ["curl", "-i", "-X", self.method, self.url]
        for name, value in self.headers.items():
            if name.lower() not in _NOT_COPIED:
                words += ["-H", f"{name}: {value}"]
        if self.body:
            words += ["--data-binary", self.body]
        return shlex.join(words)
