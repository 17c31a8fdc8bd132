"""The table of pages that were added at run time, and the number of their changes."""

from __future__ import annotations

from typing import Any

from bot_linking.core.ports.pages import KeptPage
from bot_linking.stores.engine import Tx
from bot_linking.stores.family import Family


class KeptPages(Family):
    """`core.ports.KeptPages` over an engine."""

    def pages_revision(self) -> int:
        rows = self.engine.read("find_pages_revision")
        return int(rows[0]["revision"]) if rows else 0

    def pages_since(self, revision: int) -> list[KeptPage]:
        return [KeptPage(**row) for row in self.engine.read("find_pages_since", revision=revision)]

    def add_page(self, page_id: str, sealed: str, now: int) -> bool:
        return self._change("add_page", page_id=page_id, sealed=sealed, now=now)

    def replace_page(self, page_id: str, sealed: str, now: int, *, before: str) -> bool:
        return self._change("replace_page", page_id=page_id, sealed=sealed, now=now, before=before)

    def remove_page(self, page_id: str, now: int) -> bool:
        return self._change("remove_page", page_id=page_id, now=now)

    def _change(self, statement: str, **values: Any) -> bool:
        """The number is taken first: its row is locked until the commit, so that numbers are committed in
        their order and no process can pass one over."""

        def work(tx: Tx) -> bool:
            row = tx.one("next_pages_revision")
            assert row is not None
            return tx.run(statement, revision=row["revision"], **values) > 0

        return self.engine.write(work)
