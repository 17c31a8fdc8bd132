"""Masks secrets in the logs of servers and libraries: access logs and urllib3's hold whole query strings."""

from __future__ import annotations

import logging
import re

from bot_linking.core.text import escaped

_NAMES = (
    "account_linking_token|authorization_code|access_token|input_token|appsecret_proof|app_secret|hub\\.verify_token"
    "|verify_token|signed_request|apikey|password|client_secret"
)
# A value ends where its parameter ends; encoded inside another parameter, at the next encoded character.
_IN_AN_ADDRESS = re.compile(rf"(?i)({_NAMES})(?:(=)(?![\"'])[^&\s\"'#]+|(%(?:25)*3D)[^&\s\"'#%]+)")
# `"name": "value"`, `'name': 'value'`, `name='value'`, however often the quotes are escaped.
_QUOTED = re.compile(rf"(?i)((?:{_NAMES})\\*[\"']?\s*[:=]\s*b?\\*[\"'])[^\"'\\]+")
_HEADER = re.compile(r"(?i)\b(bearer\s+)[A-Za-z0-9._~+/|=-]{8,}")
# The secrets in our own addresses: of a web link, an undo, a chat link in m.me's `ref`. A site's own sign-in
# gets them encoded, in the parameter with the way back.
_SLASH = "(?:/|%(?:25)*2F)"
_IN_A_PATH = re.compile(
    rf"(?i)({_SLASH}(?:web|undo){_SLASH}|(?:\b|(?<=%3D))bl\.(?:yes\.|no\.|erase\.)?)[A-Za-z0-9_-]{{16,}}"
)
_ANSWER = re.compile(r"(/oidc\?)[^\s\"']+")  # of an identity provider: a code and a state
_LOGGERS = (
    "gunicorn.access",
    "gunicorn.error",
    "granian.access",
    "_granian",
    "hypercorn.access",
    "hypercorn.error",
    "urllib3",
    "urllib3.connection",
    "urllib3.connectionpool",
    "urllib3.poolmanager",
    "urllib3.util.retry",
    "uvicorn.access",
    "uvicorn.error",
    "waitress",
    "werkzeug",
)
OURS = (
    "bot_linking",
    "bot_linking.account_link_api",
    "bot_linking.callbacks",
    "bot_linking.delivery",
    "bot_linking.external_account",
    "bot_linking.stores",
    "bot_linking.webhook",
    "bot_linking.webview",
)


def redact(text: str) -> str:
    """The text with the values of secret parameters masked: in an address, in JSON, in a traceback."""
    text = _IN_AN_ADDRESS.sub(lambda found: f"{found[1]}{found[2] or found[3]}***", text)
    text = _HEADER.sub(r"\1***", _QUOTED.sub(r"\1***", text))
    return _ANSWER.sub(r"\1***", _IN_A_PATH.sub(r"\1***", text))


_FORMATTER = logging.Formatter()


class _FirstLine(logging.Filter):
    """Cuts PostgreSQL's errors after the first line: the next lines hold whole rows."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = record.getMessage().partition("\n")[0], ()
        return True


class _Redact(logging.Filter):
    """Masks secrets; with `is_ours` also escapes control characters, which could forge a line."""

    def __init__(self, *, is_ours: bool = False) -> None:
        super().__init__()
        self._is_ours = is_ours

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        masked = redact(escaped(text) if self._is_ours else text)
        if masked != text:
            record.msg, record.args = masked, ()
        if record.exc_info and not record.exc_text:  # the host's own code may put anything into an error
            record.exc_text = redact(_FORMATTER.formatException(record.exc_info))
        return True


_FILTER, _OWN_FILTER, _SHORTENER = _Redact(), _Redact(is_ours=True), _FirstLine()


def guard_logs(*names: str) -> None:
    """Mask secrets in our own logs, in those of the usual servers and of urllib3, and in these. A second
    call changes nothing."""
    for name in (*_LOGGERS, *names):
        logging.getLogger(name).addFilter(_FILTER)
    for name in OURS:
        logging.getLogger(name).addFilter(_OWN_FILTER)
    logging.getLogger("psycopg").addFilter(_SHORTENER)
