"""Which event wins. Redelivery, duplicates, reordering and parallel delivery must end in the same state.

Events are compared with each other only, never with a clock: Messenger's timestamps may be in seconds, in
milliseconds, the same in every sample, or missing. Without them the order of arrival decides. Where a tie
leaves a doubt, the person ends unlinked, which is the safe side.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot_linking.core.codes import PendingCode, is_good
from bot_linking.core.events import LinkingEvent


@dataclass(frozen=True, slots=True)
class Person:
    """What the store remembers of one (page, PSID), linked or not.

    `event_ms` is the timestamp of the event that made the present link (None for a link made by the API),
    `code_tick` its code's tick; `changed_tick` is the newest code's tick when the row last changed hands,
    so a code with a greater tick was minted after that change. `unlinked_ms` is the time of the last unlink,
    `unlinked_tick` the newest code's tick when it was processed. Until `barred_until` (ms) there may be an
    account that must not be linked to this chat again, since its link was undone.
    """

    account_id: str | None = None
    event_ms: int | None = None
    code_tick: int = 0
    changed_tick: int = 0
    unlinked_ms: int | None = None
    unlinked_tick: int = 0
    barred_until: int = 0


def refusal_of(code: PendingCode | None, event: LinkingEvent, *, now_ms: int) -> str | None:
    """Why this code does not link this person, as a slug; None when it may. `duplicate` is no refusal."""
    if code is None:
        return "code_unknown"
    if code.consumed_at is not None:
        return "duplicate" if code.consumed_by in (None, event.psid) else "code_used_by_another"
    if code.page_id is not None and code.page_id != event.page_id:
        return "code_wrong_page"
    if code.psid is not None and code.psid != event.psid:
        return "code_wrong_person"
    if not is_good(code, event_ms=event.timestamp, now_ms=now_ms):
        return "code_expired"
    return None


def is_outrun(code: PendingCode, event: LinkingEvent, person: Person) -> bool:
    """Whether something newer has happened to this person already, so that a good code comes too late."""
    if code.tick <= person.unlinked_tick and _not_after(event.timestamp, person.unlinked_ms):
        return True  # minted before the last unlink was processed, and its event is no newer
    if person.account_id is None or code.tick > person.changed_tick:
        return False  # minted after the last change was processed: a new attempt
    if event.timestamp is None or person.event_ms is None:
        return False  # nothing to compare: the order of arrival
    return (event.timestamp, code.tick) < (person.event_ms, person.code_tick)


def is_stale_unlink(event: LinkingEvent, person: Person, *, seen_before: bool) -> bool:
    """Whether an `unlinked` event is older than the link it would end.

    A link made by the API has no event timestamp: there only an event that was seen already is stale.
    """
    if person.event_ms is None:
        return seen_before
    return event.timestamp is not None and event.timestamp < person.event_ms


def _not_after(event_ms: int | None, unlinked_ms: int | None) -> bool:
    return event_ms is not None and unlinked_ms is not None and event_ms <= unlinked_ms
