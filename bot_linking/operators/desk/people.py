"""People: find one, see their link, history and messages; unlink, undo, erase."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bot_linking.core.events import EventIgnored, LinkingRefused
from bot_linking.core.links import Link
from bot_linking.core.ports.desk import FIELDS, NEWEST
from bot_linking.core.ports.owners import UNDO_MAX_AGE_MS
from bot_linking.core.reading import read_id
from bot_linking.core.ways import label_of, masked
from bot_linking.operators.desk.visit import ROWS, Question
from bot_linking.operators.desk.words import hidden, hidden_account, reason_of
from bot_linking.webview.pages import Notice

if TYPE_CHECKING:
    from flask import Response

    from bot_linking.core.history import Change
    from bot_linking.core.ports.owners import Undoable
    from bot_linking.operators.desk.visit import Visit

Person = tuple[str, str]  # page and PSID


def search(visit: Visit) -> Response:
    """The search form and the people found. Where only one is found, that person's page."""
    wanted = visit.given("q")
    found = _found(visit, wanted) if wanted else []
    if len(found) == 1:
        return _person(visit, found[0], q=wanted)
    links = {person: visit.here.linking.link_of(person[1], person[0]) for person in found}
    rows = [
        {"page_id": page_id, "psid": psid, "hidden": hidden(psid), "account": _label(links[page_id, psid])}
        for page_id, psid in found
    ]
    return visit.show("people", q=wanted, rows=rows, more=len(found) >= ROWS)


def show(visit: Visit) -> Response:
    """One person, with personal data masked."""
    return _person(visit, _asked_for(visit))


def unmask(visit: Visit) -> Response:
    """One person with personal data, which is written down."""
    page_id, psid = _asked_for(visit)
    visit.require_ticket("person/show", _fields(page_id, psid))
    visit.note("show", page_id=page_id, psid=psid)
    return _person(visit, (page_id, psid), is_shown=True)


def ask_unlink(visit: Visit) -> Response:
    page_id, psid = _asked_for(visit)
    link = visit.here.linking.link_of(psid, page_id)
    if link is None:
        raise Notice("missing", 404)
    lines = (
        f"The chat {hidden(psid)} can then not use the account {_label(link)} any more.",
        "The person is told, here and at Messenger. They can connect again.",
    )
    return visit.ask(_question(visit, "unlink", "Unlink this person?", lines, "Unlink"))


def unlink(visit: Visit) -> Response:
    page_id, psid = _asked_for(visit)
    visit.require_ticket("person/unlink", _fields(page_id, psid))
    if visit.here.linking.unlink(psid, page_id, source=visit.source):
        visit.note("unlink", page_id=page_id, psid=psid)
    return visit.go("person", page=page_id, psid=psid, done="unlinked")


def ask_undo(visit: Visit) -> Response:
    page_id, psid = _asked_for(visit)
    undo = _undoable(visit, page_id, psid)
    if undo is None:
        raise Notice("missing", 404)
    line = (
        f"The chat {hidden(psid)} is connected with {_label(undo.before)} again."
        if undo.before
        else f"The chat {hidden(psid)} is connected with no account then."
    )
    lines = (line, "For one day it cannot be connected with the account that it has now.")
    return visit.ask(_question(visit, "undo", "Undo the newest link?", lines, "Undo"))


def undo(visit: Visit) -> Response:
    page_id, psid = _asked_for(visit)
    visit.require_ticket("person/undo", _fields(page_id, psid))
    outcome = visit.here.linking.undoing.undo(page_id, psid, source=visit.source)
    if isinstance(outcome, EventIgnored | LinkingRefused):
        return visit.go("person", page=page_id, psid=psid, done="not-undone")
    visit.here.delivery.wake()
    visit.note("undo", page_id=page_id, psid=psid)
    return visit.go("person", page=page_id, psid=psid, done="undone")


def ask_erase(visit: Visit) -> Response:
    page_id, psid = _asked_for(visit)
    held = [f"{len(rows)} of {name}" for name, rows in visit.here.store.export(page_id, psid).items() if rows]
    lines = (
        f"About the chat {hidden(psid)} this is held: {', '.join(held) or 'nothing'}.",
        "All of it goes. Nobody can bring it back, and the person is not told.",
    )
    return visit.ask(_question(visit, "erase", "Erase this person?", lines, "Erase", is_final=True))


def erase(visit: Visit) -> Response:
    page_id, psid = _asked_for(visit)
    visit.require_ticket("person/erase", _fields(page_id, psid))
    rows = visit.here.linking.erase(psid, page_id)
    visit.note("erase", about=f"{rows} rows about one person")
    return visit.go("people", done="erased")


# Inside


def _found(visit: Visit, wanted: str) -> list[Person]:
    """The people who have exactly this PSID, account or identifier, also those who are linked no more."""
    store = visit.here.store
    people = {
        (link.page_id, link.psid): None for field in FIELDS for link in store.find_by(field, wanted, ROWS)
    }
    people |= {(page_id, wanted): None for page_id in store.pages_of(wanted, ROWS)}
    return list(people)[:ROWS]


def _asked_for(visit: Visit) -> Person:
    page_id, psid = read_id(visit.given("page")), read_id(visit.given("psid"))
    if page_id is None or psid is None:
        raise Notice("missing", 404)
    return page_id, psid


def _fields(page_id: str, psid: str) -> dict[str, str]:
    return {"page": page_id, "psid": psid}


def _question(
    visit: Visit, act: str, title: str, lines: tuple[str, ...], button: str, *, is_final: bool = False
) -> Question:
    return Question(
        address=f"person/{act}",
        title=title,
        lines=lines,
        button=button,
        fields=_fields(*_asked_for(visit)),
        is_final=is_final,
    )


def _person(visit: Visit, person: Person, *, q: str = "", is_shown: bool = False) -> Response:
    page_id, psid = person
    here = visit.here
    link = here.linking.link_of(psid, page_id)
    before = visit.number("before", NEWEST)
    history = here.store.list_history(page_id, psid, before=before, limit=ROWS + 1)
    messages = here.store.list_messages(page_id, psid, ROWS)
    shown: Mapping[str, Any] = {
        "q": q,
        "page_id": page_id,
        "psid": psid,
        "who": psid if is_shown else hidden(psid),
        "is_shown": is_shown,
        "link": _link(link, is_shown=is_shown) if link else None,
        "history": [_change(change, is_shown=is_shown) for _, change in history[:ROWS]],
        "older": history[ROWS - 1][0] if len(history) > ROWS else None,
        "messages": [(entry, reason_of(entry.last_error) if entry.dead_at else None) for entry in messages],
        "can_undo": _undoable(visit, page_id, psid) is not None,
        "is_known": bool(link or history or messages),
    }
    return visit.with_ticket(
        "person/show", _fields(page_id, psid), lambda ticket: visit.show("person", ticket=ticket, **shown)
    )


def _link(link: Link, *, is_shown: bool) -> dict[str, Any]:
    names = ("username", "email", "phone_number")
    values = {name: getattr(link, name) for name in names if getattr(link, name)}
    hide = {name: value if is_shown else masked(value) for name, value in values.items()}
    account = link.account_id if is_shown else hidden_account(link.account_id)
    return {"account": account, "source": link.source, "since": link.linked_at, "names": hide}


def _change(change: Change, *, is_shown: bool) -> dict[str, Any]:
    values = change.as_dict()
    for name in ("account_before", "account_after"):
        values[name] = (values[name] or "–") if is_shown else hidden_account(values[name])
    return values


def _undoable(visit: Visit, page_id: str, psid: str) -> Undoable | None:
    undo = visit.here.store.find_undo(page_id, psid)
    is_good = undo is not None and not undo.undone and visit.now - undo.changed_at <= UNDO_MAX_AGE_MS
    return undo if is_good else None


def _label(link: Link | None) -> str:
    return masked(label_of(link)) if link else "nobody"
