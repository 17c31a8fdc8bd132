"""A store in memory, written from the prose of `core.ports` alone: it shows that the prose is the contract.

It has the roles of the contract suite, with the policy `move`. One lock makes each method one transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from bot_linking.core.codes import PendingCode, is_shaped_as_ours, limits_of
from bot_linking.core.events import AccountLinked, AccountUnlinked, EventIgnored, LinkChanged, LinkingEvent
from bot_linking.core.events import LinkingRefused as Refused
from bot_linking.core.history import NO_AUDIT, Audit, Change
from bot_linking.core.identifiers import LONGEST, Identifiers, account_after, changed_identifiers
from bot_linking.core.journey import Stage
from bot_linking.core.links import Account, Link, from_ms, to_ms
from bot_linking.core.ordering import Person, is_outrun, is_stale_unlink, refusal_of
from bot_linking.core.ports import Attempt
from bot_linking.core.ports.attempts import MOST_CODES
from bot_linking.core.ports.links import Contact

from .memory_roles import MINUTE, Key, Roles

HOUR, DAY = 3_600_000, 86_400_000
CONSENTED = {Stage.CONSENT_SHOWN, Stage.APPROVED}


class Row(NamedTuple):
    person: Person = Person()
    link: Link | None = None
    locale: str | None = None
    changed_at: int = 0


class MemoryStore(Roles):
    def _row(self, who: Key) -> Row:
        row: Row = self._t["people"].get(who, Row())
        return row

    # Links

    def find_link(self, page_id: str, psid: str) -> Link | None:
        return self._row((page_id, psid)).link

    def find_links_of_psid(self, psid: str) -> list[Link]:
        return [link for link in self.list_links() if link.psid == psid][:2]

    def find_links_of_account(self, account_id: str) -> list[Link]:
        found = [link for link in self.list_links() if link.account_id == account_id]
        return sorted(found, key=lambda link: link.updated_at)

    def list_links(self) -> Iterator[Link]:
        rows = [self._t["people"][who] for who in sorted(self._t["people"])]
        return iter([row.link for row in rows if row.link is not None])

    def find_pages(self) -> list[str]:
        pages = sorted({page for page, _ in self._t["people"]})
        return sorted({*pages[:1], *pages[-1:]})

    def contact_of(self, page_id: str, psid: str) -> Contact:
        return Contact(self._row((page_id, psid)).locale)

    def history_of(self, page_id: str | None, psid: str) -> list[Change]:
        return [x for x in self._t["history"].values() if x.psid == psid and page_id in (None, x.page_id)]

    def receive(self, events: list[LinkingEvent], now: int) -> list[Any]:
        return [self._receive(event, (event.page_id, event.psid), now) for event in events]

    def _receive(self, event: LinkingEvent, who: Key, now: int) -> Any:
        if abs(event.timestamp or 0) >= 2**63:  # what a database could not keep
            self._queue(who, "event", [event.status, event.timestamp], now, dead_at=now)
            return Refused("event_failed", *who)
        return self._linked(event, who, now) if event.status == "linked" else self._unlinked(event, who, now)

    def _linked(self, event: LinkingEvent, who: Key, now: int) -> Any:
        code: Any = self._t["codes"].get(event.digest)
        refusal = refusal_of(code, event, now_ms=now)
        if refusal == "duplicate":
            return EventIgnored("duplicate", *who)
        if refusal is not None:
            is_ours = code or event.code_digest or is_shaped_as_ours(event.authorization_code)
            return self._refuse(who, refusal, now) if is_ours else Refused(refusal, *who)
        for digest, each in self._t["codes"].items():
            if each.attempt_id == code.attempt_id and each.consumed_at is None:
                self._t["codes"][digest] = replace(each, consumed_at=now, consumed_by=event.psid)
        if (attempt := self.find_attempt(code.attempt_id)) is not None:
            self._t["attempts"][code.attempt_id] = replace(attempt, stage=Stage.DONE)
        if is_outrun(code, event, self._row(who).person):
            return EventIgnored("stale", *who)
        account = Account(code.account_id, code.username, code.email, code.phone_number)
        times = Person(account.id, event.timestamp, code.tick)
        return self._link(who, account, times, now, code.source, locale=code.locale)

    def _link(self, who: Key, to: Account, times: Person, now: int, source: str, **more: Any) -> Any:
        row, at = self._row(who), from_ms(now)
        same = row.link if row.link is not None and row.link.account_id == to.id else None
        names: list[Any] = [getattr(to, name) or getattr(same, name, None) for name in LONGEST]
        began = same.linked_at if same else at
        link = Link(who[0], who[1], to.id, names[0], names[1], names[2], source, began, at)
        last, tick = row.person, len(self._t["ticks"])
        ended: dict[str, Any] = {"unlinked_ms": last.unlinked_ms, "unlinked_tick": last.unlinked_tick}
        person = replace(times, changed_tick=tick, **ended)
        self._t["people"][who] = Row(person, link, more.get("locale") or row.locale, now)
        self._record(who, row.link, link, source, now, more.get("audit", NO_AUDIT))
        if same is not None:
            return EventIgnored("unchanged", *who)
        resume = self._take(who, now - HOUR)
        self._announce(who, "linked", now)
        if resume is not None:
            self._queue(who, "resume", resume, now)
        return AccountLinked(link, row.person.account_id, resume)

    def _unlinked(self, event: LinkingEvent, who: Key, now: int) -> Any:
        row, at, seen = self._row(who), event.timestamp, (who, event.timestamp) in self._t["seen"]
        if at is not None:
            self._t["seen"].setdefault((who, at), now)
        if row.link is None:
            if at is not None and at > (row.person.unlinked_ms or -1):
                self._forget(who, at, now)
            return EventIgnored("not_linked", *who)
        if is_stale_unlink(event, row.person, seen_before=seen):
            return EventIgnored("stale", *who)
        return self._end(who, row.link, "messenger", row.person.event_ms if at is None else at, now)

    def _end(self, who: Key, link: Link, source: str, at: Any, now: int, audit: Audit = NO_AUDIT) -> Any:
        self._record(who, link, None, source, now, audit)
        times = [ms for ms in (at, self._row(who).person.unlinked_ms) if ms is not None]
        self._forget(who, max(times, default=None), now)
        self._announce(who, "unlinked", now)
        if source != "messenger":
            self._queue(who, "unlink_call", None, now)
        return AccountUnlinked(*who, link.account_id, source, link)

    def _forget(self, who: Key, at: int | None, now: int) -> None:
        tick = len(self._t["ticks"])
        person = Person(changed_tick=tick, unlinked_ms=at, unlinked_tick=tick)
        self._t["people"][who] = Row(person, None, self._row(who).locale, now)

    def _refuse(self, who: Key, reason: str, now: int) -> Any:
        key = limits_of(*who).refused
        if self.find_limit(key, now, 10 * MINUTE)[0] == 0:
            self.hit(key, now + 10 * MINUTE, now)
            self._queue(who, "refused", None, now)
        return Refused(reason, *who)

    def _record(self, who: Key, old: Any, new: Any, source: str, now: int, audit: Audit) -> None:
        was, becomes, names = old and old.account_id, new and new.account_id, changed_identifiers(old, new)
        if was != becomes or names:
            what: Any = "unlinked" if new is None else "changed" if was == becomes else "linked"
            change = Change(from_ms(now), *who, source, what, was, becomes, names)
            about: dict[str, Any] = {
                "key_id": audit.key_id,
                "request_id": audit.request_id,
                "meta": audit.meta,
            }
            self._t["history"][len(self._t["history"])] = replace(change, **about)

    def unlink(self, page_id: str, psid: str, source: str, now: int) -> Any:
        who, link = (page_id, psid), self.find_link(page_id, psid)
        return self._end(who, link, source, now, now) if link else EventIgnored("not_linked", *who)

    def bind(
        self, page_id: str, psid: str, given: Identifiers, source: str, now: int, *, audit: Audit = NO_AUDIT
    ) -> list[Any]:
        who, row = (page_id, psid), self._row((page_id, psid))
        after = account_after(given, row.link, None)
        if row.link is None or row.link.account_id != after.id:
            return [self._link(who, after, Person(after.id), now, source, audit=audit)]
        if not (changed := changed_identifiers(row.link, after)):
            return [EventIgnored("unchanged", *who)]
        names = {name: getattr(after, name) for name in LONGEST}
        link = replace(row.link, updated_at=from_ms(now), **names)
        self._t["people"][who] = row._replace(link=link)
        self._record(who, row.link, link, source, now, audit)
        self._announce(who, "linked", now)
        return [LinkChanged(link, changed)]

    def erase(self, page_id: str | None, psid: str, now: int, *, asked: str | None = None) -> int:
        whom = {who for who in self._t["people"] if who[1] == psid and page_id in (None, who[0])}
        keys: set[Any] = whom | {key for who in whom for key in limits_of(*who)}
        for name in ("people", "limits"):
            self._keep(name, lambda key, _: key not in keys)
        return len(whom)

    # Attempts

    def save_attempt(self, attempt: Attempt, *, before: Attempt | None = None) -> bool:
        kept = self._t["attempts"].get(attempt.attempt_id)
        known, seen = (each and (each.stage, each.session_digest) for each in (kept, before))
        if known != seen:
            return False
        self._t["attempts"][attempt.attempt_id] = attempt
        if attempt.stage is Stage.LEFT:
            self._keep("codes", lambda _, code: code.attempt_id != attempt.attempt_id or code.consumed_at)
        return True

    def find_attempt(self, attempt_id: str) -> Any:
        return self._t["attempts"].get(attempt_id)

    def save_code(self, digest: str, attempt: Attempt, locale: Any, now: int, expires_at: int) -> bool:
        name, account, kept = attempt.attempt_id, attempt.account, self.find_attempt(attempt.attempt_id)
        assert account is not None
        codes = [code for code in self._t["codes"].values() if code.attempt_id == name]
        if attempt.stage is Stage.OPENED:
            fits = kept is None or (kept.stage is Stage.APPROVED and kept.account == account)
        else:
            fits = kept is not None and kept.stage in CONSENTED and now < kept.expires_at
            fits = fits and (kept.session_digest, kept.account) == (attempt.session_digest, account)
        is_over = any(code.consumed_at is not None or code.account_id != account.id for code in codes)
        if not fits or is_over or len(codes) >= MOST_CODES:
            return False
        tick = self._t["ticks"][digest] = len(self._t["ticks"]) + 1
        known = (account.id, account.username, account.email, account.phone_number, locale, now, expires_at)
        code = PendingCode(tick, name, attempt.page_id, attempt.psid, *known, None, None)
        self._t["codes"][digest] = replace(code, source=attempt.way)
        self._t["attempts"][name] = replace(kept or attempt, stage=Stage.APPROVED)
        return True

    def account_of_code(self, digest: str) -> str | None:
        code = self._t["codes"].get(digest)
        return code.account_id if code is not None and code.consumed_at is None else None

    def drop_pending(self, account_id: str) -> None:
        self._keep("codes", lambda _, code: code.account_id != account_id or code.consumed_at is not None)
        self._keep("attempts", lambda _, each: each.account is None or each.account.id != account_id)

    def save_resume(self, page_id: str, psid: str, payload: Any, now: int) -> None:
        self._t["resumes"][page_id, psid] = (now, json.dumps(payload))

    def take_resume(self, page_id: str, psid: str) -> Any:
        return self._take((page_id, psid), 0)

    def _take(self, who: Key, since: int) -> Any:
        kept = [self._t["resumes"].pop(key, (-1, "")) for key in {who, ("", who[1])}]
        return json.loads(max([each for each in kept if each[0] >= since], default=(0, "null"))[1])

    # Upkeep

    def purge(self, now: int) -> None:
        old = now - 3 * DAY
        self._keep("attempts", lambda _, each: each.expires_at >= now)
        self._keep("limits", lambda _, limit: limit[1] >= now)
        self._keep("resumes", lambda _, resume: resume[0] >= now - HOUR)
        self._keep("codes", lambda _, code: code.expires_at >= old)
        self._keep("seen", lambda _, at: at >= now - 400 * DAY)
        self._keep("people", lambda _, row: row.link is not None or row.changed_at >= old)
        self._keep("outbox", lambda _, w: (w.entry.dead_at or now) >= now - 30 * DAY)
        self._keep("history", lambda _, each: to_ms(each.at) >= now - 400 * DAY)
        self._keep("keys", lambda _, key: (key.revoked_at or now) >= now - 400 * DAY)

    def check(self) -> None:
        return None

    migrate = close = check
