"""The simulator's stand-ins for Facebook's addresses: the end of a login, m.me, the SDK, the Graph API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, abort, jsonify, render_template, request, send_from_directory

from ..engine import Engine
from ..graph_api.call import GraphRequest
from ..links import M_ME_PATH, read_link
from ..login import RETURN_PATH, Outcome
from .chat_routes import render_page
from .guards import LOOPBACK, POLICY

#: The stand-in for Facebook's SDK of Messenger Extensions, at Facebook's own path in any language.
SDK = "messenger.Extensions.js"


def add_messenger(app: Flask, engine: Engine) -> None:
    """Add where logins end, where m.me links lead, and the SDK."""

    @app.get(RETURN_PATH, strict_slashes=False)
    @app.get(RETURN_PATH.rstrip("/"))
    def come_back() -> Response:
        token = request.args.get("account_linking_token", "")
        code = request.args.get("authorization_code", "")
        # HEAD must change nothing: the person has not come back
        outcome = engine.finish_login(token, code) if request.method == "GET" else Outcome.CANCELLED
        response = Response(render_template("simulator/return.html", outcome=outcome.value, sim=engine))
        response.headers["Content-Security-Policy"] = f"{POLICY}'self' {LOOPBACK}"
        return response

    @app.get(f"{M_ME_PATH}<page>", strict_slashes=False)
    def m_me(page: str) -> str:
        """Show the chat page, which asks who opens the link. Until then the bot gets no event."""
        link = f"{engine.url}{request.full_path.rstrip('?')}"
        try:
            named, _ = read_link(link, messenger_url=engine.url)
        except ValueError as problem:
            abort(404, str(problem))
        if not engine.is_called(named):
            abort(404, f"There is no page {named!r} here.")
        return render_page(engine, link)

    @app.get(f"/<locale>/{SDK}")
    def sdk(locale: str) -> Response:
        response = send_from_directory(app.static_folder or "", SDK, mimetype="text/javascript")
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        return response


def add_graph(app: Flask, engine: Engine) -> None:
    """Add the Graph API at every other address."""

    @app.route("/<path:path>", methods=["GET", "POST", "DELETE"])
    def graph(path: str) -> tuple[Response, int, Mapping[str, str]]:
        answer = engine.answer_graph(_graph_request(path))
        return jsonify(answer.body), answer.status, answer.headers


def _graph_request(path: str) -> GraphRequest:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    bearer = value.strip() if scheme.lower() == "bearer" else ""
    text = request.get_data(as_text=True) if request.mimetype != "multipart/form-data" else ""
    body, headers = _graph_body(), dict(request.headers)
    return GraphRequest(request.method, path, request.args.to_dict(), body, bearer, headers, text)


def _graph_body() -> Mapping[str, Any]:
    """Read JSON or a form. As for Graph, anything else is an empty body."""
    body = request.get_json(silent=True) if request.is_json else request.form.to_dict()
    return body if isinstance(body, dict) else {}
