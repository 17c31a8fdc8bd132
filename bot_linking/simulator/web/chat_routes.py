"""The chat page, and what it fetches: the state of the chat, a line of the wire log, a picture."""

from __future__ import annotations

import re
import time
from typing import Any

from flask import Flask, Response, abort, jsonify, render_template, request
from markupsafe import escape

from ..engine import Engine
from ..graph_api.window import WINDOW
from ..person import Person
from ..safety import is_loopback_url
from ..switches import SWITCH_NOTES
from .guards import refuse_other_sites

#: Seconds for which the page waits for news before it asks again.
LONG_POLL = 15.0


def add_chat_page(app: Flask, engine: Engine) -> None:
    """Add the chat page, the mailbox, and what they fetch."""

    @app.get("/")
    def chat() -> str:
        return render_page(engine)

    @app.get("/mailbox")
    def mailbox() -> str:
        mails = [
            (time.strftime("%H:%M:%S", time.localtime(mail.at)), mail, _parts_of(mail.text))
            for mail in reversed(engine.mailbox.mails)
        ]
        return render_template("simulator/mailbox.html", sim=engine, mails=mails)

    @app.get("/simulator/state")
    def state() -> Response:
        psid = request.args.get("psid", "")
        if psid and engine.person(psid) is None:
            abort(404, "Nobody here has that PSID.")
        version = engine.wait_for_change(request.args.get("version", -1, type=int), LONG_POLL)
        after, wire = (request.args.get(name, 0, type=int) for name in ("after", "wire"))
        return jsonify(version=version, wire=engine.wire.after(wire), **_state(engine, psid, after))

    @app.get("/simulator/wire/<line_id>")
    def line(line_id: str) -> Response:
        refuse_other_sites()
        found = engine.wire.line(line_id) or abort(404, "That line is forgotten.")
        exchange = found.exchange
        return jsonify(
            method=exchange.method,
            url=exchange.url,
            headers=dict(exchange.headers),
            body=exchange.body,
            status=exchange.status,
            answer_headers=dict(exchange.answer_headers),
            answer=exchange.answer,
            curl=exchange.curl,
            again=engine.can_send_again(line_id),
        )

    @app.get("/simulator/people/<psid>.svg")
    def picture(psid: str) -> Response:
        person = engine.person(psid) or abort(404, "Nobody here has that PSID.")
        colour = _COLOURS[engine.people.index(person) % len(_COLOURS)]
        return Response(_PICTURE.format(colour=colour, initials=escape(person.initials)), mimetype=_SVG)


def render_page(engine: Engine, link: str = "") -> str:
    """Render the chat page; with ``link`` it asks at once who opens that m.me link."""
    return render_template("simulator/chat.html", sim=engine, switches=SWITCH_NOTES, link=link)


def _state(engine: Engine, psid: str, after: int) -> dict[str, Any]:
    return {
        "psid": psid,
        "people": [_person(engine, person) for person in engine.people],
        "switches": engine.switches.as_dict(),
        "now": engine.clock(),
        "ahead": engine.clock.ahead,
        **(_chat(engine, psid, after) if engine.person(psid) else {}),
    }


def _person(engine: Engine, person: Person) -> dict[str, Any]:
    return {
        "psid": person.psid,
        "name": person.name,
        "first_name": person.first_name,
        "initials": person.initials,
        "device": person.device,
        "european": person.european,
        "linked": engine.is_linked(person.psid),
    }


def _chat(engine: Engine, psid: str, after: int) -> dict[str, Any]:
    left = 0.0 if engine.switches.outside_window else max(0.0, WINDOW - engine.silent_for(psid))
    return {
        **engine.conversation(psid, after),
        "menu": engine.menu(psid),
        "get_started": engine.can_get_started(psid),
        "window": left,
    }


def _parts_of(text: str) -> list[tuple[str, bool]]:
    """Split the text of a mail, and tell which parts are addresses of this machine, which may be tapped."""
    return [(part, is_loopback_url(part)) for part in _ADDRESS.split(text) if part]


_ADDRESS = re.compile(r"(https?://[^\s<>\"']+)")
_SVG = "image/svg+xml"
_COLOURS = ("#0f766e", "#9a3412")
_PICTURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96" role="img">'
    '<rect width="96" height="96" rx="48" fill="{colour}"/>'
    '<text x="48" y="61" font-family="sans-serif" font-size="36" font-weight="600" fill="#fff" '
    'text-anchor="middle">{initials}</text></svg>'
)
