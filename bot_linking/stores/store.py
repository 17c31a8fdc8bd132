"""The transitions, each one transaction, in named SQL that both engines run.

What an event means is decided by the pure rules of `core.ordering`; here it is read, decided and written
under the database's own lock, so that no other process can step in between.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from bot_linking.core.codes import PendingCode, digest_of
from bot_linking.core.events import (
    AccountLinked,
    AccountUnlinked,
    EventIgnored,
    LinkChanged,
    LinkingEvent,
    LinkingRefused,
    Outcome,
)
from bot_linking.core.history import NO_AUDIT, Audit, Change
from bot_linking.core.identifiers import Identifiers, account_after, changed_identifiers
from bot_linking.core.links import Account, Link, from_ms
from bot_linking.core.ordering import Person, is_outrun, is_stale_unlink, refusal_of
from bot_linking.core.ports import ApiKey, Attempt, Done, OutboxEntry
from bot_linking.stores.engine import Engine, Follower, Row, Tx

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
RESUME_MAX_AGE_MS = HOUR_MS
REFUSALS_APART_MS = 10 * MINUTE_MS  # between two messages that a code was refused
REDELIVERY_MS = 3 * DAY_MS  # how long a late webhook may still be judged; Graph retries 36 hours
KEEP_DEAD_MS = 30 * DAY_MS
KEEP_HISTORY_MS = 400 * DAY_MS
PURGED_AT_ONCE = 1000  # rows in one transaction, so that no webhook waits for long
PURGE_PAUSE_S = 0.02  # for writers of other processes, whom SQLite puts in no queue


class SQLStore:
    """`core.ports.Store` over an engine. `followers` hear of every change of a link before it commits."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.followers: list[Follower] = []

    # Links

    def find_link(self, page_id: str, psid: str) -> Link | None:
        row = self.engine.read_link(page_id, psid)
        return None if row is None else _link_of(row)

    def find_links_of_psid(self, psid: str) -> list[Link]:
        return [_link(row) for row in self.engine.read("find_links_of_psid", psid=psid)]

    def find_links_of_account(self, account_id: str) -> list[Link]:
        return [_link(row) for row in self.engine.read("find_links_of_account", account_id=account_id)]

    def list_links(self) -> Iterator[Link]:
        after = ("", "")
        while True:
            rows = self.engine.read("list_links", after_page=after[0], after_psid=after[1], limit=500)
            yield from map(_link, rows)
            if len(rows) < 500:
                return
            after = (rows[-1]["page_id"], rows[-1]["psid"])

    def find_pages(self) -> list[str]:
        (row,) = self.engine.read("find_pages")
        return sorted({row["first"], row["last"]} - {None})

    def locale_of(self, page_id: str, psid: str) -> str | None:
        rows = self.engine.read("find_person", page_id=page_id, psid=psid)
        return rows[0]["locale"] if rows else None

    # Events

    def receive(self, events: Sequence[LinkingEvent], now: int) -> list[Outcome]:
        """Apply one POST's events in order. One that fails is kept as a dead letter and harms no other."""

        def work(tx: Tx, receive_one: Callable[[Tx, LinkingEvent, int], Outcome]) -> list[Outcome]:
            tx.hold(
                psids=(event.psid for event in events),
                codes=(digest_of(event.authorization_code) for event in events if event.authorization_code),
            )
            return [receive_one(tx, event, now) for event in events]

        try:
            return self.engine.write(partial(work, receive_one=self._receive_one))
        except self.engine.poison:  # one of them: now each behind a savepoint, which nearly none needs
            return self.engine.write(partial(work, receive_one=self._receive_or_bury))

    def _receive_one(self, tx: Tx, event: LinkingEvent, now: int) -> Outcome:
        apply = _apply_linked if event.status == "linked" else _apply_unlinked
        return self._followed(tx, apply(tx, event, now), now)

    def _receive_or_bury(self, tx: Tx, event: LinkingEvent, now: int) -> Outcome:
        try:
            return tx.isolated(lambda: self._receive_one(tx, event, now))
        except self.engine.poison as problem:
            reason = f"{type(problem).__name__} while applying an event"
            payload = json.dumps([event.status, event.timestamp])
            tx.put("queue_dead", page_id=event.page_id, psid=event.psid, kind="event", payload=payload,
                   reason=reason, now=now)  # fmt: skip
            return LinkingRefused("event_failed", event.page_id, event.psid)

    def _followed(self, tx: Tx, outcome: Outcome, now: int) -> Outcome:
        for follower in self.followers:
            follower.follow(tx, outcome, now)
        return outcome

    def refuse(self, event: LinkingEvent, reason: str, now: int) -> Outcome:
        """Turn a `linked` event away for a reason that is not in its code; the code is used up."""

        def work(tx: Tx) -> Outcome:
            digest = digest_of(event.authorization_code or "")
            tx.hold(psids=[event.psid], codes=[digest])
            row = tx.one("find_code", digest=digest)
            if row is None or row["consumed_at"] is not None:
                return EventIgnored("duplicate", event.page_id, event.psid)
            tx.put("consume_code", attempt_id=row["attempt_id"], psid=event.psid, now=now)
            return _refuse(tx, reason, event, now)

        return self.engine.write(work)

    def unlink(self, page_id: str, psid: str, source: str, now: int, *, audit: Audit = NO_AUDIT) -> Outcome:
        """Unlink by our side: the farewell and the call to Messenger are queued with it."""

        def work(tx: Tx) -> Outcome:
            tx.hold(psids=[psid])
            person, link = _look_up(tx, page_id, psid)
            if link is None:
                return EventIgnored("not_linked", page_id, psid)
            _end_link(tx, link, person, source, unlinked_ms=now, now=now, audit=audit)
            return AccountUnlinked(page_id, psid, link.account_id, source)

        return self.engine.write(lambda tx: self._followed(tx, work(tx), now))

    def bind(
        self,
        page_id: str,
        psid: str,
        given: Identifiers,
        source: str,
        now: int,
        *,
        account: Account | None = None,
        audit: Audit = NO_AUDIT,
    ) -> Outcome:
        """Link or update by what the site gave; the confirmation is queued with it. The same facts again
        write nothing."""

        def is_so(link: Link | None) -> bool:
            after = account_after(given, link, account)
            return link is not None and link.account_id == after.id and not changed_identifiers(link, after)

        def work(tx: Tx) -> Outcome:
            tx.hold(psids=[psid])
            _, before = _look_up(tx, page_id, psid)
            if is_so(before):
                return EventIgnored("unchanged", page_id, psid)
            after = account_after(given, before, account)
            if before is None or before.account_id != after.id:
                return _link_by_site(tx, page_id, psid, before, after, source, now, audit)
            return _change_link(tx, before, after, source, now, audit)

        if is_so(self.find_link(page_id, psid)):  # a site that repeats itself waits for nobody
            return EventIgnored("unchanged", page_id, psid)
        return self.engine.write(lambda tx: self._followed(tx, work(tx), now))

    def history_of(self, page_id: str | None, psid: str) -> list[Change]:
        """What happened to this person's links, oldest first."""
        return [_change(row) for row in self.engine.read("find_history", page_id=page_id, psid=psid)]

    def erase(self, page_id: str | None, psid: str, now: int) -> int:
        """Remove every row about a person; used codes stay as digests without a name. Counts rows."""

        def work(tx: Tx) -> int:
            tx.hold(psids=[psid])
            ended = tx.all("erase_links", page_id=page_id, psid=psid)
            return (
                len(ended)
                + sum(_erase_unbound(tx, row["account_id"]) for row in ended)
                + tx.run("erase_codes", page_id=page_id, psid=psid, now=now)
                + sum(tx.run(f"erase_{table}", page_id=page_id, psid=psid) for table in _ERASED_WHOLE)
                + sum(follower.erase(tx, page_id, psid) for follower in self.followers)
            )

        rows = self.engine.write(work)
        self.engine.scrub()
        return rows

    # Attempts and codes

    def save_attempt(self, attempt: Attempt, session_digest: str, expires_at: int) -> None:
        values = _identity(attempt.account) | {"display_name": attempt.account.display_name}
        self.engine.write(
            lambda tx: tx.put(
                "save_attempt", attempt_id=attempt.attempt_id, session_digest=session_digest,
                page_id=attempt.page_id, psid=attempt.psid, profile_name=attempt.profile_name,
                linking_token=attempt.linking_token, return_url=attempt.return_url,
                opened_at=attempt.opened_at,
                expires_at=expires_at, **values,
            )
        )  # fmt: skip

    def find_attempt(self, attempt_id: str, session_digest: str, now: int) -> Attempt | None:
        rows = self.engine.read("find_attempt", attempt_id=attempt_id, session_digest=session_digest, now=now)
        return _attempt(rows[0]) if rows else None

    def drop_attempt(self, attempt_id: str, session_digest: str) -> None:
        self.engine.write(
            lambda tx: tx.put("drop_attempt", attempt_id=attempt_id, session_digest=session_digest)
        )

    def save_code(self, digest: str, attempt: Attempt, locale: str | None, now: int, expires_at: int) -> bool:
        """Commit a pending code. False when this attempt has linked already, or was another account's."""

        def work(tx: Tx) -> bool:
            identity = _identity(attempt.account)
            tx.hold(attempts=[attempt.attempt_id])
            if tx.one("is_attempt_used", attempt_id=attempt.attempt_id, account_id=attempt.account.id):
                return False
            tx.put("save_code", digest=digest, attempt_id=attempt.attempt_id, page_id=attempt.page_id,
                   psid=attempt.psid, locale=locale, now=now, expires_at=expires_at, **identity)  # fmt: skip
            return True

        return self.engine.write(work)

    def account_of_code(self, digest: str) -> str | None:
        """The account of a code that is not consumed yet."""
        rows = self.engine.read("find_code", digest=digest)
        return rows[0]["account_id"] if rows and rows[0]["consumed_at"] is None else None

    def drop_pending(self, account_id: str) -> None:
        def work(tx: Tx) -> None:
            tx.hold(account_id=account_id)
            tx.put("drop_codes_of_account", account_id=account_id)
            tx.put("drop_attempts_of_account", account_id=account_id)

        self.engine.write(work)

    # What was interrupted

    def save_resume(self, page_id: str, psid: str, payload: Any, now: int) -> None:
        text = json.dumps(payload)
        self.engine.write(lambda tx: tx.put("save_resume", page_id=page_id, psid=psid, payload=text, now=now))

    def take_resume(self, page_id: str, psid: str) -> Any:
        return self.engine.write(lambda tx: _take_resume(tx, page_id, psid, 0))

    # The outbox

    def has_due(self, now: int, tokens: Sequence[str], busy: Sequence[str] = ()) -> bool:
        return bool(self.engine.read("has_due", now=now, tokens=json.dumps(tokens), busy=json.dumps(busy)))

    def claim_due(
        self,
        now: int,
        until: int,
        limit: int,
        tokens: Sequence[str],
        busy: Sequence[str] = (),
        *,
        done: Sequence[Done] = (),
    ) -> list[OutboxEntry]:
        """Remove what is `done`, whoever may have taken its lease over, and lease what is due: never two
        entries of one person at a time, each person's in order, none of the `busy` pages."""
        claim = secrets.token_hex(8)
        values = {"claim": claim, "now": now, "until": until, "limit": limit}
        passed_over = {"tokens": json.dumps(tokens), "busy": json.dumps(busy)}

        def work(tx: Tx) -> list[Row]:
            for each in done:
                tx.put("finish", id=each.entry.id)
                if each.counter is not None:
                    tx.put("hit", key=each.counter, expires_at=each.expires_at, now=now)
            return tx.all("claim_due", **values, **passed_over)

        rows = self.engine.write(work)
        return sorted((_entry(row, claim) for row in rows), key=lambda entry: entry.id)

    def renew(self, entries: Sequence[OutboxEntry], until: int) -> None:
        """Keep the leases of these entries a while longer."""

        def work(tx: Tx) -> None:
            for entry in entries:
                tx.put("renew", id=entry.id, claim=entry.claim, until=until)

        self.engine.write(work)

    def postpone(
        self,
        entry: OutboxEntry,
        next_at: int,
        reason: str,
        *,
        now: int,
        whole_page: bool = False,
        held_for: str | None = None,
    ) -> None:
        """Try again later; with `whole_page` everything else of that page waits as long."""
        values = {"next_at": next_at, "reason": reason, "held_for": held_for}

        def work(tx: Tx) -> None:
            tx.put("postpone", id=entry.id, claim=entry.claim, **values)
            if whole_page:
                tx.put("postpone_page", page_id=entry.page_id, now=now, **values)

        self.engine.write(work)

    def bury(self, entry: OutboxEntry, reason: str, now: int) -> None:
        self.engine.write(lambda tx: tx.put("bury", id=entry.id, claim=entry.claim, reason=reason, now=now))

    def list_dead(self) -> list[OutboxEntry]:
        return [_entry(row, "") for row in self.engine.read("list_dead")]

    def retry_dead(self, entry_id: int, now: int) -> bool:
        return self.engine.write(lambda tx: tx.one("retry_dead", id=entry_id, now=now)) is not None

    def outbox_depth(self) -> Row:
        """`depth`, `oldest` (ms or None) and `held` of what waits, and `dead`."""
        (row,), (dead,) = self.engine.read("outbox_depth"), self.engine.read("count_dead")
        return row | dead

    # Throttles

    def hit(self, key: str, expires_at: int, now: int) -> int:
        """Count one more on a key that starts again after `expires_at`; the count so far."""
        row = self.engine.write(lambda tx: tx.one("hit", key=key, expires_at=expires_at, now=now))
        assert row is not None
        return int(row["hits"])

    def find_limit(self, key: str, now: int, window: int) -> tuple[int, int]:
        """Hits, and when they expire."""
        rows = self.engine.read("find_limit", key=key, now=now, window=window)
        return (rows[0]["hits"], rows[0]["expires_at"]) if rows else (0, now)

    def refund(self, key: str, now: int) -> None:
        """Take one hit back."""
        self.engine.write(lambda tx: tx.put("refund", key=key, now=now))

    def drop_limit(self, key: str) -> None:
        self.engine.write(lambda tx: tx.put("drop_limit", key=key))

    # API keys

    def save_api_key(self, key: ApiKey) -> bool:
        """Keep a new key. False when an active one has this name already."""

        def work(tx: Tx) -> bool:
            values = {"digest": key.digest, "pages": json.dumps(key.pages), "now": key.created_at}
            return tx.run("save_api_key", id=key.id, called=key.name, **values) > 0

        return self.engine.write(work)

    def find_api_key(self, digest: str) -> ApiKey | None:
        """The active key of this digest, as last committed by any process."""
        rows = self.engine.read("find_api_key", digest=digest)
        return _api_key(rows[0]) if rows else None

    def list_api_keys(self) -> list[ApiKey]:
        """All keys, oldest first, with those that were revoked."""
        return [_api_key(row) for row in self.engine.read("list_api_keys")]

    def touch_api_key(self, key_id: str, now: int) -> None:
        self.engine.write(lambda tx: tx.put("touch_api_key", id=key_id, now=now))

    def revoke_api_key(self, name: str, now: int) -> bool:
        """End a key, committed when this returns. False when there is no active one of this name."""

        def work(tx: Tx) -> bool:
            return tx.run("revoke_api_key", called=name, now=now) > 0

        return self.engine.write(work)

    # Upkeep

    def purge(self, now: int) -> None:
        """Forget what no event can need any more, in short transactions."""
        for statement, age in _RETENTION.items():
            step = partial(_purge, statement=statement, before=now - age)
            while self.engine.write(step) >= PURGED_AT_ONCE:
                time.sleep(PURGE_PAUSE_S)

    def check(self) -> None:
        """Raise `StoreUnavailable` unless the store reads and writes."""
        self.engine.write(lambda tx: tx.put("purge_limits", before=0, most=1))

    def close(self) -> None:
        self.engine.close()


_ERASED_WHOLE = ("attempts", "unlinks_seen", "resumes", "outbox", "history")
_RETENTION = {
    "purge_codes": REDELIVERY_MS,
    "purge_attempts": 0,
    "purge_unlinks_seen": REDELIVERY_MS,
    "purge_resumes": RESUME_MAX_AGE_MS,
    "purge_limits": 0,
    "purge_unlinked": REDELIVERY_MS,
    "purge_dead": KEEP_DEAD_MS,
    "purge_history": KEEP_HISTORY_MS,
    "purge_api_keys": KEEP_HISTORY_MS,  # the history names them
}


def _erase_unbound(tx: Tx, account_id: str | None) -> int:
    """Logins under way of which Messenger did not say whose they are, but the account does."""
    return sum(tx.run(f"erase_unbound_{table}", account_id=account_id) for table in ("codes", "attempts"))


def _apply_linked(tx: Tx, event: LinkingEvent, now: int) -> Outcome:
    page_id, psid = event.page_id, event.psid
    row = tx.one("find_code", digest=digest_of(event.authorization_code or ""))
    code = PendingCode(**row) if row else None
    refusal = refusal_of(code, event, now_ms=now)
    if refusal == "duplicate":
        return EventIgnored("duplicate", page_id, psid)
    if refusal is not None or code is None:
        return _refuse(tx, refusal or "code_unknown", event, now)
    person, before = _look_up(tx, page_id, psid)
    if not tx.all("consume_code", attempt_id=code.attempt_id, psid=psid, now=now):
        return _refuse(tx, "code_unknown", event, now)  # withdrawn at this very moment
    if is_outrun(code, event, person):
        return EventIgnored("stale", page_id, psid)
    saved = tx.one(
        "save_link", page_id=page_id, psid=psid, account_id=code.account_id, username=code.username,
        email=code.email, phone_number=code.phone_number, locale=code.locale, source="login", now=now,
        event_ms=event.timestamp, code_tick=code.tick,
    )  # fmt: skip
    assert saved is not None
    link = _link(saved)
    _record(tx, link, before, link, "login", now)
    if person.account_id == link.account_id:
        return EventIgnored("unchanged", page_id, psid)
    return _welcome(tx, link, person.account_id, now)


def _link_by_site(
    tx: Tx, page_id: str, psid: str, before: Link | None, after: Account, source: str, now: int, audit: Audit
) -> Outcome:
    """Another account than before, or the first: no event made this link, so none has a timestamp to lose
    against."""
    saved = tx.one(
        "save_link", page_id=page_id, psid=psid, locale=None, source=source, now=now,
        event_ms=None, code_tick=0, **_identity(after),
    )  # fmt: skip
    assert saved is not None
    link = _link(saved)
    _record(tx, link, before, link, source, now, audit)
    return _welcome(tx, link, before.account_id if before else None, now)


def _change_link(tx: Tx, before: Link, after: Account, source: str, now: int, audit: Audit) -> Outcome:
    """The same account under other identifiers: whoever made the link, and when, stays."""
    values = _identity(after)
    values.pop("account_id")
    saved = tx.one("change_link", page_id=before.page_id, psid=before.psid, now=now, **values)
    assert saved is not None
    link = _link(saved)
    _record(tx, link, before, link, source, now, audit)
    _announce(tx, "linked", link.page_id, link.psid, now)
    return LinkChanged(link, changed_identifiers(before, link))


def _welcome(tx: Tx, link: Link, previous_account_id: str | None, now: int) -> Outcome:
    """Queue the confirmation, then what the person was doing when they were asked to log in."""
    page_id, psid = link.page_id, link.psid
    resume = _take_resume(tx, page_id, psid, now - RESUME_MAX_AGE_MS)
    _announce(tx, "linked", page_id, psid, now)
    if resume is not None:
        tx.put("queue", page_id=page_id, psid=psid, kind="resume", payload=json.dumps(resume), now=now)
    return AccountLinked(link, previous_account_id, resume)


def _apply_unlinked(tx: Tx, event: LinkingEvent, now: int) -> Outcome:
    page_id, psid, event_ms = event.page_id, event.psid, event.timestamp
    person, link = _look_up(tx, page_id, psid)
    seen_before = False
    if event_ms is not None:
        seen_before = tx.one("is_unlink_seen", page_id=page_id, psid=psid, event_ms=event_ms) is not None
        if not seen_before:
            tx.put("save_unlink_seen", page_id=page_id, psid=psid, event_ms=event_ms, now=now)
    if link is None:
        if event_ms is not None and event_ms > (person.unlinked_ms or -1):
            _save_unlink(tx, page_id, psid, "messenger", event_ms, now)
        return EventIgnored("not_linked", page_id, psid)
    if is_stale_unlink(event, person, seen_before=seen_before):
        return EventIgnored("stale", page_id, psid)
    unlinked_ms = event_ms if event_ms is not None else person.event_ms
    _end_link(tx, link, person, "messenger", unlinked_ms=unlinked_ms, now=now)
    return AccountUnlinked(page_id, psid, link.account_id, "messenger")


def _end_link(
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
    _record(tx, link, link, None, source, now, audit)
    latest = max((ms for ms in (unlinked_ms, person.unlinked_ms) if ms is not None), default=None)
    _save_unlink(tx, page_id, psid, source, latest, now)
    _announce(tx, "unlinked", page_id, psid, now)
    if source != "messenger":
        tx.put("queue", page_id=page_id, psid=psid, kind="unlink_call", payload="null", now=now)


def _save_unlink(tx: Tx, page_id: str, psid: str, source: str, unlinked_ms: int | None, now: int) -> None:
    tx.put("save_unlink", page_id=page_id, psid=psid, source=source, unlinked_ms=unlinked_ms, now=now)


def _announce(tx: Tx, kind: str, page_id: str, psid: str, now: int) -> None:
    """Queue the message about the state as it now is, in place of what was not sent yet."""
    tx.put("supersede", page_id=page_id, psid=psid, now=now)
    tx.put("queue", page_id=page_id, psid=psid, kind=kind, payload="null", now=now)


def _record(
    tx: Tx, whose: Link, before: Link | None, after: Link | None, door: str, now: int,
    audit: Audit = NO_AUDIT,
) -> None:  # fmt: skip
    """One line of history, if anything changed."""
    account_before = before.account_id if before else None
    account_after = after.account_id if after else None
    identifiers = changed_identifiers(before, after)
    if account_before != account_after or identifiers:
        tx.put(
            "save_history", at=now, page_id=whose.page_id, psid=whose.psid, door=door,
            account_before=account_before, account_after=account_after, identifiers=",".join(identifiers),
            key_id=audit.key_id, request_id=audit.request_id, meta=audit.meta,
        )  # fmt: skip


def _refuse(tx: Tx, reason: str, event: LinkingEvent, now: int) -> Outcome:
    """Refuse a code, and tell the person at most once in ten minutes."""
    key = f"refused:{digest_of(event.page_id + ' ' + event.psid)}"
    limit = tx.one("find_limit", key=key, now=now, window=REFUSALS_APART_MS)
    if limit is None:
        tx.put("hit", key=key, expires_at=now + REFUSALS_APART_MS, now=now)
        tx.put("queue", page_id=event.page_id, psid=event.psid, kind="refused", payload="null", now=now)
    return LinkingRefused(reason, event.page_id, event.psid)


def _take_resume(tx: Tx, page_id: str, psid: str, not_before: int) -> Any:
    rows = tx.all("take_resumes", page_id=page_id, psid=psid)
    fresh = [row for row in rows if row["created_at"] >= not_before]
    newest = max(fresh, key=lambda row: row["created_at"], default=None)
    return None if newest is None else json.loads(newest["payload"])


def _look_up(tx: Tx, page_id: str, psid: str) -> tuple[Person, Link | None]:
    """What is remembered of somebody, and their link, if there is one."""
    row = tx.one("find_person", page_id=page_id, psid=psid)
    if row is None:
        return Person(), None
    columns = tuple(row.values())
    person = Person(row["account_id"], *columns[9:14])
    return person, None if person.account_id is None else _link_of(columns[:9])


def _identity(account: Account) -> Row:
    return {
        "account_id": account.id,
        "username": account.username,
        "email": account.email,
        "phone_number": account.phone_number,
    }


def _attempt(row: Row) -> Attempt:
    account = Account(
        row["account_id"], row["username"], row["email"], row["phone_number"], row["display_name"]
    )
    return Attempt(
        row["attempt_id"], account, row["linking_token"], row["return_url"], row["opened_at"],
        row["page_id"], row["psid"], row["profile_name"],
    )  # fmt: skip


def _purge(tx: Tx, statement: str, before: int) -> int:
    return tx.run(statement, before=before, most=PURGED_AT_ONCE)


def _link(row: Row) -> Link:
    return _link_of(tuple(row.values()))


def _link_of(row: tuple[Any, ...]) -> Link:
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


def _change(row: Row) -> Change:
    before, after = row["account_before"], row["account_after"]
    return Change(
        from_ms(row["at"]), row["page_id"], row["psid"], row["door"],
        "unlinked" if after is None else "changed" if before == after else "linked",
        before, after, tuple(filter(None, row["identifiers"].split(","))),
        row["key_id"], row["request_id"], row["meta"],
    )  # fmt: skip


def _api_key(row: Row) -> ApiKey:
    return ApiKey(
        row["id"], row["name"], row["digest"], tuple(json.loads(row["pages"])),
        row["created_at"], row["last_used_at"], row["revoked_at"],
    )  # fmt: skip


def _entry(row: Row, claim: str) -> OutboxEntry:
    return OutboxEntry(
        row["id"], claim, row["page_id"], row["psid"], row["kind"], json.loads(row["payload"]),
        row["created_at"], row["attempts"], row["last_error"], row["dead_at"], row["held_for"] is not None,
    )  # fmt: skip
