"""What an event of Messenger does, inside one transaction.

The pure rules of `core.ordering` decide what an event means. This module reads the rows that they need and
writes what they decide, while the transaction holds the person and the code against other processes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bot_linking.core.codes import PendingCode, is_shaped_as_ours, limits_of
from bot_linking.core.conflicts import Consent, Policy
from bot_linking.core.events import AccountLinked, EventIgnored, LinkingEvent, LinkingRefused, Outcome
from bot_linking.core.links import LOGIN, Account, Link
from bot_linking.core.ordering import Person, is_outrun, is_stale_unlink, refusal_of
from bot_linking.stores.attempts import identity_of
from bot_linking.stores.changes import end_link, end_others, look_up, put_link, save_unlink, settle, welcome
from bot_linking.stores.engine import Tx

REFUSALS_APART_MS = 600_000  # between two messages that a code was refused


def apply_event(tx: Tx, event: LinkingEvent, now: int, policy: Policy) -> list[Outcome]:
    """Link or unlink a person as an event says. The first outcome is the event's own; those of other chats
    that ended with it follow."""
    if event.status == "linked":
        return apply_linked(tx, event, now, policy)
    return [apply_unlinked(tx, event, now)]


def apply_linked(tx: Tx, event: LinkingEvent, now: int, policy: Policy) -> list[Outcome]:
    """Link a person by a code."""
    row = tx.one("find_code", digest=event.digest or "")
    code = PendingCode(**row) if row else None
    outcomes = _apply_code(tx, event, code, now, policy)
    if code is None or code.consumed_at is not None:
        return outcomes
    return [replace(outcomes[0], **_consent_of(code, outcomes[0])), *outcomes[1:]]


def _consent_of(code: PendingCode, outcome: Outcome) -> dict[str, Any]:
    """When the person consented, and on which way; an `AccountLinked` has the way as its link's `source`."""
    consent: dict[str, Any] = {"consented_at": code.minted_at}
    return consent if isinstance(outcome, AccountLinked) else consent | {"way": code.source}


def _apply_code(
    tx: Tx, event: LinkingEvent, code: PendingCode | None, now: int, policy: Policy
) -> list[Outcome]:
    page_id, psid = event.page_id, event.psid
    refusal = refusal_of(code, event, now_ms=now)
    if refusal == "duplicate":
        return [EventIgnored("duplicate", page_id, psid)]
    if code is None and event.code_digest is None and not is_shaped_as_ours(event.authorization_code):
        return [LinkingRefused("code_unknown", page_id, psid)]  # another app's code, and login to explain
    if refusal is not None or code is None:
        return [refuse(tx, refusal or "code_unknown", event, now)]
    person, before = look_up(tx, page_id, psid)
    if not tx.all("consume_code", attempt_id=code.attempt_id, psid=psid, now=now):
        return [refuse(tx, "code_unknown", event, now)]  # another transaction has just removed the code
    if code.proof is not None:  # a proof is good for one link
        tx.put("consume_proof", proof=code.proof, psid=psid, now=now)
    tx.put("finish_attempt", attempt_id=code.attempt_id)
    if is_outrun(code, event, person):
        return [EventIgnored("stale", page_id, psid)]
    verdict = settle(
        tx,
        policy,
        Consent(code.replaces),
        person,
        before,
        page_id=page_id,
        psid=psid,
        account=_account_of(code),
        source=code.source,
        now=now,
    )
    if verdict.refusal is not None:
        return [refuse(tx, verdict.refusal, event, now)]
    return [_link(tx, event, code, person, before, now), *end_others(tx, verdict, code.source, now)]


def _link(
    tx: Tx, event: LinkingEvent, code: PendingCode, person: Person, before: Link | None, now: int
) -> Outcome:
    values = {
        "source": code.source,
        "event_ms": event.timestamp,
        "code_tick": code.tick,
        "locale": code.locale,
    }
    link = put_link(tx, event.page_id, event.psid, before, values | identity_of(_account_of(code)), now)
    if person.account_id == link.account_id:
        return EventIgnored("unchanged", event.page_id, event.psid)
    return welcome(tx, link, person.account_id, now)


def apply_unlinked(tx: Tx, event: LinkingEvent, now: int) -> Outcome:
    """End a person's link, unless the event is older than the link."""
    page_id, psid, event_ms = event.page_id, event.psid, event.timestamp
    person, link = look_up(tx, page_id, psid)
    seen_before = False
    if event_ms is not None:
        seen_before = tx.one("is_unlink_seen", page_id=page_id, psid=psid, event_ms=event_ms) is not None
        if not seen_before:
            tx.put("save_unlink_seen", page_id=page_id, psid=psid, event_ms=event_ms, now=now)
    if link is None:
        if event_ms is not None and event_ms > (person.unlinked_ms or -1):
            save_unlink(tx, page_id, psid, "messenger", event_ms, now)
        return EventIgnored("not_linked", page_id, psid)
    if is_stale_unlink(event, person, seen_before=seen_before):
        return EventIgnored("stale", page_id, psid)
    unlinked_ms = event_ms if event_ms is not None else person.event_ms
    outcome = end_link(tx, link, person, "messenger", unlinked_ms=unlinked_ms, now=now)
    if event.by_our_button:
        tx.put("queue", page_id=page_id, psid=psid, kind="unlink_call", payload="null", now=now)
    return outcome


def refuse(tx: Tx, reason: str, event: LinkingEvent, now: int) -> Outcome:
    """Refuse an event, and tell the person at most once in ten minutes; each time where they undid this very
    link, since another try within the day cannot help."""
    page_id, psid = event.page_id, event.psid
    if reason == "pair_barred":
        tx.put("queue", page_id=page_id, psid=psid, kind="say", payload='"barred"', now=now)
        return LinkingRefused(reason, page_id, psid, way=LOGIN)
    key = limits_of(page_id, psid).refused
    limit = tx.one("find_limit", key=key, now=now, window=REFUSALS_APART_MS)
    if limit is None:
        tx.put("hit", key=key, expires_at=now + REFUSALS_APART_MS, now=now)
        tx.put("queue", page_id=page_id, psid=psid, kind="refused", payload="null", now=now)
    return LinkingRefused(reason, page_id, psid, way=LOGIN)


def _account_of(code: PendingCode) -> Account:
    return Account(code.account_id or "", code.username, code.email, code.phone_number)
