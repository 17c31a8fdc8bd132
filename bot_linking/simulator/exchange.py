"""A request and its answer, whole, as the inspector shows them, and as a command for a shell."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

#: Headers that curl writes unasked, or that only hold for one connection.
_NOT_COPIED = {"accept-encoding", "connection", "content-length", "host"}


@dataclass(frozen=True)
class Exchange:
    """A request with its answer. Nothing is cut: its secrets are throw-away ones of this machine."""

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
