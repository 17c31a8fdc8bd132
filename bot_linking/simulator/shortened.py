"""JSON values for the log, with tokens, codes and long texts cut to their first characters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

_SECRET_NAMES = {
    "access_token",
    "account_linking_token",
    "appsecret_proof",
    "authorization_code",
    "redirect_uri",
}
_KEEP_CHARACTERS = 4
_LONGEST_TEXT = 500


def shortened(value: Any) -> Any:
    """Return the JSON value with tokens, codes and long texts cut to their first characters."""
    if isinstance(value, Mapping):
        return {
            name: _cut(item) if name in _SECRET_NAMES else shortened(item) for name, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [shortened(item) for item in value]
    if isinstance(value, str):
        return _shortened_text(value)
    return value


def _shortened_text(text: str) -> str:
    if text.startswith(("http://", "https://")) and "?" in text:
        parts = urlsplit(text)
        query = [
            (name, _cut(item) if name in _SECRET_NAMES else item) for name, item in parse_qsl(parts.query)
        ]
        text = urlunsplit(parts._replace(query=urlencode(query, safe="…")))
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "…"


def _cut(secret: object) -> str:
    text = str(secret)
    return text[:_KEEP_CHARACTERS] + "…" if len(text) > _KEEP_CHARACTERS else text
