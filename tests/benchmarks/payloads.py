"""What Messenger would send: bodies, signed, as WSGI environs and as bytes on the wire."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable
from io import BytesIO
from typing import Any

SECRET = "benchmark-app-secret"
PAGE = "1067280970047460"
ORDINARY_SIZE = 1300
FIRST_PSID, PSID_STEP = 5_000_000_000_000_000, 7_919
_MS = 1_700_000_000_000


def psid(number: int) -> str:
    return str(FIRST_PSID + number * PSID_STEP)


def code(number: int) -> str:
    return f"authorization-code-{number:012}"


def digest(number: int) -> str:
    return hashlib.sha256(code(number).encode()).hexdigest()


def ordinary(events: int = 1, first: int = 0) -> bytes:
    """A webhook of ordinary messages; a single one is padded to 1.3 KB."""
    text = "x" * (ORDINARY_SIZE - 238 if events == 1 else 20)
    return _payload(
        {"message": {"mid": f"m_{number:012}", "text": text}} | _parties(number)
        for number in range(first, first + events)
    )


def in_chinese() -> bytes:
    """A webhook of one message that is all escapes, of the ordinary size."""
    text = "\u4f60" * ((ORDINARY_SIZE - 238) // 6)
    return _payload([{"message": {"mid": "m_000000000000", "text": text}} | _parties(0)])


def linking(numbers: Iterable[int]) -> bytes:
    """A webhook of `linked` events; event n brings code n for person n."""
    return _payload(
        {"account_linking": {"status": "linked", "authorization_code": code(number)}} | _parties(number)
        for number in numbers
    )


def signature(body: bytes) -> str:
    return "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()


def environ(body: bytes, path: str = "/webhook", *, signed: str | None = None) -> dict[str, Any]:
    """A WSGI environ but for `wsgi.input`."""
    return {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        "HTTP_USER_AGENT": "facebookplatform/1.0 (+http://developers.facebook.com)",
        "HTTP_X_HUB_SIGNATURE_256": signed or signature(body),
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": BytesIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


def wire(body: bytes, path: str = "/webhook") -> bytes:
    """The same as an HTTP/1.1 request on a connection that is kept."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: facebookplatform/1.0\r\n"
        f"X-Hub-Signature-256: {signature(body)}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _parties(number: int) -> dict[str, Any]:
    return {"sender": {"id": psid(number)}, "recipient": {"id": PAGE}, "timestamp": _MS + number}


def _payload(events: Iterable[dict[str, Any]]) -> bytes:
    entry = {"id": PAGE, "time": _MS, "messaging": list(events)}
    return json.dumps({"object": "page", "entry": [entry]}, separators=(",", ":")).encode()
