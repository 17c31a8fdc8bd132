"""A transaction over the events of one POST: it reads at once what all events need, and writes together what
they write, by one statement of each kind.

A transition is written for one event. Here it gets rows that were read ahead, and its writes wait for others
of the same kind. So 100 events about 100 people take as many statements as one event. Where an event concerns
a person, a code or a limit again, the waiting writes are made first, and the database is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from bot_linking.core.codes import limits_of
from bot_linking.core.events import LinkingEvent
from bot_linking.stores.engine import Tx

T = TypeVar("T")
Row = dict[str, Any]
Key = tuple[Any, ...]

# The kinds of writes that may wait, in the order in which they are made. Where a write about a person would
# overtake an earlier one about them, the waiting writes are made first.
WAITING = (
    *("consume_code", "finish_attempt", "save_unlink_seen", "save_link", "save_unlink", "save_history"),
    *("save_undo", "drop_undo", "drop_web_links_of_person", "drop_typed_of_person"),
    *("drop_question_of_person", "drop_resumes", "save_heard", "hit", "supersede", "queue"),
)
_ASKED_BY = {
    "find_code": ("digest",),
    "find_person": ("page_id", "psid"),
    "find_limit": ("key",),
    "is_unlink_seen": ("page_id", "psid", "event_ms"),
}
_RANK = {name: rank for rank, name in enumerate(WAITING)}
_CHANGES_A_PERSON = {"save_link", "save_unlink", "save_heard"}
_SEEN = {"seen": 1}


class Sets(Tx, Protocol):
    """A transaction that can ask and write for many people at once."""

    def look_up_sets(self, *asked: tuple[str, Row]) -> list[list[Row]]:
        """The rows of each of these statements for many, in the order asked, by one round trip to the
        server."""

    def put_all(self, name: str, rows: Sequence[Row]) -> None:
        """Run the statement of this name for each of these rows of values, as one statement for many."""


class Gathered:
    """`stores.engine.Tx` over a transaction, for these events."""

    def __init__(self, tx: Sets, events: Sequence[LinkingEvent], now: int, window: int) -> None:
        self._tx = tx
        self._known: dict[tuple[str, Key], Any] = {}
        self._codes_of: dict[str, list[Row]] = {}
        self._resumes: dict[str, list[Row]] = {}
        self._writes: dict[str, list[Row]] = {}
        self._last: dict[Any, int] = {}  # the rank of the last write about a person
        self._look_ahead(events, now, window)

    def _look_ahead(self, events: Sequence[LinkingEvent], now: int, window: int) -> None:
        people = list(dict.fromkeys((event.page_id, event.psid) for event in events))
        digests = list(dict.fromkeys(event.digest for event in events if event.digest is not None))
        linked = list({event.psid for event in events if event.status == "linked"})
        seen = [
            (e.page_id, e.psid, e.timestamp)
            for e in events
            if e.status != "linked" and e.timestamp is not None
        ]
        limits = [limits_of(*person).refused for person in people] if len(people) > 1 else []
        codes, persons, resumes, unlinks, hits = self._tx.look_up_sets(
            ("find_code", {"digest": digests}),
            ("find_person", {"page_id": [page for page, _ in people], "psid": [psid for _, psid in people]}),
            ("take_resumes", {"psid": linked}),
            ("is_unlink_seen", dict(zip(("page_id", "psid", "event_ms"), _columns(seen, 3), strict=True))),
            ("find_limit", {"key": limits, "now": now, "window": window}),
        )
        for row in codes:
            self._codes_of.setdefault(row["attempt_id"], []).append(row)
        self._note(
            "find_code", [(digest,) for digest in digests], {(row.pop("digest"),): row for row in codes}
        )
        self._note("find_person", people, {(row["page_id"], row["psid"]): row for row in persons})
        self._note("find_limit", [(key,) for key in limits], {(row.pop("key"),): row for row in hits})
        found = {(row["page_id"], row["psid"], row["event_ms"]): _SEEN for row in unlinks}
        self._note("is_unlink_seen", seen, found)
        self._resumes = {psid: [] for psid in linked}
        for row in resumes:
            self._resumes[row["psid"]].append(row)

    def _note(self, name: str, asked: Sequence[Key], found: dict[Any, Row]) -> None:
        self._known |= {(name, tuple(key)): found.get(tuple(key)) for key in asked}

    # What the transitions ask

    def one(self, name: str, **values: Any) -> Row | None:
        key = (name, _key_of(name, values))
        if key in self._known:
            row: Row | None = self._known[key]
            return row
        rows = self.all(name, **values)
        return rows[0] if rows else None

    def all(self, name: str, **values: Any) -> list[Row]:
        if name == "consume_code" and (code := self._code_of(values["attempt_id"])) is not None:
            self.put(name, **values)
            return [{"tick": code["tick"]}]
        if name == "take_resumes" and values["psid"] in self._resumes:
            return self._take_resumes(values["page_id"], values["psid"])
        if not values:
            if (name, ()) not in self._known:
                self.flush()
                self._known[name, ()] = self._tx.all(name)
            rows: list[Row] = self._known[name, ()]
            return rows
        self.flush()
        return self._tx.all(name, **values)

    def _code_of(self, attempt_id: str) -> Row | None:
        """A pending code of this attempt, which this transaction has locked."""
        return next((row for row in self._codes_of.get(attempt_id, ()) if row["consumed_at"] is None), None)

    def _take_resumes(self, page_id: str, psid: str) -> list[Row]:
        taken = [row for row in self._resumes[psid] if row["page_id"] in (page_id, "")]
        if taken:
            self._resumes[psid] = [row for row in self._resumes[psid] if row not in taken]
            newest = max(row["created_at"] for row in taken)
            self.put("drop_resumes", page_id=page_id, psid=psid, newest=newest)
        return taken

    # What they write

    def put(self, name: str, **values: Any) -> None:
        self._forget(name, values)
        rank, person = _RANK.get(name), (values.get("page_id"), values.get("psid"))
        if rank is None:
            self.flush()
            self._tx.put(name, **values)
            return
        if "page_id" in values:
            if rank < self._last.get(person, 0):
                self.flush()
            self._last[person] = rank
        self._writes.setdefault(name, []).append(values)

    def _forget(self, name: str, values: Row) -> None:
        """Update or drop the rows read ahead that this write changes."""
        if name == "consume_code":
            for row in self._codes_of.get(values["attempt_id"], ()):
                if row["consumed_at"] is None:
                    row |= {"consumed_at": values["now"], "consumed_by": values["psid"]}
        elif name in _CHANGES_A_PERSON:
            self._known.pop(("find_person", (values["page_id"], values["psid"])), None)
        elif name == "hit":
            self._known.pop(("find_limit", (values["key"],)), None)
        elif name == "save_unlink_seen":
            self._known["is_unlink_seen", _key_of("is_unlink_seen", values)] = _SEEN
        elif name not in _RANK and self._codes_of:  # it may change codes
            self._codes_of = {}
            self._known = {key: row for key, row in self._known.items() if key[0] != "find_code"}

    def run(self, name: str, **values: Any) -> int:
        self._forget(name, values)
        self.flush()
        return self._tx.run(name, **values)

    def flush(self) -> None:
        """Make the waiting writes, in their order."""
        writes, self._writes = self._writes, {}
        self._last.clear()
        for name in sorted(writes, key=_RANK.__getitem__):
            self._tx.put_all(name, writes[name])

    # The rest of a transaction

    def hold(self, **whom: Any) -> None:
        self._tx.hold(**whom)

    def isolated(self, work: Callable[[], T]) -> T:
        self.flush()
        return self._tx.isolated(work)

    def gathered(self, events: Sequence[LinkingEvent], now: int, window: int) -> Gathered:
        return self


def _key_of(name: str, values: Row) -> Key:
    return tuple(values[column] for column in _ASKED_BY.get(name, ()))


def _columns(rows: Sequence[Key], count: int) -> list[list[Any]]:
    return [[row[place] for row in rows] for place in range(count)]
