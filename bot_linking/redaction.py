"""Keeps secrets out of logs that others write: access logs hold whole query strings, urllib3's too."""

from __future__ import annotations

import logging
import re

_SECRET = re.compile(
    r"(?i)\b(account_linking_token|authorization_code|access_token|appsecret_proof|hub\.verify_token|apikey)"
    r"(=|%3D|%253D)[^&\s\"'#%]+"
)
_LOGGERS = (
    "werkzeug",
    "urllib3.connectionpool",
    "urllib3.util.retry",
    "gunicorn.access",
    "hypercorn.access",
    "uvicorn.access",
    "waitress",
)


def redact(text: str) -> str:
    """The text with the values of known secret parameters masked."""
    return _SECRET.sub(r"\1\2***", text)


class _Redact(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if (masked := redact(text)) != text:
            record.msg, record.args = masked, ()
        return True


_FILTER = _Redact()


def guard_logs() -> None:
    """Put the mask on the access logs of the usual servers and on urllib3; once is enough."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)
