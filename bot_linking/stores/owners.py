"""The tables of the owner's control: what can be undone, and Meta's requests to delete data."""

from __future__ import annotations

import json
from collections.abc import Sequence

from bot_linking.core.events import AccountLinked, EventIgnored, Outcome
from bot_linking.core.links import Link, from_ms, to_ms
from bot_linking.core.ordering import Person
from bot_linking.core.ports.owners import BAR_MS, UNDO_MAX_AGE_MS, Deletion, Undoable
from bot_linking.stores.changes import end_link, link_of, look_up, record
from bot_linking.stores.engine import Row, Tx
from bot_linking.stores.family import Family
from bot_linking.stores.outbox import announce

UNDO = "undo"  # the source of what an undo does
# The logins under way of a chat, which an undo ends.
_ENDED_WITH_A_CHANGE = (
    "drop_codes_of_person",
    "drop_attempts_of_person",
    "drop_web_links_of_person",
    "drop_question_of_person",
)


class Owners(Family):
    """`core.ports.owners.Owners` over an engine."""

    def find_undo(self, page_id: str, psid: str) -> Undoable | None:
        rows = self.engine.read("find_undo", page_id=page_id, psid=psid)
        return _undoable(page_id, psid, rows[0]) if rows else None

    def save_undo_token(self, digest: str, undo: Undoable, expires_at: int) -> None:
        values = {"page_id": undo.page_id, "psid": undo.psid, "change_id": undo.change_id}
        self.engine.write(
            lambda tx: tx.put("save_undo_token", digest=digest, expires_at=expires_at, **values)
        )

    def find_undo_token(self, digest: str, now: int) -> tuple[str, str, str] | None:
        rows = self.engine.read("find_undo_token", digest=digest, now=now)
        return (rows[0]["page_id"], rows[0]["psid"], rows[0]["change_id"]) if rows else None

    def undo(self, page_id: str, psid: str, change_id: str, now: int, *, source: str = UNDO) -> list[Outcome]:
        present = self.find_undo(page_id, psid)
        restored = [present.before.account_id] if present is not None and present.before is not None else []

        def work(tx: Tx) -> list[Outcome]:
            tx.hold(psids=[psid], accounts=restored)  # as its chats may just be ended
            row = tx.one("find_undo", page_id=page_id, psid=psid)
            person, link = look_up(tx, page_id, psid)
            undo = None if row is None else _undoable(page_id, psid, row)
            if undo is not None and undo.change_id == change_id and undo.undone:
                return [EventIgnored("undone", page_id, psid)]
            if undo is None or link is None or not _is_newest(undo, change_id, link, now):
                return [EventIgnored("newer", page_id, psid)]
            return [_put_back(tx, undo, link, person, now, source)]

        return self.engine.write(lambda tx: self.followed(tx, work(tx), now))

    def drop_undos_of_account(self, account_id: str) -> None:
        self.engine.write(lambda tx: tx.put("drop_undos_of_account", account_id=account_id))

    def save_deletion(
        self,
        kind: str,
        user_id: str,
        digest: str,
        code: str,
        now: int,
        *,
        pages: Sequence[str] | None = None,
    ) -> str:
        def work(tx: Tx) -> str:
            values = {"kind": kind, "user_id": user_id, "digest": digest, "code": code}
            if tx.one("save_deletion", now=now, **values) is None:
                (row,) = tx.all("find_deletion_of_digest", digest=digest)
                return str(row["code"])
            payload = json.dumps({"code": code, "pages": pages})
            tx.put("queue", page_id="", psid="", kind="deletion", payload=payload, now=now)
            return code

        return self.engine.write(work)

    def find_deletion(self, code: str) -> Deletion | None:
        rows = self.engine.read("find_deletion", code=code)
        return Deletion(**rows[0]) if rows else None

    def list_deletions(self) -> list[Deletion]:
        return [Deletion(**row) for row in self.engine.read("list_deletions")]

    def find_for_deletion(self, code: str, now: int) -> None:
        self.engine.write(lambda tx: tx.put("find_for_deletion", code=code, now=now))

    def finish_deletion(self, code: str, state: str, now: int) -> None:
        self.engine.write(lambda tx: tx.put("finish_deletion", code=code, state=state, now=now))
        self.engine.scrub()


def _undoable(page_id: str, psid: str, row: Row) -> Undoable:
    before = None
    if row["account_before"] is not None:
        before = Link(
            page_id,
            psid,
            row["account_before"],
            row["username"],
            row["email"],
            row["phone_number"],
            row["source"],
            from_ms(row["linked_at"]),
            from_ms(row["updated_at"]),
        )
    undone = row["undone_at"] is not None
    return Undoable(page_id, psid, row["change_id"], row["changed_at"], row["account_id"], before, undone)


def _is_newest(undo: Undoable, change_id: str, link: Link, now: int) -> bool:
    is_that = undo.change_id == change_id and link.account_id == undo.account_id
    return is_that and now - undo.changed_at <= UNDO_MAX_AGE_MS


def _put_back(tx: Tx, undo: Undoable, link: Link, person: Person, now: int, source: str) -> Outcome:
    who = {"page_id": undo.page_id, "psid": undo.psid}
    if undo.before is None:
        outcome = end_link(tx, link, person, UNDO, unlinked_ms=now, now=now, history_source=source)
        tx.put("save_undo", now=undo.changed_at, **who, **_spent(undo))
    else:
        outcome = _restore(tx, link, undo.before, now, source)
    tx.put("mark_undone", now=now, **who)
    tx.put("bar", account_id=undo.account_id, until=now + BAR_MS, **who)
    tx.put("bar_person", until=now + BAR_MS, **who)
    for statement in _ENDED_WITH_A_CHANGE:
        tx.put(statement, **who)
    return outcome


def _spent(undo: Undoable) -> Row:
    """The columns of a change that was undone: its ids stay, what it replaced is forgotten."""
    nothing = ("account_before", "username", "email", "phone_number", "source", "linked_at", "updated_at")
    return {"change_id": undo.change_id, "account_id": undo.account_id, **dict.fromkeys(nothing)}


def _restore(tx: Tx, link: Link, before: Link, now: int, source: str) -> Outcome:
    times = {"linked_at": to_ms(before.linked_at), "updated_at": to_ms(before.updated_at)}
    names = ("page_id", "psid", "account_id", "username", "email", "phone_number", "source")
    saved = tx.one("restore_link", now=now, **times, **{name: getattr(before, name) for name in names})
    assert saved is not None
    restored = link_of(saved)
    record(tx, restored, link, restored, source, now)
    announce(tx, "linked", before.page_id, before.psid, now)
    return AccountLinked(restored, link.account_id, source=UNDO)
