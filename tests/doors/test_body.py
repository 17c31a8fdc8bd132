"""A request whose body a door has read is for the host as if nobody had."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import pytest
from flask import Flask, Request, request

from bot_linking.doors.body import read_body, this_request

JSON = b'{"a": "\xc3\xa9"}'
FORM = b"a=1&b=%20"


@pytest.mark.parametrize(
    ("kind", "body", "ask", "expected"),
    [
        ("application/json", JSON, lambda: request.get_data(), JSON),
        ("application/json", JSON, lambda: request.get_data(cache=False), JSON),
        ("application/json", JSON, lambda: request.data, JSON),
        ("application/json", JSON, lambda: request.json, {"a": "é"}),
        ("application/json", JSON, lambda: request.stream.read(), JSON),
        ("application/json", JSON, lambda: request.environ["wsgi.input"].read(), JSON),
        ("application/x-www-form-urlencoded", FORM, lambda: request.form.to_dict(), {"a": "1", "b": " "}),
        ("application/json", b"", lambda: request.get_data(), b""),
    ],
)
def test_a_host_gets_the_whole_body_however_it_asks(
    kind: str, body: bytes, ask: Callable[[], object], expected: object
) -> None:
    with Flask("host").test_request_context(method="POST", data=body, content_type=kind):
        assert read_body(this_request(), 1000) == body
        assert ask() == expected
        assert read_body(this_request(), 1000) == body


def test_a_request_that_keeps_its_data_elsewhere_reads_the_same_bytes_again() -> None:
    class Forgetful(Request):
        def __setattr__(self, name: str, value: object) -> None:
            if name != "_cached_data":
                super().__setattr__(name, value)

    app = Flask("host")
    app.request_class = Forgetful
    with app.test_request_context(method="POST", input_stream=BytesIO(JSON), content_length=len(JSON)):
        assert read_body(this_request(), 1000) == JSON
        assert request.get_data() == JSON
