"""A server for the bot under test, whose address is known before the bot exists."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from werkzeug.serving import make_server

from bot_linking.simulator.web.server import closing_each_body

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from flask import Flask

POLL_S = 0.02


class BotServer:
    """An HTTP server on a free loopback port for one Flask app.

    `url` is known at once, for `BOT_LINKING_PUBLIC_URL`; until `serve` is given the app, the answer is 503.
    Leaving the context ends the server and the app's delivery threads.
    """

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._app: Flask | None = None
        self._server = make_server(host, 0, closing_each_body(self._answer), threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(POLL_S,), daemon=True)
        self._thread.start()
        self.url = f"http://{host}:{self._server.port}"

    def serve(self, app: Flask) -> None:
        """Let this app answer from now on."""
        self._app = app

    def close(self) -> None:
        """Stop serving and delivering."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        linking = self._app.extensions.get("bot_linking") if self._app is not None else None
        if self._app is not None and linking is not None:
            with self._app.app_context():
                linking.delivery.stop()

    def __enter__(self) -> BotServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if self._app is None:
            start_response("503 Service Unavailable", [("Content-Type", "text/plain")])
            return [b"no app is served yet\n"]
        return self._app(environ, start_response)
