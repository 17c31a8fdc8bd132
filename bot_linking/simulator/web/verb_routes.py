"""What the chat page and the shell can do: each verb is a POST that other sites cannot make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask, Response, abort, jsonify

from ..engine import Engine
from ..extensions import ExtensionsError
from ..person import Person
from .guards import asked, psid_in

Body = Mapping[str, Any]
_LONGEST_NAME = 100


def add_verbs(app: Flask, engine: Engine) -> None:
    """Add a POST below ``/simulator/`` for each verb; a refusal of the engine is 400 with its words."""
    for verb, answer in _VERBS.items():
        app.add_url_rule(f"/simulator/{verb}", verb, _view(engine, answer), methods=["POST"])

    @app.post("/simulator/wire/<line_id>/again")
    def again(line_id: str) -> Response:
        body = asked().get("body")
        try:
            engine.send_again(line_id, None if body is None else str(body))
        except KeyError:
            abort(404, "That line is forgotten, or cannot be sent again.")
        except ValueError as problem:
            abort(400, f"That cannot be sent: {problem}.")
        return jsonify(ok=True)


def _view(engine: Engine, answer: Callable[[Engine, Body], dict[str, Any]]) -> Callable[[], Response]:
    def view() -> Response:
        body = asked()
        try:
            return jsonify(answer(engine, body))
        except (KeyError, TypeError, AttributeError):
            abort(400, "Something is missing, or is of another kind.")
        except (ValueError, TimeoutError) as problem:
            abort(400, str(problem))

    return view


def _say(engine: Engine, body: Body) -> dict[str, Any]:
    psid, text = psid_in(engine, body), str(body.get("text", "")).strip()
    if not text:
        raise ValueError("there is nothing to say")
    engine.say(psid, text)
    return {"ok": True}


def _tap(engine: Engine, body: Body) -> dict[str, Any]:
    outcome = engine.tap(psid_in(engine, body), body["button"])
    return {"url": outcome if isinstance(outcome, str) else None}


def _switch(engine: Engine, body: Body) -> dict[str, Any]:
    for name, value in body.items():
        setattr(engine.switches, name, value)
    return engine.switches.as_dict()


def _turn_clock(engine: Engine, body: Body) -> dict[str, Any]:
    engine.turn_clock(body["seconds"])
    return {"ahead": engine.clock.ahead}


def _add_person(engine: Engine, body: Body) -> dict[str, Any]:
    first, last = (str(body.get(name) or "").strip()[:_LONGEST_NAME] for name in ("first_name", "last_name"))
    person = engine.add_person(
        first,
        last,
        locale=str(body.get("locale") or "en_US"),
        device="desktop" if body.get("device") == "desktop" else "phone",
        european=body.get("european") is True,
    )
    return {"psid": person.psid}


def _forget(engine: Engine, body: Body) -> dict[str, Any]:
    engine.forget(psid_in(engine, body))
    return {"ok": True}


def _follow(engine: Engine, body: Body) -> dict[str, Any]:
    engine.follow(psid_in(engine, body), str(body["url"]))
    return {"ok": True}


def _get_started(engine: Engine, body: Body) -> dict[str, Any]:
    engine.get_started(psid_in(engine, body))
    return {"ok": True}


def _mail(engine: Engine, body: Body) -> dict[str, Any]:
    to, subject, text = (str(body[name]) for name in ("to", "subject", "text"))
    engine.mailbox.put(to, subject, text)
    return {"ok": True}


def _context(engine: Engine, body: Body) -> dict[str, Any]:
    """Answer the simulator's Messenger Extensions SDK: the context, or the ``error`` of its callback."""
    psid = psid_in(engine, body)
    try:
        found = engine.context(
            psid, app_id=str(body["app_id"]), url=str(body["url"]), extensions=body.get("extensions") is True
        )
    except ExtensionsError as problem:
        return {"error": problem.code, "message": str(problem)}
    return {"context": dict(found)}


def _has_extensions(engine: Engine, body: Body) -> dict[str, Any]:
    return {"ready": engine.has_extensions(psid_in(engine, body))}


def _trigger(engine: Engine, body: Body) -> dict[str, Any]:
    person = _person_named(engine, str(body.get("person") or ""))
    line = engine.trigger(str(body["what"]), person.psid, str(body.get("value") or ""))
    return {"line": line.as_text(), "ok": line.ok, "id": line.id}


def _person_named(engine: Engine, name: str) -> Person:
    """Find a person by PSID or first name, in any letter case; the first one when no name is given."""
    people = engine.people
    for person in people:
        if not name or name in (person.psid, person.name) or name.lower() == person.first_name.lower():
            return person
    raise ValueError(f"nobody here is called {name!r}; there are {', '.join(each.name for each in people)}")


_VERBS: dict[str, Callable[[Engine, Body], dict[str, Any]]] = {
    "say": _say,
    "tap": _tap,
    "switches": _switch,
    "clock": _turn_clock,
    "people": _add_person,
    "forget": _forget,
    "follow": _follow,
    "get-started": _get_started,
    "context": _context,
    "extensions": _has_extensions,
    "trigger": _trigger,
    "mail": _mail,
}
