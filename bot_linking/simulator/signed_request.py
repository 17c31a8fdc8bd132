"""``signed_request``, written anew for the simulator: two parts, a dot, base64url without padding."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

ALGORITHM = "HMAC-SHA256"


def sign_request(payload: Mapping[str, Any], app_secret: str) -> str:
    """Return the payload signed: HMAC-SHA256 over the encoded payload, exactly as it is sent."""
    encoded = _encode(json.dumps(payload, separators=(",", ":")).encode())
    signature = hmac.new(app_secret.encode(), encoded, hashlib.sha256).digest()
    return b".".join((_encode(signature), encoded)).decode()


def _encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
