"""Messages: dead letters, why each died and what to do; retry one, or all of one reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot_linking.core.ports.desk import NEWEST
from bot_linking.operators.desk.visit import ROWS, Question
from bot_linking.operators.desk.words import hidden, reason_of
from bot_linking.webview.pages import Notice

if TYPE_CHECKING:
    from flask import Response

    from bot_linking.operators.desk.visit import Visit

GROUPED = 1000  # reasons are counted among so many of the newest, so that the page stays quick


def show(visit: Visit) -> Response:
    """Dead letters from the newest back, and their reasons."""
    before = (visit.number("before_at", NEWEST), visit.number("before_id", NEWEST))
    letters = visit.here.store.list_letters(before=before, limit=ROWS + 1)
    shown = letters[:ROWS]
    reasons = visit.here.store.count_reasons(GROUPED) if letters else {}
    return visit.show(
        "messages",
        letters=[(letter, hidden(letter.psid), reason_of(letter.last_error)) for letter in shown],
        reasons=[(text, count, reason_of(text)) for text, count in reasons.items()],
        older=shown[-1] if len(letters) > ROWS else None,
        grouped=GROUPED,
    )


def ask_retry(visit: Visit) -> Response:
    entry = visit.here.store.find_letter(visit.number("id", 0))
    if entry is None:
        raise Notice("missing", 404)
    reason = reason_of(entry.last_error)
    lines = (f"{reason.words} {reason.advice}", "It is sent as if it were new.")
    title, fields = f"Try message {entry.id} again?", {"id": str(entry.id)}
    return visit.ask(
        Question(address="messages/retry", title=title, lines=lines, button="Retry", fields=fields)
    )


def retry(visit: Visit) -> Response:
    fields = {"id": visit.given("id")}
    visit.require_ticket("messages/retry", fields)
    if visit.here.store.retry_dead(visit.number("id", 0), visit.now):
        visit.here.delivery.wake()
        visit.note("retry", about=f"message {fields['id']}")
    return visit.go("messages", done="retried")


def ask_retry_all(visit: Visit) -> Response:
    wanted = visit.given("reason")
    count = visit.here.store.count_reasons(GROUPED).get(wanted, 0)
    if not wanted or not count:
        raise Notice("missing", 404)
    reason = reason_of(wanted)
    lines = (f"{reason.words} {reason.advice}", f"Each message whose reason has these words: {wanted}")
    many = f"at least {count}" if count >= GROUPED else str(count)
    title = f"Try {many} message{'' if count == 1 else 's'} again?"
    button, fields = f"Retry all {many}", {"reason": wanted}
    return visit.ask(
        Question(address="messages/retry-all", title=title, lines=lines, button=button, fields=fields)
    )


def retry_all(visit: Visit) -> Response:
    fields = {"reason": visit.given("reason")}
    visit.require_ticket("messages/retry-all", fields)
    count = visit.here.store.retry_all_dead(visit.now, reason=fields["reason"]) if fields["reason"] else 0
    visit.here.delivery.wake()
    visit.note("retry-all", about=f"{count} messages: {fields['reason']}")
    return visit.go("messages", done="retried")
