"""The lists that the operator's page reads, and the table of what operators did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot_linking.core.history import Change
from bot_linking.core.links import Link
from bot_linking.core.ports.desk import FIELDS, Act
from bot_linking.core.ports.outbox import OutboxEntry
from bot_linking.stores.changes import link_of
from bot_linking.stores.family import Family
from bot_linking.stores.links import change_of
from bot_linking.stores.outbox import entry_of


class Desk(Family):
    """`core.ports.desk.Desk` over an engine."""

    def find_by(self, field: str, value: str, limit: int) -> list[Link]:
        if field not in FIELDS:
            raise ValueError(f"links are found by {', '.join(FIELDS)}")
        return [link_of(row) for row in self.engine.read(f"find_by_{field}", value=value, limit=limit)]

    def pages_of(self, psid: str, limit: int) -> list[str]:
        return [row["page_id"] for row in self.engine.read("pages_of_psid", psid=psid, limit=limit)]

    def list_history(self, page_id: str, psid: str, *, before: int, limit: int) -> list[tuple[int, Change]]:
        rows = self.engine.read("list_history", page_id=page_id, psid=psid, before=before, limit=limit)
        return [(row["id"], change_of(row)) for row in rows]

    def list_messages(self, page_id: str, psid: str, limit: int) -> list[OutboxEntry]:
        rows = self.engine.read("list_messages", page_id=page_id, psid=psid, limit=limit)
        return [entry_of(row, "") for row in rows]

    def look_at_outbox(self) -> Mapping[str, Any]:
        (row,) = self.engine.read("look_at_outbox")
        return row

    def list_letters(self, *, before: tuple[int, int], limit: int) -> list[OutboxEntry]:
        rows = self.engine.read("list_letters", before_at=before[0], before_id=before[1], limit=limit)
        return [entry_of(row, "", state="dead") for row in rows]

    def count_reasons(self, limit: int) -> Mapping[str, int]:
        rows = self.engine.read("count_reasons", limit=limit)
        return {row["reason"] or "": row["letters"] for row in rows}

    def find_letter(self, entry_id: int) -> OutboxEntry | None:
        rows = self.engine.read("find_letter", id=entry_id)
        return entry_of(rows[0], "", state="dead") if rows else None

    def save_act(
        self,
        operator: str,
        act: str,
        now: int,
        *,
        page_id: str | None = None,
        psid: str | None = None,
        about: str | None = None,
    ) -> None:
        values = {"operator": operator, "act": act, "page_id": page_id, "psid": psid, "about": about}
        self.engine.write(lambda tx: tx.put("save_act", at=now, **values))

    def list_acts(self, *, before: int, limit: int) -> Sequence[Act]:
        return [Act(**row) for row in self.engine.read("list_acts", before=before, limit=limit)]
