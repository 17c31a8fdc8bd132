"""Changes of a link, inside one transaction: the row, its history, and the outbox entries that follow."""

from __future__ import annotations

import json
import secrets
from typing import Any

from bot_linking.core.conflicts import Conflict, Consent, Policy, Verdict, judge
from bot_linking.core.events import AccountLinked, AccountUnlinked, LinkChanged, Outcome
from bot_linking.core.history import NO_AUDIT, Audit
from bot_linking.core.identifiers import LONGEST, changed_identifiers
from bot_linking.core.links import Account, Link, from_ms, to_ms
from bot_linking.core.ordering import Person
from bot_linking.stores.attempts import RESUME_MAX_AGE_MS, identity_of, take_resume
from bot_linking.stores.engine import Row, Tx
from bot_linking.stores.outbox import announce

_PERSON = (
    "account_id",
    "event_ms",
    "code_tick",
    "changed_tick",
    "unlinked_ms",
    "unlinked_tick",
    "barred_until",
)
_PROOFS = ("drop_web_links_of_person", "drop_typed_of_person", "drop_question_of_person")
_LINK_COLUMNS = 9  # the first columns of the statements that find a person


def look_up(tx: Tx, page_id: str, psid: str) -> tuple[Person, Link | None]:
    """What the store remembers of a person, and their link, if there is one."""
    row = tx.one("find_person", page_id=page_id, psid=psid)
    return (Person(), None) if row is None else person_of(row)


def person_of(row: Row) -> tuple[Person, Link | None]:
    """The same, of a row of `find_person`."""
    person = Person(**{name: row[name] for name in _PERSON})
    columns = tuple(row.values())[:_LINK_COLUMNS]
    return person, None if person.account_id is None else link_of_columns(columns)


def settle(
    tx: Tx,
    policy: Policy,
    consent: Consent,
    person: Person,
    before: Link | None,
    *,
    page_id: str,
    psid: str,
    account: Account,
    source: str,
    now: int,
) -> Verdict:
    """Whether this chat may be linked to this account now, and which other chats are unlinked with that.

    Raises `PolicyFailed`.
    """
    if before is not None and before.account_id == account.id:
        return Verdict()
    pair = {"page_id": page_id, "psid": psid, "account_id": account.id}
    if person.barred_until > now and tx.one("is_barred", now=now, **pair):
        return Verdict("pair_barred")
    if policy.always_moves:
        return Verdict()
    others = other_chats(tx, page_id, psid, account.id) if policy.minds_other_chats else ()
    conflict = Conflict(before, account, others, source)
    return judge(policy.word_for(conflict), conflict, consent)


def other_chats(tx: Tx, page_id: str, psid: str, account_id: str) -> tuple[Link, ...]:
    links = map(link_of, tx.all("find_links_of_account", account_id=account_id))
    return tuple(link for link in links if (link.page_id, link.psid) != (page_id, psid))


def end_others(tx: Tx, verdict: Verdict, source: str, now: int) -> list[Outcome]:
    """Unlink the chats that a new link ends, as by `end_link`."""
    ended = list[Outcome]()
    for link in verdict.ended:
        person, still = look_up(tx, link.page_id, link.psid)
        if still is not None and still.account_id == link.account_id:
            ended.append(end_link(tx, still, person, source, unlinked_ms=now, now=now))
    return ended


def link_by_site(
    tx: Tx, page_id: str, psid: str, before: Link | None, after: Account, source: str, now: int, audit: Audit
) -> Outcome:
    """Link a person to another account than before, or to their first. Without an event's timestamp: events
    are not compared with a link that no event made."""
    values = {"locale": None, "source": source, "event_ms": None, "code_tick": 0, **identity_of(after)}
    link = put_link(tx, page_id, psid, before, values, now, audit)
    return welcome(tx, link, before.account_id if before else None, now)


def put_link(
    tx: Tx, page_id: str, psid: str, before: Link | None, values: Row, now: int, audit: Audit = NO_AUDIT
) -> Link:
    """Write a link and its history; where the account is another than before, also how to undo it."""
    link = link_after(page_id, psid, before, values, now)
    tx.put("save_link", page_id=page_id, psid=psid, now=now, **values)
    record(tx, link, before, link, values["source"], now, audit)
    if before is None or before.account_id != link.account_id:
        remember_undo(tx, link, before, now)
    return link


def link_after(page_id: str, psid: str, before: Link | None, values: Row, now: int) -> Link:
    """The link that the statement `save_link` makes. To the same account as before it keeps `linked_at`, and
    each identifier that `values` leaves out."""
    same = before if before is not None and before.account_id == values["account_id"] else None
    names = {name: getattr(same, name, None) if values[name] is None else values[name] for name in LONGEST}
    at = from_ms(now)
    return Link(
        page_id=page_id,
        psid=psid,
        account_id=values["account_id"],
        source=values["source"],
        linked_at=same.linked_at if same else at,
        updated_at=at,
        **names,
    )


def remember_undo(tx: Tx, link: Link, before: Link | None, now: int) -> None:
    tx.put(
        "save_undo",
        page_id=link.page_id,
        psid=link.psid,
        change_id=secrets.token_hex(16),
        now=now,
        account_id=link.account_id,
        account_before=before.account_id if before else None,
        username=before.username if before else None,
        email=before.email if before else None,
        phone_number=before.phone_number if before else None,
        source=before.source if before else None,
        linked_at=to_ms(before.linked_at) if before else None,
        updated_at=to_ms(before.updated_at) if before else None,
    )


def change_link(tx: Tx, before: Link, after: Account, source: str, now: int, audit: Audit) -> Outcome:
    """Give a link other identifiers of the same account. Its `source` and `linked_at` stay."""
    values = identity_of(after)
    values.pop("account_id")
    saved = tx.one("change_link", page_id=before.page_id, psid=before.psid, now=now, **values)
    assert saved is not None
    link = link_of(saved)
    record(tx, link, before, link, source, now, audit)
    announce(tx, "linked", link.page_id, link.psid, now)
    return LinkChanged(link, changed_identifiers(before, link))


def welcome(tx: Tx, link: Link, previous_account_id: str | None, now: int) -> Outcome:
    """Queue the confirmation, and behind it what the person was doing when they were asked to log in."""
    page_id, psid = link.page_id, link.psid
    resume, asked_at = take_resume(tx, page_id, psid, now - RESUME_MAX_AGE_MS)
    if asked_at is not None:  # they had written, or they would not have been asked to log in
        tx.put("save_heard", page_id=page_id, psid=psid, heard_at=asked_at)
    announce(tx, "linked", page_id, psid, now)
    if resume is not None:
        tx.put("queue", page_id=page_id, psid=psid, kind="resume", payload=json.dumps(resume), now=now)
    return AccountLinked(link, previous_account_id, resume)


def end_link(
    tx: Tx,
    link: Link,
    person: Person,
    source: str,
    *,
    unlinked_ms: int | None,
    now: int,
    audit: Audit = NO_AUDIT,
    history_source: str | None = None,
) -> Outcome:
    """End a link, its proofs, and the way to undo it. `history_source` is the source that the history gets
    where it differs from `source`."""
    page_id, psid = link.page_id, link.psid
    latest = max((ms for ms in (unlinked_ms, person.unlinked_ms) if ms is not None), default=None)
    save_unlink(tx, page_id, psid, source, latest, now)
    record(tx, link, link, None, history_source or source, now, audit)
    tx.put("drop_undo", page_id=page_id, psid=psid)
    end_proofs(tx, page_id, psid)
    announce(tx, "unlinked", page_id, psid, now)
    if source != "messenger":
        tx.put("queue", page_id=page_id, psid=psid, kind="unlink_call", payload="null", now=now)
    return AccountUnlinked(page_id, psid, link.account_id, source, link)


def end_proofs(tx: Tx, page_id: str, psid: str) -> None:
    """Delete what proves this chat, and the question that it was asked."""
    for statement in _PROOFS:
        tx.put(statement, page_id=page_id, psid=psid)


def save_unlink(tx: Tx, page_id: str, psid: str, source: str, unlinked_ms: int | None, now: int) -> None:
    tx.put("save_unlink", page_id=page_id, psid=psid, source=source, unlinked_ms=unlinked_ms, now=now)


def record(
    tx: Tx,
    whose: Link,
    before: Link | None,
    after: Link | None,
    source: str,
    now: int,
    audit: Audit = NO_AUDIT,
) -> None:
    """Add a change to the history, if anything changed."""
    account_before = before.account_id if before else None
    account_after = after.account_id if after else None
    identifiers = changed_identifiers(before, after)
    if account_before != account_after or identifiers:
        tx.put(
            "save_history",
            at=now,
            page_id=whose.page_id,
            psid=whose.psid,
            source=source,
            account_before=account_before,
            account_after=account_after,
            identifiers=",".join(identifiers),
            key_id=audit.key_id,
            request_id=audit.request_id,
            meta=audit.meta,
        )


def link_of(row: Row) -> Link:
    return link_of_columns(tuple(row.values()))


def link_of_columns(row: tuple[Any, ...]) -> Link:
    """A link from its columns in the order of the statements."""
    page_id, psid, account_id, username, email, phone_number, source, linked_at, updated_at = row
    return Link(
        page_id,
        psid,
        account_id,
        username,
        email,
        phone_number,
        source,
        from_ms(linked_at),
        from_ms(updated_at),
    )
