"""Reads a request's body up to a limit, and makes answers that no cache keeps."""

from __future__ import annotations

import json
from functools import cached_property
from io import BytesIO
from typing import Any

from flask import Request, Response, request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.utils import cached_property as werkzeug_cached_property

from bot_linking.core.errors import PayloadTooLarge, PayloadUnreadable
from bot_linking.doors.callers import Callers

NO_STORE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_READ_ALREADY = ("stream", "_cached_data")  # attributes of a request whose body was read
_LONGEST_NUMBER = 9  # digits of a Content-Length that are worth reading


def this_request() -> Request:
    """The request itself. Flask's proxy would look it up again for each attribute."""
    return request._get_current_object()  # type: ignore[attr-defined, no-any-return]


def read_body(this: Request, most: int) -> bytes:
    """The body, of at most `most` bytes, or of the host's own limit where that is lower. The request keeps
    it: later readers find it, whether they ask for data, JSON, a form or the stream.

    Raises `PayloadTooLarge` without reading beyond the limit, and Werkzeug's `ClientDisconnected` for a body
    that ends too soon.
    """
    length = this.environ.get("CONTENT_LENGTH", "")
    is_told = length.isdecimal() and len(length) <= _LONGEST_NUMBER
    limit = _limit(this, most)
    if not is_told or int(length) > most or "HTTP_TRANSFER_ENCODING" in this.environ:
        this.max_content_length = limit + 1  # Werkzeug cuts chunks at its limit without an error
    elif int(length) <= limit and vars(this).keys().isdisjoint(_READ_ALREADY):
        return _read_at_once(this, int(length))
    try:
        body = this.get_data()
    except RequestEntityTooLarge:
        body = None
    if body is None or len(body) > limit:
        raise PayloadTooLarge(f"the body is larger than {limit} bytes")
    vars(this)["stream"] = this.environ["wsgi.input"] = BytesIO(body)  # both were read to their end
    return body


def read_call(most: int) -> bytes:
    """This request's body. Raises `PayloadTooLarge`, and `PayloadUnreadable` where it ends too soon."""
    try:
        return read_body(this_request(), most)
    except ClientDisconnected:
        raise PayloadUnreadable("the body ended too soon") from None


def address_by(callers: Callers) -> str:
    """The address of this request's caller, behind the proxies that are trusted."""
    return callers.address_of(request.remote_addr, request.headers.getlist("X-Forwarded-For"))


def _limit(this: Request, most: int) -> int:
    hosts = this.max_content_length
    return most if hosts is None else min(hosts, most)


def _read_at_once(this: Request, length: int) -> bytes:
    """Read from the WSGI stream. Werkzeug's wrappers take longer than checking a signature. The request finds
    the bytes where `get_data` keeps them, and where it would read them."""
    stream, parts, left = this.environ["wsgi.input"], list[bytes](), length
    try:
        while left and (part := stream.read(left)):
            parts.append(part)
            left -= len(part)
    except (OSError, ValueError):
        raise ClientDisconnected from None
    if left:
        raise ClientDisconnected
    body = b"".join(parts)
    this.environ["wsgi.input"] = BytesIO(body)
    this._cached_data = body  # a Werkzeug that keeps them elsewhere reads the input again
    return body


def replace_body(this: Request, body: bytes) -> None:
    """Replace the request's body by these bytes, and drop what the request has cached of the old one."""
    for name in [name for name in vars(this) if name.startswith("_cached_") or _is_cached(this, name)]:
        del vars(this)[name]
    this.environ["wsgi.input"], this.environ["CONTENT_LENGTH"] = BytesIO(body), str(len(body))
    this.environ.pop("HTTP_TRANSFER_ENCODING", None)


def _is_cached(this: Request, name: str) -> bool:
    return isinstance(getattr(type(this), name, None), (cached_property, werkzeug_cached_property))


def answer_json(status: int, value: Any) -> Response:
    """A JSON answer that no cache keeps."""
    answer = Response(json.dumps(value), status, content_type="application/json")
    for name, text in NO_STORE.items():  # one by one: Werkzeug takes longer to read a mapping
        answer.headers.add(name, text)
    return answer
