"""Pages and keys: which pages are served, and the keys of the account_link API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot_linking.account_link_api.keys import KeyNameRefused, Keys
from bot_linking.operators.desk.room import ROWS, Question
from bot_linking.operators.outbox_checks import TO_MEND
from bot_linking.webview.pages import Notice

if TYPE_CHECKING:
    from flask import Response

    from bot_linking.core.ports.outbox import Pause
    from bot_linking.messenger.kept_pages import KnownPage
    from bot_linking.operators.desk.room import Room


def show(room: Room) -> Response:
    """The pages from a key on, and every key."""
    return _show(room)


def ask_create(room: Room) -> Response:
    name, page_id = room.given("name"), room.given("page")
    if not name or (page_id and page_id not in room.here.page_ids()):
        return _show(room, problem="Give the key a name, and a page of this bot or none.")
    scope = f"page {page_id}" if page_id else "every page"
    lines = (f"Who holds it can link every person of {scope} to any account.", "It is shown once.")
    fields = {"name": name, "page": page_id}
    title = f"Create the key {name}?"
    return room.ask(Question(address="keys/create", title=title, lines=lines, button="Create", fields=fields))


def create(room: Room) -> Response:
    """The new key is in this one answer, and nowhere else."""
    fields = {"name": room.given("name"), "page": room.given("page")}
    room.require_ticket("keys/create", fields)
    try:
        key = Keys(room.here.linking).create(fields["name"], [fields["page"]] if fields["page"] else [])
    except KeyNameRefused as refused:
        return _show(room, problem=f"Nothing was created: {refused}.")
    room.note("create key", about=fields["name"])
    return room.show("key", key=key, called=fields["name"])


def ask_revoke(room: Room) -> Response:
    name = room.given("name")
    if not any(key.name == name and key.revoked_at is None for key in Keys(room.here.linking).list()):
        raise Notice("missing", 404)
    lines = ("Every call with it is refused from then on, in every process.",)
    title, fields = f"Revoke the key {name}?", {"name": name}
    return room.ask(Question(address="keys/revoke", title=title, lines=lines, button="Revoke", fields=fields))


def revoke(room: Room) -> Response:
    fields = {"name": room.given("name")}
    room.require_ticket("keys/revoke", fields)
    if Keys(room.here.linking).revoke(fields["name"]):
        room.note("revoke key", about=fields["name"])
    return room.go("keys", done="revoked")


def _show(room: Room, *, problem: str = "") -> Response:
    after = room.given("after")
    known = sorted(room.here.runtime_pages.list(), key=lambda page: page.page_id or "")
    pages = [page for page in known if (page.page_id or "") > after or not after][: ROWS + 1]
    pauses = {pause.page_id: pause for pause in room.here.store.pauses() if pause.until > room.now}
    return room.show(
        "keys",
        400 if problem else 200,
        pages=[(page, state_of(page, pauses.get(page.page_id or ""))) for page in pages[:ROWS]],
        next_page=pages[ROWS - 1].page_id if len(pages) > ROWS else None,
        page_ids=[page.page_id for page in known if page.page_id][:200],
        keys=Keys(room.here.linking).list(),
        problem=problem,
    )


def state_of(page: KnownPage, pause: Pause | None) -> str:
    """How a page's token stands, in words."""
    if not page.access_tokens:
        return "not served: no key of BOT_LINKING_PAGE_KEYS opens it"
    if pause is not None and pause.cause:
        return f"may not send ({pause.cause}): {TO_MEND.get(pause.cause, TO_MEND['app'])}"
    if pause is not None:
        return "waits for a limit of Messenger's to pass"
    return "in use" if page.access_tokens == 1 else f"in use, {page.access_tokens} tokens at once"
