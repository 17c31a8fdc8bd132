"""Keeps secrets out of logs that others write: access logs hold whole query strings, urllib3's too."""

from __future__ import annotations

import logging
import re

_NAMES = "account_linking_token|authorization_code|access_token|appsecret_proof|hub\\.verify_token|apikey"
# A value ends with its parameter; where it stands encoded inside another one, with the next encoded sign.
_SECRET = re.compile(rf"(?i)({_NAMES})(?:(=)[^&\s\"'#]+|(%(?:25)*3D)[^&\s\"'#%]+)")
_LOGGERS = (
    "werkzeug",
    "urllib3.connectionpool",
    "urllib3.util.retry",
    "gunicorn.access",
    "hypercorn.access",
    "uvicorn.access",
    "waitress",
    "bot_linking",
    "bot_linking.account_link_api",
    "bot_linking.delivery",
    "bot_linking.webhook",
    "bot_linking.webview",
)


def redact(text: str) -> str:
    """The text with the values of known secret parameters masked."""
    return _SECRET.sub(lambda found: f"{found[1]}{found[2] or found[3]}***", text)


_FORMATTER = logging.Formatter()


class _FirstLine(logging.Filter):
    """PostgreSQL's errors say what is wrong in their first line, and in the next ones whole rows."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = record.getMessage().partition("\n")[0], ()
        return True


class _Redact(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if (masked := redact(text)) != text:
            record.msg, record.args = masked, ()
        if record.exc_info and not record.exc_text:  # the host's own code may put anything into an error
            record.exc_text = redact(_FORMATTER.formatException(record.exc_info))
        return True


_FILTER, _SHORTENER = _Redact(), _FirstLine()


def guard_logs() -> None:
    """Put the mask on the access logs of the usual servers and on urllib3; once is enough."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)
    logging.getLogger("psycopg").addFilter(_SHORTENER)
