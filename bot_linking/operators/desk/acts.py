"""What operators did: from the newest back, by key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot_linking.core.ports.desk import NEWEST
from bot_linking.operators.desk.room import ROWS
from bot_linking.operators.desk.words import hidden

if TYPE_CHECKING:
    from flask import Response

    from bot_linking.operators.desk.room import Room


def show(room: Room) -> Response:
    """Each act with who did it, when, and about whom."""
    acts = room.here.store.list_acts(before=room.number("before", NEWEST), limit=ROWS + 1)
    return room.show(
        "acts",
        acts=[(act, hidden(act.psid) if act.psid else None) for act in acts[:ROWS]],
        older=acts[ROWS - 1].id if len(acts) > ROWS else None,
    )
