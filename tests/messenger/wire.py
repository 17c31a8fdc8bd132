"""A Graph of bytes: it answers each connection as a test says, and counts the connections."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

Answer = Callable[["Wire", socket.socket], None]


class Wire:
    """Listens on a free loopback port. `answer` is called once for each request."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self._peers: list[object] = []
        self.requests: list[bytes] = []
        self.closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        self.closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for connection in self._open:
            connection.close()

    def count_connections(self) -> int:
        """How many have come. They are accepted in order, so one of our own shows that no other waits."""
        with socket.create_connection(self._listener.getsockname()) as own:
            while own.getsockname() not in self._peers:
                time.sleep(0.01)
            self._peers.remove(own.getsockname())
        return len(self._peers)

    def stall(self) -> None:
        """Send no more bytes until the test is over."""
        self.closing.wait(120)

    def _accept(self) -> None:
        while not self.closing.is_set():
            try:
                connection, peer = self._listener.accept()
            except OSError:
                return
            self._peers.append(peer)
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError):
            while (request := _read_request(connection)) and not self.closing.is_set():
                self.requests.append(request)
                self.answer(self, connection)
            connection.shutdown(socket.SHUT_RDWR)


def _read_request(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = connection.recv(65536)
        if not chunk:
            return b""
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(
        (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def reply(body: bytes = b"{}", status: str = "200 OK", **headers: str) -> bytes:
    """One HTTP answer. Header names have underscores for dashes."""
    given = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items() if value)
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


def always(*answers: bytes) -> Answer:
    """Answer each request with these bytes."""

    def answer(_wire: Wire, connection: socket.socket) -> None:
        connection.sendall(b"".join(answers))

    return answer
