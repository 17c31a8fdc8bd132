"""Messages: dead letters with the reason in words, and what to do; retry one, or all of a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot_linking.core.ports.desk import NEWEST
from bot_linking.operators.desk.room import ROWS, Question
from bot_linking.operators.desk.words import hidden, reason_of
from bot_linking.webview.pages import Notice

if TYPE_CHECKING:
    from flask import Response

    from bot_linking.operators.desk.room import Room

GROUPED = 1000  # of the newest, so that many dead letters cost no more than some


def show(room: Room) -> Response:
    """The newest dead letters, from a key on, and their reasons."""
    before = (room.number("before_at", NEWEST), room.number("before_id", NEWEST))
    letters = room.here.store.list_letters(before=before, limit=ROWS + 1)
    shown = letters[:ROWS]
    reasons = room.here.store.count_reasons(GROUPED) if letters else {}
    return room.show(
        "messages",
        letters=[(letter, hidden(letter.psid), reason_of(letter.last_error)) for letter in shown],
        reasons=[(text, count, reason_of(text)) for text, count in reasons.items()],
        older=shown[-1] if len(letters) > ROWS else None,
        grouped=GROUPED,
    )


def ask_retry(room: Room) -> Response:
    entry = room.here.store.find_letter(room.number("id", 0))
    if entry is None:
        raise Notice("missing", 404)
    reason = reason_of(entry.last_error)
    lines = (f"{reason.words} {reason.advice}", "It is sent as if it were new.")
    title, fields = f"Try message {entry.id} again?", {"id": str(entry.id)}
    return room.ask(
        Question(address="messages/retry", title=title, lines=lines, button="Retry", fields=fields)
    )


def retry(room: Room) -> Response:
    fields = {"id": room.given("id")}
    room.require_ticket("messages/retry", fields)
    if room.here.store.retry_dead(room.number("id", 0), room.now):
        room.here.delivery.wake()
        room.note("retry", about=f"message {fields['id']}")
    return room.go("messages", done="retried")


def ask_retry_all(room: Room) -> Response:
    wanted = room.given("reason")
    count = room.here.store.count_reasons(GROUPED).get(wanted, 0)
    if not wanted or not count:
        raise Notice("missing", 404)
    reason = reason_of(wanted)
    lines = (f"{reason.words} {reason.advice}", f"Each message whose reason has these words: {wanted}")
    many = f"at least {count}" if count >= GROUPED else str(count)
    title = f"Try {many} message{'' if count == 1 else 's'} again?"
    button, fields = f"Retry all {many}", {"reason": wanted}
    return room.ask(
        Question(address="messages/retry-all", title=title, lines=lines, button=button, fields=fields)
    )


def retry_all(room: Room) -> Response:
    fields = {"reason": room.given("reason")}
    room.require_ticket("messages/retry-all", fields)
    count = room.here.store.retry_all_dead(room.now, reason=fields["reason"]) if fields["reason"] else 0
    room.here.delivery.wake()
    room.note("retry-all", about=f"{count} messages: {fields['reason']}")
    return room.go("messages", done="retried")
