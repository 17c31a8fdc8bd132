"""Pages and keys: which pages are served, and the keys of the account_link API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot_linking.account_link_api.keys import KeyNameRefused, Keys
from bot_linking.operators.desk.visit import ROWS, Question
from bot_linking.operators.outbox_checks import TO_MEND
from bot_linking.webview.pages import Notice

if TYPE_CHECKING:
    from flask import Response

    from bot_linking.core.ports.outbox import Pause
    from bot_linking.messenger.kept_pages import KnownPage
    from bot_linking.operators.desk.visit import Visit


def ask_create(visit: Visit) -> Response:
    name, page_id = visit.given("name"), visit.given("page")
    if not name or (page_id and page_id not in visit.here.page_ids()):
        return show(visit, problem="Give the key a name, and a page of this bot or none.")
    scope = f"page {page_id}" if page_id else "every page"
    lines = (f"Who holds it can link every person of {scope} to any account.", "It is shown once.")
    fields = {"name": name, "page": page_id}
    title = f"Create the key {name}?"
    return visit.ask(
        Question(address="keys/create", title=title, lines=lines, button="Create", fields=fields)
    )


def create(visit: Visit) -> Response:
    """Make a key; this answer is the only one that shows it."""
    fields = {"name": visit.given("name"), "page": visit.given("page")}
    visit.require_ticket("keys/create", fields)
    try:
        key = Keys(visit.here.linking).create(fields["name"], [fields["page"]] if fields["page"] else [])
    except KeyNameRefused as refused:
        return show(visit, problem=f"Nothing was created: {refused}.")
    visit.note("create key", about=fields["name"])
    return visit.show("key", key=key, called=fields["name"])


def ask_revoke(visit: Visit) -> Response:
    name = visit.given("name")
    if not any(key.name == name and key.revoked_at is None for key in Keys(visit.here.linking).list()):
        raise Notice("missing", 404)
    lines = ("Every call with it is refused from then on, in every process.",)
    title, fields = f"Revoke the key {name}?", {"name": name}
    return visit.ask(
        Question(address="keys/revoke", title=title, lines=lines, button="Revoke", fields=fields)
    )


def revoke(visit: Visit) -> Response:
    fields = {"name": visit.given("name")}
    visit.require_ticket("keys/revoke", fields)
    if Keys(visit.here.linking).revoke(fields["name"]):
        visit.note("revoke key", about=fields["name"])
    return visit.go("keys", done="revoked")


def show(visit: Visit, *, problem: str = "") -> Response:
    """Facebook pages after the one that `after` names, and every key."""
    after = visit.given("after")
    known = sorted(visit.here.runtime_pages.list(), key=lambda page: page.page_id or "")
    pages = [page for page in known if (page.page_id or "") > after or not after][: ROWS + 1]
    pauses = {pause.page_id: pause for pause in visit.here.store.pauses() if pause.until > visit.now}
    return visit.show(
        "keys",
        400 if problem else 200,
        pages=[(page, state_of(page, pauses.get(page.page_id or ""))) for page in pages[:ROWS]],
        next_page=pages[ROWS - 1].page_id if len(pages) > ROWS else None,
        page_ids=[page.page_id for page in known if page.page_id][:200],
        keys=Keys(visit.here.linking).list(),
        problem=problem,
    )


def state_of(page: KnownPage, pause: Pause | None) -> str:
    """What a Facebook page's token can do now, in words."""
    if not page.access_tokens:
        return "not served: no key of BOT_LINKING_PAGE_KEYS opens it"
    if pause is not None and pause.cause:
        return f"may not send ({pause.cause}): {TO_MEND.get(pause.cause, TO_MEND['app'])}"
    if pause is not None:
        return "waits for a limit of Messenger's to pass"
    return "in use" if page.access_tokens == 1 else f"in use, {page.access_tokens} tokens at once"
