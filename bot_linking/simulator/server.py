"""The chat page, its few routes and the Graph API over HTTP. The only file here that knows Flask."""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, abort, jsonify, render_template, request
from markupsafe import escape
from werkzeug.serving import WSGIRequestHandler, make_server

from . import safety
from .engine import Engine
from .graph_call import GraphRequest
from .login import RETURN_PATH, Outcome
from .ports import port_of
from .switches import SWITCH_NOTES
from .wirelog import call_line, delivery_line

#: Seconds for which the page waits for news before it asks again.
LONG_POLL = 15.0
_LINES_SHOWN = 40
_LARGEST_BODY = 1024 * 1024
#: Pictures of cards may come from the bot's own https address; everything else is this page's own.
_LOOPBACK = "http://127.0.0.1:* http://localhost:* https://127.0.0.1:* https://localhost:*"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    f"img-src 'self' data: https: {_LOOPBACK}; frame-src 'self' {_LOOPBACK}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors "
)


class _QuietHandler(WSGIRequestHandler):
    """Serves without an access log: query strings carry tokens and codes."""

    def log(self, type: str, message: str, *args: object) -> None:
        """Say nothing."""


class Server:
    """A thread that serves ``engine`` at the address of ``listener``, which it takes over."""

    def __init__(self, engine: Engine, listener: socket.socket) -> None:
        self.port = port_of(listener)
        with listener:
            self._server = make_server(
                engine.host,
                self.port,
                build_app(engine),
                threaded=True,
                request_handler=_QuietHandler,
                fd=listener.fileno(),
            )
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def start(self) -> None:
        """Begin to serve in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and free the port."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _serve(self) -> None:
        self._server.serve_forever(poll_interval=0.02)


def build_app(engine: Engine) -> Flask:
    """Build the WSGI application around ``engine``."""
    app = Flask(__name__, static_url_path="/simulator/static")
    app.config["MAX_CONTENT_LENGTH"] = _LARGEST_BODY
    app.before_request(_refuse_strangers)
    app.after_request(_harden)
    _add_chat_page(app, engine)
    _add_chat_verbs(app, engine)
    _add_return_page(app, engine)
    _add_graph(app, engine)
    return app


def _refuse_strangers() -> None:
    """Refuse another machine, and another site's name that was made to point here (DNS rebinding)."""
    if not safety.is_loopback(request.remote_addr or ""):
        abort(403, "The simulator answers this machine only.")
    if not safety.is_loopback_host_header(request.headers.get("Host", "")):
        abort(403, "The simulator answers to loopback names only.")


def _refuse_other_sites() -> None:
    """Let only the chat page's own script change anything: other sites cannot set this header."""
    origin = request.headers.get("Origin")
    foreign = origin is not None and urlsplit(origin).netloc != request.host
    if request.headers.get("X-Simulator") != "chat" or foreign:
        abort(403, "Only the chat page may do that.")


def _harden(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", _POLICY + "'none'")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    return response


def _add_chat_page(app: Flask, engine: Engine) -> None:
    @app.get("/")
    def chat() -> str:
        return render_template("simulator/chat.html", sim=engine, switches=SWITCH_NOTES)

    @app.get("/simulator/state")
    def state() -> Response:
        psid = _person_asked_for(engine, request.args.get("psid", ""))
        version = engine.wait_for_change(request.args.get("version", -1, type=int), LONG_POLL)
        return jsonify(version=version, **_state(engine, psid, request.args.get("after", 0, type=int)))

    @app.get("/simulator/people/<psid>.svg")
    def picture(psid: str) -> Response:
        person = engine.person(psid) or abort(404)
        place = engine.people.index(person)
        return Response(
            _PICTURE.format(colour=_COLOURS[place % 2], initials=escape(person.initials)), mimetype=_SVG
        )


def _state(engine: Engine, psid: str, after: int) -> dict[str, Any]:
    lines = [delivery_line(delivery) for delivery in engine.deliveries[-_LINES_SHOWN:]]
    lines += [call_line(call) for call in engine.graph_calls[-_LINES_SHOWN:]]
    linked = {person.psid: engine.is_linked(person.psid) for person in engine.people}
    return {
        "psid": psid,
        "linked": linked,
        "switches": engine.switches.as_dict(),
        "wire": sorted(lines, key=lambda line: float(line["at"]))[-_LINES_SHOWN:],
        **engine.conversation(psid, after),
    }


def _add_chat_verbs(app: Flask, engine: Engine) -> None:
    @app.post("/simulator/say")
    def say() -> Response:
        psid, body = _asked(engine)
        text = str(body.get("text", "")).strip()
        if not text:
            abort(400, "There is nothing to say.")
        engine.say(psid, text)
        return jsonify(ok=True)

    @app.post("/simulator/tap")
    def tap() -> Response:
        psid, body = _asked(engine)
        try:
            outcome = engine.tap(psid, body.get("button", {}))
        except (KeyError, ValueError, AttributeError):
            abort(400, "There is no such button.")
        return jsonify(url=outcome if isinstance(outcome, str) else None)

    @app.post("/simulator/switches")
    def switch() -> Response:
        _refuse_other_sites()
        body = _json_object()
        try:
            for name, value in body.items():
                setattr(engine.switches, name, value)
        except (AttributeError, ValueError) as problem:
            abort(400, str(problem))
        return jsonify(engine.switches.as_dict())


def _asked(engine: Engine) -> tuple[str, Mapping[str, Any]]:
    _refuse_other_sites()
    body = _json_object()
    return _person_asked_for(engine, str(body.get("psid", ""))), body


def _json_object() -> Mapping[str, Any]:
    body = request.get_json()
    if not isinstance(body, dict):
        abort(400, "A JSON object is wanted.")
    return body


def _person_asked_for(engine: Engine, psid: str) -> str:
    return psid if engine.person(psid) else abort(404, "Nobody here has that PSID.")


def _add_return_page(app: Flask, engine: Engine) -> None:
    @app.get(RETURN_PATH, strict_slashes=False)
    @app.get(RETURN_PATH.rstrip("/"))
    def come_back() -> Response:
        token = request.args.get("account_linking_token", "")
        code = request.args.get("authorization_code", "")
        # a HEAD request is somebody looking, not somebody coming back
        outcome = engine.finish_login(token, code) if request.method == "GET" else Outcome.CANCELLED
        response = Response(render_template("simulator/return.html", outcome=outcome.value, sim=engine))
        response.headers["Content-Security-Policy"] = f"{_POLICY}'self' {_LOOPBACK}"
        return response


def _add_graph(app: Flask, engine: Engine) -> None:
    @app.route("/<path:path>", methods=["GET", "POST", "DELETE"])
    def graph(path: str) -> tuple[Response, int, Mapping[str, str]]:
        answer = engine.answer_graph(_graph_request(path))
        return jsonify(answer.body), answer.status, answer.headers


def _graph_request(path: str) -> GraphRequest:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    bearer = value.strip() if scheme.lower() == "bearer" else ""
    return GraphRequest(request.method, path, request.args.to_dict(), _graph_body(), bearer)


def _graph_body() -> Mapping[str, Any]:
    """Read JSON or a form, and take anything else for an empty body, as Graph does."""
    body = request.get_json(silent=True) if request.is_json else request.form.to_dict()
    return body if isinstance(body, dict) else {}


_SVG = "image/svg+xml"
_COLOURS = ("#0f766e", "#9a3412")
_PICTURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96" role="img">'
    '<rect width="96" height="96" rx="48" fill="{colour}"/>'
    '<text x="48" y="61" font-family="sans-serif" font-size="36" font-weight="600" fill="#fff" '
    'text-anchor="middle">{initials}</text></svg>'
)
