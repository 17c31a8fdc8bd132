"""What operators did, the newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot_linking.core.ports.desk import NEWEST
from bot_linking.operators.desk.visit import ROWS
from bot_linking.operators.desk.words import hidden

if TYPE_CHECKING:
    from flask import Response

    from bot_linking.operators.desk.visit import Visit


def show(visit: Visit) -> Response:
    """Each act with who did it, when, and about whom."""
    acts = visit.here.store.list_acts(before=visit.number("before", NEWEST), limit=ROWS + 1)
    return visit.show(
        "acts",
        acts=[(act, hidden(act.psid) if act.psid else None) for act in acts[:ROWS]],
        older=acts[ROWS - 1].id if len(acts) > ROWS else None,
    )
