"""Funnel: how many people come to each stage, and where the others leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bot_linking.core.funnel_report import funnel_of
from bot_linking.core.links import WAYS

if TYPE_CHECKING:
    from flask import Response

    from bot_linking.operators.desk.visit import Visit

DAYS = (7, 30, 90)
_WORDS = {
    "prompted": ("were asked to log in", "did not open the page"),
    "opened": ("opened the page", "did not sign in"),
    "signed_in": ("signed in", "did not come to the question"),
    "consent_shown": ("were asked whether to connect", "did not agree"),
    "consented": ("agreed", "did not come back to Messenger"),
    "returned": ("came back to Messenger", "were refused, or were linked already"),
    "linked": ("were linked", "wait for the confirmation, or could not be sent it"),
    "confirmed": ("read that they are linked", ""),
}
_NAMES = {
    "prompted": "Prompted",
    "opened": "Opened",
    "signed_in": "Signed in",
    "consent_shown": "Asked to agree",
    "consented": "Agreed",
    "returned": "Came back",
    "linked": "Linked",
    "confirmed": "Confirmed",
}


class Stage(NamedTuple):
    """A stage as it is drawn: `length` in per cent of the longest bar, `part` in per cent of the stage
    before, `lost` people of that stage who did not come to this one, `drop` the same in words."""

    name: str
    people: int
    length: float
    part: int | None
    lost: int
    drop: str
    median: float | None
    ninetieth: float | None


def show(visit: Visit) -> Response:
    """The funnel of 7, 30 or 90 days, of every way and page or of one."""
    here = visit.here
    asked = visit.number("days", 30)
    days, way = asked if asked in DAYS else 30, visit.given("way")
    pages = [page for page in here.page_ids() if page]
    page_id = visit.given("page") if visit.given("page") in pages else ""
    here.funnel.write()
    found = funnel_of(
        here.store,
        visit.now,
        days=days,
        page_id=page_id or None,
        way=way if way in WAYS else None,
        unnamed=here.pages.is_one(),
    )
    return visit.show(
        "funnel",
        days=days,
        choices=DAYS,
        way=way,
        ways=WAYS,
        page=page_id,
        pages=pages[:200],
        funnel=found,
        stages=stages_of(found),
    )


def stages_of(found: dict[str, Any]) -> list[Stage]:
    """The stages with what each lost."""
    counts: dict[str, int] = found["stages"]
    most, stages, before = max(counts.values()) or 1, list[Stage](), ""
    for name, people in counts.items():
        times = found["seconds"].get(name, {})
        earlier = counts[before] if before else 0
        part = round(100 * people / earlier) if earlier else None
        lost = max(0, earlier - people)
        drop = f"{lost} of {earlier} {_WORDS[before][1]}" if lost else ""
        length = round(100 * people / most, 1)
        stages.append(
            Stage(_NAMES[name], people, length, part, lost, drop, times.get("median"), times.get("ninetieth"))
        )
        before = name
    return stages
