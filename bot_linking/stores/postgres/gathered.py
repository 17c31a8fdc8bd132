"""A transaction over the events of one POST: it reads at once what all events need, and writes together what
they write, by one statement of each kind.

A transition is written for one event. Here it gets rows that were read ahead, which its writes change in
memory, and its writes wait for others of the same kind. So 100 events take as many statements as one, also
where they are about one person, one code or one account again. What was not read ahead is asked for alone;
where a waiting write may matter to it, the waiting writes are made first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any, Protocol, TypeVar

from bot_linking.core.codes import limits_of
from bot_linking.core.events import LinkingEvent
from bot_linking.core.links import WAYS
from bot_linking.stores.engine import Tx

T = TypeVar("T")
Row = dict[str, Any]
Key = tuple[Any, ...]

# The kinds of writes that may wait, in the order in which they are made, which matters within a table only.
WAITING = (
    *("consume_code", "consume_proof", "finish_attempt", "save_unlink_seen", "save_person", "save_heard"),
    *("save_history", "drop_undo", "save_undo", "drop_web_links_of_person", "drop_typed_of_person"),
    *("drop_question_of_person", "drop_resumes", "hit", "supersede", "queue"),
)
_ASKED_BY = {
    "find_code": ("digest",),
    "find_limit": ("key",),
    "is_unlink_seen": ("page_id", "psid", "event_ms"),
}
# Of these, the last write about a person is the one that counts.
_ONCE_A_PERSON = {
    *("save_person", "save_heard", "drop_undo", "save_undo", "supersede"),
    *("drop_web_links_of_person", "drop_typed_of_person", "drop_question_of_person"),
}
_SUPERSEDED = {"linked", "unlinked", "unlink_call", "refused"}  # as the statement `supersede` says
_LINK = (
    *("page_id", "psid", "account_id", "username", "email", "phone_number", "source", "linked_at"),
    "updated_at",
)
_NOBODY: Row = {
    **dict.fromkeys((*_LINK, "event_ms", "unlinked_ms", "locale")),
    **dict.fromkeys(("code_tick", "changed_tick", "unlinked_tick", "barred_until"), 0),
}
_UNLINKED = dict.fromkeys(("account_id", "username", "email", "phone_number", "event_ms"))
# What `save_person` writes, with heard_at.
_WRITTEN = tuple(column for column in _NOBODY if column not in {"barred_until", "changed_tick"})
_FOUND = {"found": 1}
_NEWEST = 2**62  # the tick of a change that is made here: no code that can be read has a greater one


class Sets(Tx, Protocol):
    """A transaction that can ask and write for many people at once."""

    def look_up_sets(self, *asked: tuple[str, Row]) -> list[list[Row]]:
        """The rows of each of these statements for many, in the order asked, by one round trip to the
        server."""

    def put_all(self, name: str, rows: Sequence[Row]) -> None:
        """Run the statement of this name for each of these rows of values, as one statement for many."""


class Gathered:
    """`stores.engine.Tx` over a transaction, for these events. `ranks` are the writes that may wait: those of
    `WAITING`, then those of other rooms. All links of `accounts` are read ahead."""

    def __init__(
        self,
        tx: Sets,
        ranks: Mapping[str, int],
        events: Sequence[LinkingEvent],
        now: int,
        window: int,
        accounts: Sequence[str],
    ) -> None:
        self._tx = tx
        self._ranks = ranks
        self._known: dict[tuple[str, Key], Row | None] = {}
        self._people: dict[Key, Row | None] = {}
        self._barred: dict[Key, list[str]] = {}
        self._chats_of = {account: set[Key]() for account in accounts}
        self._codes_of: dict[tuple[str, str], list[Row]] = {}  # by attempt and by proof
        self._typed: dict[Key, list[str]] = {}  # digests of codes to type in, by person
        self._constant: dict[str, list[Row]] = {}  # by statements without values
        self._resumes: dict[str, list[Row]] = {}
        self._writes: dict[str, dict[Any, Row]] = {}
        self._numbers = count()
        self._queued: dict[Key, list[int]] = {}
        self._last: dict[str, int] = {}  # PSID to the rank of the last write of another room
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
        limits = [limits_of(*person).refused for person in people] if len(events) > 1 else []
        codes, persons, resumes, unlinks, hits = self._tx.look_up_sets(
            ("find_code", {"digest": digests}),
            ("find_person", dict(zip(("page_id", "psid"), _columns(people, 2), strict=True)) | {"now": now}),
            ("take_resumes", {"psid": linked}),
            ("is_unlink_seen", dict(zip(("page_id", "psid", "event_ms"), _columns(seen, 3), strict=True))),
            ("find_limit", {"key": limits, "now": now, "window": window}),
        )
        if self._chats_of:
            persons += self._tx.look_up_sets(("find_chats", {"account_id": [*self._chats_of], "now": now}))[0]
        self._note("find_code", [(digest,) for digest in digests], {(row["digest"],): row for row in codes})
        for row in codes:
            self._index_code(row)
        self._people |= dict.fromkeys(people)
        for row in persons:
            person = row["page_id"], row["psid"]
            self._barred[person] = row.pop("barred") or []
            self._change_person(person, row)
        self._note("find_limit", [(key,) for key in limits], {(row.pop("key"),): row for row in hits})
        found = {(row["page_id"], row["psid"], row["event_ms"]): _FOUND for row in unlinks}
        self._note("is_unlink_seen", seen, found)
        self._resumes = {psid: [] for psid in linked}
        for row in resumes:
            self._resumes[row["psid"]].append(row)

    def _note(self, name: str, asked: Sequence[Key], found: dict[Any, Row]) -> None:
        self._known |= {(name, tuple(key)): found.get(tuple(key)) for key in asked}

    def _index_code(self, row: Row) -> None:
        digest, is_typed = row.pop("digest"), row.pop("is_typed")
        self._codes_of.setdefault(("attempt", row["attempt_id"]), []).append(row)
        if row["proof"] is not None:
            self._codes_of.setdefault(("proof", row["proof"]), []).append(row)
        if is_typed:
            self._typed.setdefault((row["page_id"], row["psid"]), []).append(digest)

    def _change_person(self, person: Key, row: Row) -> None:
        """Remember how a person's row is now, and of which account's links it is one."""
        before = self._people.get(person)
        if before is not None and before["account_id"] in self._chats_of:
            self._chats_of[before["account_id"]].discard(person)
        self._people[person] = row
        if row["account_id"] in self._chats_of:
            self._chats_of[row["account_id"]].add(person)

    # What the transitions ask

    def one(self, name: str, **values: Any) -> Row | None:
        key = (name, tuple(values[column] for column in _ASKED_BY.get(name, ())))
        if key in self._known:
            return self._known[key]
        if name == "find_person":
            return self._person(values["page_id"], values["psid"])
        if name == "is_barred" and (values["page_id"], values["psid"]) in self._barred:
            is_barred = values["account_id"] in self._barred[values["page_id"], values["psid"]]
            return _FOUND if is_barred else None
        rows = self.all(name, **values)
        return rows[0] if rows else None

    def all(self, name: str, **values: Any) -> list[Row]:
        if name == "consume_code" and (code := self._pending(values["attempt_id"])) is not None:
            self.put(name, **values)
            return [{"tick": code["tick"]}]
        if name == "take_resumes" and values["psid"] in self._resumes:
            return self._take_resumes(values["page_id"], values["psid"])
        if name == "find_links_of_account" and values["account_id"] in self._chats_of:
            return self._links_of(values["account_id"])
        if not values:
            return self._read_once(name)
        self.flush()
        return self._tx.all(name, **values)

    def _person(self, page_id: str, psid: str) -> Row | None:
        """A person's row as the waiting writes will leave it."""
        if (page_id, psid) not in self._people:
            self._people[page_id, psid] = self._tx.one("find_person", page_id=page_id, psid=psid)
        return self._people[page_id, psid]

    def _links_of(self, account_id: str) -> list[Row]:
        rows = [row for person in self._chats_of[account_id] if (row := self._people[person]) is not None]
        rows.sort(key=lambda row: (row["updated_at"], row["page_id"], row["psid"]))
        return [{column: row[column] for column in _LINK} for row in rows]

    def _pending(self, attempt_id: str) -> Row | None:
        """A pending code of this attempt, which this transaction has locked."""
        codes = self._codes_of.get(("attempt", attempt_id), ())
        return next((row for row in codes if row["consumed_at"] is None), None)

    def _take_resumes(self, page_id: str, psid: str) -> list[Row]:
        taken = [row for row in self._resumes[psid] if row["page_id"] in (page_id, "")]
        if taken:
            self._resumes[psid] = [row for row in self._resumes[psid] if row not in taken]
            newest = max(row["created_at"] for row in taken)
            self.put("drop_resumes", page_id=page_id, psid=psid, newest=newest)
        return taken

    def _read_once(self, name: str) -> list[Row]:
        if name not in self._constant:
            self._constant[name] = self._tx.all(name)
        return self._constant[name]

    # What they write

    def put(self, name: str, **values: Any) -> None:
        if name in {"save_link", "save_unlink"}:
            self._save_person(name, values)
        elif name in WAITING:
            self._wait(name, values)
        elif name in self._ranks:
            self._wait_in_its_room(name, values)
        else:
            self._forget_codes()
            self.flush()
            self._tx.put(name, **values)

    def _save_person(self, name: str, values: Row) -> None:
        page_id, psid, now = values["page_id"], values["psid"], values["now"]
        before = self._person(page_id, psid)
        person = (before or _NOBODY | {"page_id": page_id, "psid": psid, "linked_at": now}) | {
            "source": values["source"],
            "updated_at": now,
            "changed_tick": _NEWEST,
        }
        if name == "save_link":
            person |= _linked(person, values)
            is_heard = values["source"] in WAYS
        else:
            person |= _UNLINKED | {"unlinked_ms": values["unlinked_ms"], "unlinked_tick": _NEWEST}
            is_heard = values["source"] == "messenger"
        self._change_person((page_id, psid), person)
        waiting = self._writes.get("save_person", {}).get((page_id, psid), {})
        heard_at = now if is_heard else waiting.get("heard_at")
        if is_heard:
            self._writes.get("save_heard", {}).pop((page_id, psid), None)
        self._wait("save_person", {name: person[name] for name in _WRITTEN} | {"heard_at": heard_at})

    def _wait(self, name: str, values: Row) -> None:
        """Let a write of `WAITING` wait, and change what was read ahead as it will."""
        person = values.get("page_id"), values.get("psid")
        key: Any = person if name in _ONCE_A_PERSON else next(self._numbers)
        match name:
            case "consume_code":
                self._consume(("attempt", values["attempt_id"]), values)
            case "consume_proof":
                self._consume(("proof", values["proof"]), values)
            case "drop_typed_of_person":
                self._drop_typed(person)
            case "save_unlink_seen":
                self._known["is_unlink_seen", (*person, values["event_ms"])] = _FOUND
            case "hit":
                self._known["find_limit", (values["key"],)] = _FOUND
            case "save_undo":
                self._writes.get("drop_undo", {}).pop(person, None)
            case "drop_undo":
                self._writes.get("save_undo", {}).pop(person, None)
            case "supersede":
                self._unqueue(person)
            case "queue":
                self._queued.setdefault(person, []).append(key)
        self._writes.setdefault(name, {})[key] = values

    def _consume(self, of: tuple[str, str], values: Row) -> None:
        for row in self._codes_of.get(of, ()):
            if row["consumed_at"] is None:
                row |= {"consumed_at": values["now"], "consumed_by": values["psid"]}

    def _drop_typed(self, person: Key) -> None:
        for digest in self._typed.pop(person, ()):
            row = self._known.get(("find_code", (digest,)))
            if row is not None and row["consumed_at"] is None:
                self._known["find_code", (digest,)] = None
                self._codes_of["attempt", row["attempt_id"]].remove(row)

    def _unqueue(self, person: Key) -> None:
        """Drop the news of this person that wait to be queued, as `supersede` does with those in the
        outbox."""
        waiting = self._writes.get("queue", {})
        for number in self._queued.get(person, ()):
            if number in waiting and waiting[number]["kind"] in _SUPERSEDED:
                del waiting[number]

    def _wait_in_its_room(self, name: str, values: Row) -> None:
        """Let a write of another room wait, unless it would overtake one about this PSID."""
        psid, rank = values["psid"], self._ranks[name]
        if rank < self._last.get(psid, 0):
            self.flush()
        self._last[psid] = rank
        self._writes.setdefault(name, {})[next(self._numbers)] = values

    def _forget_codes(self) -> None:
        """Forget the codes that were read ahead: the statement of another room may change them."""
        self._codes_of, self._typed = {}, {}
        self._known = {key: row for key, row in self._known.items() if key[0] != "find_code"}

    def run(self, name: str, **values: Any) -> int:
        self._forget_codes()
        self.flush()
        return self._tx.run(name, **values)

    def flush(self) -> None:
        """Make the waiting writes, in their order."""
        writes, self._writes = self._writes, {}
        self._last.clear()
        self._queued.clear()
        for name in sorted(writes, key=self._ranks.__getitem__):
            if writes[name]:
                self._tx.put_all(name, list(writes[name].values()))

    # The rest of a transaction

    def hold(self, **whom: Any) -> None:
        self._tx.hold(**whom)

    def isolated(self, work: Callable[[], T]) -> T:
        self.flush()
        return self._tx.isolated(work)

    def gathered(
        self, events: Sequence[LinkingEvent], now: int, window: int, accounts: Sequence[str] = ()
    ) -> Gathered:
        return self


def _linked(before: Row, values: Row) -> Row:
    """What `save_link` changes in a row."""
    is_same = before["account_id"] == values["account_id"]
    names = {
        name: before[name] if is_same and values[name] is None else values[name]
        for name in ("username", "email", "phone_number")
    }
    return names | {
        "account_id": values["account_id"],
        "locale": before["locale"] if values["locale"] is None else values["locale"],
        "linked_at": before["linked_at"] if is_same else values["now"],
        "event_ms": values["event_ms"],
        "code_tick": values["code_tick"],
    }


def _columns(rows: Sequence[Key], width: int) -> list[list[Any]]:
    return [[row[place] for row in rows] for place in range(width)]
