"""Shared by these tests: a small bot that listens, a clock to turn, and a client of the Graph API."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import requests
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from bot_linking.simulator import Simulator

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

ADA = "24680135791357"
GRACE = "24680135792468"


def template(kind: str, **payload: object) -> dict[str, Any]:
    """A message with a template."""
    return {"attachment": {"type": "template", "payload": {"template_type": kind, **payload}}}


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:
        pass


class ReceivingBot:
    """Keeps every webhook that it gets, and checks the signature by code of its own."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.signatures: list[str] = []
        self.verify_token = ""
        self.statuses: list[int] = []  # what to answer next; 200 when empty
        self.answer: Callable[[dict[str, Any]], None] | None = None
        self.pages: dict[str, Callable[[Request], Response]] = {}
        self._server = make_server("127.0.0.1", 0, self._app, threaded=True, request_handler=_Quiet)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.port}"
        self.webhook_url = f"{self.url}/webhook"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def events(self) -> list[dict[str, Any]]:
        return [
            event
            for body in list(self.bodies)
            for entry in json.loads(body)["entry"]
            for event in entry["messaging"]
        ]

    @staticmethod
    def expected_signature(body: bytes, secret: str) -> str:
        return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()

    def _app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        page = self.pages.get(request.path)
        response = page(request) if page else self._webhook(request)
        return response(environ, start_response)

    def _webhook(self, request: Request) -> Response:
        if request.method == "GET":
            right = request.args.get("hub.verify_token") == self.verify_token
            return Response(request.args["hub.challenge"]) if right else Response(status=403)
        body = request.get_data()
        self.signatures.append(request.headers.get("X-Hub-Signature-256", ""))
        self.bodies.append(body)
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 200 and self.answer:
            for entry in json.loads(body)["entry"]:
                for event in entry["messaging"]:
                    self.answer(event)
        return Response("EVENT_RECEIVED", status=status)


class Clock:
    """A clock that a test can turn forward."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self._stands_at: float | None = None

    def stand_still(self) -> None:
        """Go on only where a test turns it: a slow machine takes no time."""
        self._stands_at = time.time()

    def __call__(self) -> float:
        return (time.time() if self._stands_at is None else self._stands_at) + self.ahead


class GraphClient:
    """Calls the simulator's Graph API as a bot does."""

    def __init__(self, sim: Simulator) -> None:
        self.sim = sim

    def call(self, method: str, path: str, *, token: str | None = None, **kwargs: Any) -> requests.Response:
        params = {"access_token": self.sim.page_access_token if token is None else token}
        params.update(kwargs.pop("params", {}))
        return requests.request(method, f"{self.sim.url}/{path}", params=params, timeout=30, **kwargs)

    def send(self, message: object, psid: str = ADA, **extra: object) -> requests.Response:
        body = {"recipient": {"id": psid}, "messaging_type": "RESPONSE", "message": message, **extra}
        return self.call("POST", "v26.0/me/messages", json=body)
