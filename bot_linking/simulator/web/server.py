"""The simulator's HTTP server: a thread on a loopback address, and the rules that hold for every request."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask, Response, abort, request
from werkzeug.exceptions import HTTPException
from werkzeug.serving import WSGIRequestHandler, make_server

from .. import safety
from ..engine import Engine
from ..ports import port_of
from .chat_routes import add_chat_page
from .guards import POLICY
from .messenger_routes import add_graph, add_messenger
from .verb_routes import add_verbs

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_LARGEST_BODY = 1024 * 1024
_POLL_S = 0.02  # between two looks whether the server must stop


class _QuietHandler(WSGIRequestHandler):
    """Serves without an access log: query strings carry tokens and codes."""

    def log(self, type: str, message: str, *args: object) -> None:
        """Say nothing."""


def closing_each_body(app: WSGIApplication) -> WSGIApplication:
    """The app, with each body, and so each file, closed by its end. Werkzeug's server closes none where a
    browser that goes away resets the connection."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = app(environ, start_response)
        try:
            yield from body
        finally:
            if hasattr(body, "close"):
                body.close()

    return answer


class Server:
    """A thread that serves ``engine`` at the address of ``listener``, which it takes over."""

    def __init__(self, engine: Engine, listener: socket.socket) -> None:
        self.port = port_of(listener)
        with listener:
            self._server = make_server(
                engine.host,
                self.port,
                closing_each_body(build_app(engine)),
                threaded=True,
                request_handler=_QuietHandler,
                fd=listener.fileno(),
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL_S,), daemon=True)

    def start(self) -> None:
        """Begin to serve in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and free the port."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def build_app(engine: Engine) -> Flask:
    """Build the WSGI application around ``engine``."""
    app = Flask(__name__, static_url_path="/simulator/static")
    app.config["MAX_CONTENT_LENGTH"] = _LARGEST_BODY
    app.before_request(_refuse_strangers)
    app.after_request(_harden)
    app.register_error_handler(HTTPException, _in_a_sentence)
    add_chat_page(app, engine)
    add_verbs(app, engine)
    add_messenger(app, engine)
    add_graph(app, engine)
    return app


def _refuse_strangers() -> None:
    """Refuse other machines, and other names that resolve to this machine (DNS rebinding)."""
    if not safety.is_loopback(request.remote_addr or ""):
        abort(403, "The simulator answers this machine only.")
    if not safety.is_loopback_host_header(request.headers.get("Host", "")):
        abort(403, "The simulator answers to loopback names only.")


def _in_a_sentence(problem: HTTPException) -> tuple[Response, int]:
    sentence = problem.description or problem.name
    return Response(f"{sentence}\n", mimetype="text/plain"), problem.code or 500


def _harden(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", POLICY + "'none'")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    return response
