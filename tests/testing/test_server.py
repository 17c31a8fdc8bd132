"""The server of a test's bot."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator

from flask import Flask, Response

from bot_linking.testing import BotServer
from tests.children import LIMIT_S

RESET_AT_ONCE = struct.pack("ii", 1, 0)


def test_a_body_is_closed_though_the_browser_resets_the_connection_at_its_end(bot_server: BotServer) -> None:
    """Werkzeug's own server leaves it open: files would stay until they are collected."""
    is_gone, is_closed = threading.Event(), threading.Event()
    app = Flask("files")

    @app.get("/")
    def file() -> Response:
        def body() -> Iterator[bytes]:
            yield b"some"
            is_gone.wait(LIMIT_S)

        response = Response(body(), headers={"Content-Length": "4"})
        response.call_on_close(is_closed.set)
        return response

    bot_server.serve(app)
    host, port = bot_server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as browser:
        browser.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        received = b""
        while not received.endswith(b"some"):
            received += browser.recv(1000)
        browser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_ONCE)
    is_gone.set()
    assert is_closed.wait(LIMIT_S)
