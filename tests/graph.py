"""A Graph over real HTTP that answers by a test's script."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.wire import OTHER_PSID, OTHER_TOKEN, PAGE, PSID, TOKEN


@dataclass
class GraphCall:
    """One call that reached the scripted Graph."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]


class ScriptedGraph:
    """A Graph over real HTTP that answers what a test tells it to."""

    def __init__(self, server: HTTPServer) -> None:
        self.url = server.url_for("").rstrip("/")
        self.owners = {TOKEN: PSID, OTHER_TOKEN: OTHER_PSID}
        self.names = {PSID: ("Ada", "L."), OTHER_PSID: ("Grace", "H.")}
        self.page_id = PAGE
        self.down = False
        self.failures: dict[str, dict[str, Any]] = {}  # path -> error, until it is taken away
        self.calls: list[GraphCall] = []
        server.expect_request(re.compile(".*")).respond_with_handler(self._answer)

    @property
    def sent(self) -> list[dict[str, Any]]:
        """The bodies of the messages that were sent."""
        return [call.body for call in self.calls if call.path == "me/messages"]

    def calls_to(self, path: str) -> list[GraphCall]:
        return [call for call in self.calls if call.path == path]

    def _answer(self, request: Request) -> Response:
        path = request.path.removeprefix("/v26.0/")
        body = request.get_json(silent=True)
        self.calls.append(
            GraphCall(request.method, path, dict(request.args), body, dict(request.headers.items()))
        )
        if self.down:
            return as_json({"error": {"code": 2, "message": "down", "is_transient": True}}, 503)
        if path in self.failures:
            return as_json({"error": {"message": "scripted", **self.failures[path]}}, 400)
        return self._node(request, path, body)

    def _node(self, request: Request, path: str, body: Any) -> Response:
        if path == "me/messages":
            return as_json({"recipient_id": body["recipient"]["id"], "message_id": f"m_{len(self.calls)}"})
        if path == "me/unlink_accounts":
            return as_json({"result": "unlink account success"})
        if path == "me" and "account_linking_token" in request.args:
            psid = self.owners.get(request.args["account_linking_token"])
            if psid is None:
                return as_json({"error": {"code": 10303, "message": "Invalid account_linking_token"}}, 400)
            return as_json({"id": self.page_id, "recipient": psid})
        if path in self.names:
            first, last = self.names[path]
            return as_json({"id": path, "first_name": first, "last_name": last})
        return as_json({"id": self.page_id})


def as_json(value: object, status: int = 200) -> Response:
    return Response(json.dumps(value), status, content_type="application/json")
