"""A signature is found in any framework's headers; any other value raises a TypeError that says why."""

from __future__ import annotations

from collections.abc import Callable
from email.message import Message
from typing import Any

import pytest
from django.http.request import HttpHeaders
from starlette.datastructures import Headers as StarletteHeaders
from werkzeug.datastructures import EnvironHeaders, Headers

from bot_linking.messenger.headers import header_in, raw_bytes

NAME, VALUE = "X-Hub-Signature-256", "sha256=" + "a" * 64
ENVIRON = {"REQUEST_METHOD": "POST", "HTTP_X_HUB_SIGNATURE_256": VALUE, "wsgi.version": (1, 0)}


def email_message() -> Message:
    message = Message()
    message[NAME] = VALUE
    return message


TAKEN: dict[str, Callable[[], Any]] = {
    "a dict": lambda: {NAME: VALUE},
    "a dict in small letters": lambda: {"x-hub-signature-256": VALUE, "host": "x"},
    "a dict in capitals": lambda: {NAME.upper(): VALUE},
    "a dict of bytes": lambda: {NAME.lower().encode(): VALUE.encode()},
    "ASGI's pairs of bytes": lambda: [(b"host", b"x"), (NAME.lower().encode(), VALUE.encode())],
    "pairs of text": lambda: [(NAME, VALUE)],
    "an iterator of pairs": lambda: iter([(NAME, VALUE)]),
    "pairs as lists": lambda: [[NAME, VALUE]],
    "a WSGI environ": lambda: ENVIRON,
    "Lambda's lists": lambda: {NAME: [VALUE], "Host": ["x", "y"]},
    "Werkzeug's headers": lambda: Headers({NAME: VALUE}),
    "Flask's headers": lambda: EnvironHeaders(ENVIRON),
    "Django's headers": lambda: HttpHeaders(ENVIRON),
    "Django's META": lambda: dict(ENVIRON),
    "Starlette's headers": lambda: StarletteHeaders({NAME: VALUE}),
    "email's message": email_message,
}


@pytest.mark.parametrize("headers", TAKEN.values(), ids=TAKEN.keys())
def test_what_a_framework_has_for_headers_is_taken(headers: Callable[[], Any]) -> None:
    assert header_in(headers(), NAME) == VALUE


@pytest.mark.parametrize(
    "headers",
    [
        {}, [], {"X-Hub-Signature": VALUE}, {NAME: None}, {NAME: 7}, {NAME: []}, {NAME: ["a", "b"]},
        [(NAME, VALUE), (NAME, VALUE)], {NAME: VALUE, NAME.lower(): VALUE}, {7: VALUE},
    ],
    ids=str,
)  # fmt: skip
def test_a_header_that_is_missing_doubled_or_no_text_is_none(headers: Any) -> None:
    assert not header_in(headers, NAME)


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        (None, "not NoneType"), (VALUE, "not str"), (b"x", "not bytes"), (7, "not int"), ([1, 2], "pairs"),
        (["ab", "cde"], "pairs"), ([(1, 2, 3)], "pairs"),
        ({"headers": {NAME: VALUE}, "body": "{}"}, "headers alone"),
        ({"type": "http", "headers": [(b"x", b"y")]}, "headers alone"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_headers_is_a_type_error_that_says_what_to_pass(headers: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        header_in(headers, NAME)


def test_a_body_is_bytes_and_text_is_refused_with_the_reason() -> None:
    assert raw_bytes(b"x") == raw_bytes(bytearray(b"x")) == raw_bytes(memoryview(b"x")) == b"x"
    for body in ("{}", None, 7):
        with pytest.raises(TypeError, match="signature is over the bytes"):
            raw_bytes(body)
