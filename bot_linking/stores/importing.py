"""Links from a file, in sets: few statements for many people, inside one transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from bot_linking.core.events import AccountLinked, EventIgnored, LinkChanged, Outcome
from bot_linking.core.identifiers import LONGEST, changed_identifiers
from bot_linking.core.links import Link, from_ms, to_ms
from bot_linking.stores.changes import link_of, welcome
from bot_linking.stores.engine import Row, Tx
from bot_linking.stores.outbox import announce

Person = tuple[str, str]


def import_links(tx: Tx, links: Sequence[Link], now: int, *, tell: bool) -> list[Outcome]:
    """Link these people, each once, and say what each came to; see `core.ports.Links.import_links`."""
    tx.hold(psids=[link.psid for link in links])
    known = _find(tx, links)
    pairs = [(known.get(_person(link)), link) for link in links]
    outcomes = [_outcome(before, _merged(before, link, now)) for before, link in pairs]
    saved = [
        (before, outcome.link)
        for (before, _), outcome in zip(pairs, outcomes, strict=True)
        if isinstance(outcome, AccountLinked | LinkChanged)
    ]
    if saved:
        tx.run("import_links", links=json.dumps([_columns(link) for _, link in saved]))
        tx.run("import_history", changes=json.dumps([_change(*each, now) for each in saved]))
    return [_told(tx, outcome, now) for outcome in outcomes] if tell else outcomes


def _find(tx: Tx, links: Sequence[Link]) -> dict[Person, Link]:
    people = json.dumps([{"page_id": link.page_id, "psid": link.psid} for link in links])
    found = map(link_of, tx.all("find_people", people=people))
    return {_person(link): link for link in found}


def _person(link: Link) -> Person:
    return link.page_id, link.psid


def _merged(before: Link | None, given: Link, now: int) -> Link:
    """The link as it will be: of the same account, what the file leaves out stays, and since when it is."""
    if before is None or before.account_id != given.account_id:
        return given
    names = {name: getattr(given, name) or getattr(before, name) for name in LONGEST}
    return replace(given, **names, linked_at=before.linked_at, updated_at=from_ms(now))


def _outcome(before: Link | None, after: Link) -> Outcome:
    if before is None or before.account_id != after.account_id:
        return AccountLinked(after, before.account_id if before else None)
    if names := changed_identifiers(before, after):
        return LinkChanged(after, names)
    return EventIgnored("unchanged", after.page_id, after.psid)


def _told(tx: Tx, outcome: Outcome, now: int) -> Outcome:
    """The same, with its message queued."""
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
        "door": after.source,
        "account_before": before.account_id if before else None,
        "account_after": after.account_id,
        "identifiers": ",".join(changed_identifiers(before, after)),
    }
