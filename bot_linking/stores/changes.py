"""How a link changes, inside one transaction: the row itself, its history, and the messages it causes."""

from __future__ import annotations

import json
from typing import Any

from bot_linking.core.events import AccountLinked, LinkChanged, Outcome
from bot_linking.core.history import NO_AUDIT, Audit
from bot_linking.core.identifiers import changed_identifiers
from bot_linking.core.links import Account, Link, from_ms
from bot_linking.core.ordering import Person
from bot_linking.stores.attempts import RESUME_MAX_AGE_MS, identity_of, take_resume
from bot_linking.stores.engine import Row, Tx
from bot_linking.stores.outbox import announce


def look_up(tx: Tx, page_id: str, psid: str) -> tuple[Person, Link | None]:
    """What is remembered of somebody, and their link, if there is one."""
    row = tx.one("find_person", page_id=page_id, psid=psid)
    if row is None:
        return Person(), None
    columns = tuple(row.values())
    person = Person(row["account_id"], *columns[9:14])
    return person, None if person.account_id is None else link_of_columns(columns[:9])


def link_by_site(
    tx: Tx, page_id: str, psid: str, before: Link | None, after: Account, source: str, now: int, audit: Audit
) -> Outcome:
    """Another account than before, or the first: no event made this link, so none has a timestamp to lose
    against."""
    saved = tx.one(
        "save_link",
        page_id=page_id,
        psid=psid,
        locale=None,
        source=source,
        now=now,
        event_ms=None,
        code_tick=0,
        **identity_of(after),
    )
    assert saved is not None
    link = link_of(saved)
    record(tx, link, before, link, source, now, audit)
    return welcome(tx, link, before.account_id if before else None, now)


def change_link(tx: Tx, before: Link, after: Account, source: str, now: int, audit: Audit) -> Outcome:
    """The same account under other identifiers: whoever made the link, and when, stays."""
    values = identity_of(after)
    values.pop("account_id")
    saved = tx.one("change_link", page_id=before.page_id, psid=before.psid, now=now, **values)
    assert saved is not None
    link = link_of(saved)
    record(tx, link, before, link, source, now, audit)
    announce(tx, "linked", link.page_id, link.psid, now)
    return LinkChanged(link, changed_identifiers(before, link))


def welcome(tx: Tx, link: Link, previous_account_id: str | None, now: int) -> Outcome:
    """Queue the confirmation, then what the person was doing when they were asked to log in."""
    page_id, psid = link.page_id, link.psid
    resume = take_resume(tx, page_id, psid, now - RESUME_MAX_AGE_MS)
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
) -> None:
    page_id, psid = link.page_id, link.psid
    record(tx, link, link, None, source, now, audit)
    latest = max((ms for ms in (unlinked_ms, person.unlinked_ms) if ms is not None), default=None)
    save_unlink(tx, page_id, psid, source, latest, now)
    announce(tx, "unlinked", page_id, psid, now)
    if source != "messenger":
        tx.put("queue", page_id=page_id, psid=psid, kind="unlink_call", payload="null", now=now)


def save_unlink(tx: Tx, page_id: str, psid: str, source: str, unlinked_ms: int | None, now: int) -> None:
    tx.put("save_unlink", page_id=page_id, psid=psid, source=source, unlinked_ms=unlinked_ms, now=now)


def record(
    tx: Tx,
    whose: Link,
    before: Link | None,
    after: Link | None,
    door: str,
    now: int,
    audit: Audit = NO_AUDIT,
) -> None:
    """One line of history, if anything changed."""
    account_before = before.account_id if before else None
    account_after = after.account_id if after else None
    identifiers = changed_identifiers(before, after)
    if account_before != account_after or identifiers:
        tx.put(
            "save_history",
            at=now,
            page_id=whose.page_id,
            psid=whose.psid,
            door=door,
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
