"""What a store holds about a person, as plain JSON values, without what is secret from the person."""

from __future__ import annotations

import json
from typing import Any

from bot_linking.core.links import iso_of
from bot_linking.stores.engine import Row
from bot_linking.stores.family import Family

EXPORTED = (
    *("links", "history", "outbox", "attempts", "codes", "resumes", "unlinks_seen"),
    *("undos", "bars", "web_links", "questions", "acts"),
)
EXPORTED_OF_ACCOUNT = ("history", "attempts", "codes", "chat_links", "undos")
_TIMES = ("at", "event_ms", "unlinked_ms", "barred_until")
_JSON = ("payload", "refusal")
_SECRET_PARTS = ("question",)  # parts of a payload by which a question could be answered
_SECRET_KINDS = ("erase",)  # kinds of entries whose whole payload is such a secret


class Exports(Family):
    """`export` and `export_account` of `core.ports.owners.Owners`."""

    def export(self, page_id: str | None, psid: str) -> dict[str, list[Row]]:
        who = {"page_id": page_id, "psid": psid}
        found = {table: self.engine.read(f"export_{table}", **who) for table in EXPORTED}
        for follower in self.followers:
            found |= follower.export(self.engine.read, page_id, psid)
        return _plain(found)

    def export_account(self, account_id: str) -> dict[str, list[Row]]:
        found = {
            table: self.engine.read(f"export_{table}_of_account", account_id=account_id)
            for table in EXPORTED_OF_ACCOUNT
        }
        for follower in self.followers:
            found |= follower.export_account(self.engine.read, account_id)
        return _plain(found)


def _plain(tables: dict[str, list[Row]]) -> dict[str, list[Row]]:
    return {name: [_plain_row(row) for row in rows] for name, rows in tables.items()}


def _plain_row(row: Row) -> Row:
    plain = {name: _plain_value(name, value) for name, value in row.items()}
    return plain | {"payload": None} if plain.get("kind") in _SECRET_KINDS else plain


def _plain_value(name: str, value: Any) -> Any:
    if name in _JSON:
        return None if value is None else _without_secrets(json.loads(value))
    if isinstance(value, int) and (name in _TIMES or name.endswith("_at")):
        return iso_of(value) if value else None
    return value


def _without_secrets(payload: Any) -> Any:
    """The payload without the parts by which a question to the chat could be answered."""
    if not isinstance(payload, dict):
        return payload
    return {name: value for name, value in payload.items() if name not in _SECRET_PARTS}
