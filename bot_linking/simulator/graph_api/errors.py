"""Errors in the Graph API's shape."""

from __future__ import annotations

import secrets
from typing import Any


class GraphError(Exception):
    """A refusal: ``status`` is the HTTP status, the rest goes into ``{"error": {...}}``."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        subcode: int | None = None,
        status: int = 400,
        kind: str = "OAuthException",
        transient: bool | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.subcode = subcode
        self.status = status
        self.kind = kind
        self.transient = transient
        self.retry_after = retry_after

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON body, with a new ``fbtrace_id``."""
        error: dict[str, Any] = {"message": self.message, "type": self.kind, "code": self.code}
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        if self.transient is not None:
            error["is_transient"] = self.transient
        return {"error": {**error, "fbtrace_id": "A" + secrets.token_urlsafe(16)}}


def refused(message: str, subcode: int | None = None) -> GraphError:
    """Build the answer to a bad parameter: code 100."""
    return GraphError(100, f"(#100) {message}", subcode=subcode)
