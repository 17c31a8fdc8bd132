"""Imports many links by few statements, inside one transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from bot_linking.core.events import AccountLinked, EventIgnored, LinkChanged, LinkingRefused, Outcome
from bot_linking.core.identifiers import LONGEST, changed_identifiers
from bot_linking.core.links import Account, Link, from_ms, to_ms
from bot_linking.core.ordering import Person
from bot_linking.core.ports.links import Import
from bot_linking.stores.changes import end_others, person_of, remember_undo, settle, welcome
from bot_linking.stores.engine import Row, Tx
from bot_linking.stores.outbox import announce

Pair = tuple[str, str]
_NOT_KNOWN: tuple[Person, Link | None] = (Person(), None)


def import_links(tx: Tx, links: Sequence[Link], how: Import, now: int) -> list[list[Outcome]]:
    """Link these people; the contract is that of `core.ports.Links.import_links`."""
    groups = _apart(tx, links) if how.policy.minds_other_chats else [links]
    return [outcomes for group in groups for outcomes in _import_group(tx, group, how, now)]


def _apart(tx: Tx, links: Sequence[Link]) -> list[list[Link]]:
    """The same links in groups. No two of a group are about the same account, before or after: one could
    meet, or end, the other."""
    known, groups, met = _find(tx, links), [list[Link]()], set[str]()
    for link in links:
        before = known.get(_pair(link), _NOT_KNOWN)[1]
        accounts = {link.account_id} | ({before.account_id} if before is not None else set())
        if accounts & met:
            groups.append([])
            met.clear()
        groups[-1].append(link)
        met |= accounts
    return groups


def _import_group(tx: Tx, links: Sequence[Link], how: Import, now: int) -> list[list[Outcome]]:
    known = _find(tx, links)
    outcomes = [_one(tx, link, *known.get(_pair(link), _NOT_KNOWN), how, now) for link in links]
    if how.judge_only:
        return outcomes
    befores = [known.get(_pair(link), _NOT_KNOWN)[1] for link in links]
    _save(tx, list(zip(befores, (first for first, *_ in outcomes), strict=True)), now)
    return [[_told(tx, first, now), *more] for first, *more in outcomes] if how.tell else outcomes


def _find(tx: Tx, links: Sequence[Link]) -> dict[Pair, tuple[Person, Link | None]]:
    people = json.dumps([{"page_id": link.page_id, "psid": link.psid} for link in links])
    return {(row["page_id"], row["psid"]): person_of(row) for row in tx.all("find_people", people=people)}


def _pair(link: Link) -> Pair:
    return link.page_id, link.psid


def _one(tx: Tx, given: Link, person: Person, before: Link | None, how: Import, now: int) -> list[Outcome]:
    """The outcome for one link, and those of the other chats that end with it."""
    page_id, psid = given.page_id, given.psid
    if before is not None and before.account_id == given.account_id:
        after = _added(before, given, now)
        names = changed_identifiers(before, after)
        return [LinkChanged(after, names) if names else EventIgnored("unchanged", page_id, psid)]
    account = Account(given.account_id, given.username, given.email, given.phone_number)
    verdict = settle(
        tx,
        how.policy,
        how.consent,
        person,
        before,
        page_id=page_id,
        psid=psid,
        account=account,
        source=given.source,
        now=now,
    )
    if verdict.refusal is not None:
        return [LinkingRefused(verdict.refusal, page_id, psid)]
    ended = [] if how.judge_only else end_others(tx, verdict, given.source, now)
    return [AccountLinked(given, before.account_id if before else None), *ended]


def _added(before: Link, given: Link, now: int) -> Link:
    """The same link with the identifiers that are given; the others and `linked_at` stay."""
    names = {name: getattr(given, name) or getattr(before, name) for name in LONGEST}
    return replace(given, **names, linked_at=before.linked_at, updated_at=from_ms(now))


def _save(tx: Tx, pairs: Sequence[tuple[Link | None, Outcome]], now: int) -> None:
    changed = [(before, each.link) for before, each in pairs if isinstance(each, AccountLinked | LinkChanged)]
    if not changed:
        return
    tx.run("import_links", links=json.dumps([_columns(after) for _, after in changed]))
    tx.run("import_history", changes=json.dumps([_change(before, after, now) for before, after in changed]))
    for before, after in changed:
        if before is not None and before.account_id != after.account_id:
            remember_undo(tx, after, before, now)


def _told(tx: Tx, outcome: Outcome, now: int) -> Outcome:
    """The same outcome, with its message queued."""
    if isinstance(outcome, AccountLinked):
        return welcome(tx, outcome.link, outcome.previous_account_id, now)
    if isinstance(outcome, LinkChanged):
        announce(tx, "linked", outcome.link.page_id, outcome.link.psid, now)
    return outcome


def _columns(link: Link) -> Row:
    values = {name: getattr(link, name) for name in link.__slots__}
    return values | {"linked_at": to_ms(link.linked_at), "updated_at": to_ms(link.updated_at)}


def _change(before: Link | None, after: Link, now: int) -> Row:
    return {
        "at": now,
        "page_id": after.page_id,
        "psid": after.psid,
        "source": after.source,
        "account_before": before.account_id if before else None,
        "account_after": after.account_id,
        "identifiers": ",".join(changed_identifiers(before, after)),
    }
