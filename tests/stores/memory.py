"""A store in memory, written from the prose of `core.ports` alone, to show that the prose is enough. It has
the roles of the contract suite and the policy `move`. One lock makes each method one transaction."""

from __future__ import annotations

import json
from dataclasses import astuple, replace
from itertools import count
from operator import attrgetter
from threading import RLock
from typing import Any

from bot_linking.core.codes import PendingCode, is_shaped_as_ours, limits_of
from bot_linking.core.events import AccountLinked, AccountUnlinked, EventIgnored, LinkChanged, LinkingRefused
from bot_linking.core.history import NO_AUDIT, Change
from bot_linking.core.identifiers import LONGEST, Identifiers, account_after, changed_identifiers
from bot_linking.core.journey import Stage
from bot_linking.core.links import Link, from_ms
from bot_linking.core.ordering import Person, is_outrun, is_stale_unlink, refusal_of
from bot_linking.core.ports import ApiKey, Attempt, OutboxEntry, attempts, links, outbox

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
NEWS = {"linked", "unlinked", "unlink_call", "refused"}
Key = tuple[str, str]
who_of: Any = attrgetter("page_id", "psid")
identifiers_of: Any = attrgetter(*LONGEST)


def keep(table: dict[Any, Any], where: Any) -> None:
    for key in [key for key, value in table.items() if not where(value)]:
        del table[key]


class MemoryStore:
    def __init__(self) -> None:
        self._lock, self._numbers, self._tick = RLock(), count(1), 0
        self._people, self._links = dict[Key, Person](), dict[Key, Link | None]()
        self._locales, self._changed_at = dict[Key, str | None](), dict[Key, int]()
        self._history, self._seen = dict[int, Change](), dict[tuple[Key, int], int]()
        self._attempts, self._codes = dict[str, Attempt](), dict[str, PendingCode]()
        self._outbox, self._dead = dict[int, OutboxEntry](), dict[int, OutboxEntry]()
        self._due_at, self._until, self._keys = dict[int, int](), dict[int, int](), dict[str, ApiKey]()
        self._resumes, self._limits = dict[Key, tuple[int, str]](), dict[str, tuple[int, int]]()
        self.find_attempt = self._attempts.get
        self.check = self.close = lambda: None  # there is nothing to open and nothing that may fail

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        return found if name.startswith("_") else lambda *given, **named: self._alone(found, given, named)

    def _alone(self, method: Any, given: Any, named: Any) -> Any:
        with self._lock:
            return method(*given, **named)

    def find_link(self, page_id: str, psid: str) -> Link | None:
        return self._links.get((page_id, psid))

    def find_links_of_psid(self, psid: str) -> list[Link]:
        return [link for link in self.list_links() if link.psid == psid][:2]

    def find_links_of_account(self, account_id: str) -> list[Link]:
        found = [link for link in self.list_links() if link.account_id == account_id]
        return sorted(found, key=attrgetter("updated_at"))

    def list_links(self) -> Any:
        return iter([link for _, link in sorted(self._links.items()) if link is not None])

    def find_pages(self) -> list[str]:
        return sorted({pick(page for page, _ in self._links) for pick in (min, max)}) if self._links else []

    def contact_of(self, page_id: str, psid: str) -> links.Contact:
        return links.Contact(self._locales.get((page_id, psid)))

    def history_of(self, page_id: str | None, psid: str) -> list[Change]:
        return [x for x in self._history.values() if x.psid == psid and page_id in (None, x.page_id)]

    def receive(self, events: list[Any], now: int) -> list[Any]:
        return [self._receive(event, who_of(event), event.timestamp, now) for event in events]

    def _receive(self, event: Any, who: Key, at: int | None, now: int) -> Any:
        if abs(at or 0) >= 2**63:  # what a database could not keep
            self._queue(who, "event", [event.status, at], now, dead_at=now)
            return LinkingRefused("event_failed", *who)
        if event.status == "linked":
            return self._redeem(event, who, now)
        person, is_seen = self._people.get(who, Person()), (who, at) in self._seen
        if at is not None:
            self._seen.setdefault((who, at), now)
        if self._links.get(who) and is_stale_unlink(event, person, seen_before=is_seen):
            return EventIgnored("stale", *who)
        if not self._links.get(who) and (at is None or at <= (person.unlinked_ms or -1)):
            return EventIgnored("not_linked", *who)
        return self._end(who, "messenger", person.event_ms if at is None else at, now)

    def _redeem(self, event: Any, who: Key, now: int) -> Any:
        reason = refusal_of(code := self._codes.get(event.digest), event, now_ms=now)
        if reason == "duplicate":
            return EventIgnored(reason, *who)
        if code is None or reason is not None:
            key, is_ours = limits_of(*who).refused, is_shaped_as_ours(event.authorization_code)
            if (code or event.code_digest or is_ours) and self.hit(key, now + 10 * MINUTE, now) == 1:
                self._queue(who, "refused", None, now)
            return LinkingRefused(reason or "", *who)
        for digest, each in self._codes.items():
            if each.attempt_id == code.attempt_id and each.consumed_at is None:
                self._codes[digest] = replace(each, consumed_at=now, consumed_by=event.psid)
        if (attempt := self._attempts.get(code.attempt_id)) is not None:
            self._attempts[code.attempt_id] = replace(attempt, stage=Stage.DONE)
        if is_outrun(code, event, self._people.get(who, Person())):
            return EventIgnored("stale", *who)
        self._locales[who] = code.locale or self._locales.get(who)
        return self._link(who, code.account_id, code, (event.timestamp, code.tick), code.source, now)

    def bind(self, page_id: str, psid: str, given: Identifiers, source: str, now: int, **audit: Any) -> Any:
        account = account_after(given, link := self.find_link(page_id, psid), None)
        if link and link.account_id == account.id and not changed_identifiers(link, account):
            return [EventIgnored("unchanged", page_id, psid)]
        return [self._link((page_id, psid), account.id, account, (None, 0), source, now, **audit)]

    def _link(self, who: Key, to: Any, names: Any, times: Any, source: str, now: int, **audit: Any) -> Any:
        last, link, (at, tick) = self._people.get(who, Person()), self._links.get(who), times
        same = link if link is not None and link.account_id == to else None
        called = map(lambda new, old: new or old, identifiers_of(names), identifiers_of(same or names))
        made = (source, from_ms(now)) if same is None else (source if tick else same.source, same.linked_at)
        values: Any = (*who, to, *called, *made, from_ms(now))
        link = Link(*values)
        person = replace(last, account_id=to, event_ms=at, code_tick=tick, changed_tick=self._tick)
        person = last if same and not tick else person  # no code, no other account: no event
        self._write(who, person, link, source, now, is_news=not (same and tick), **audit)
        if same is not None:
            names = changed_identifiers(same, link)
            return EventIgnored("unchanged", *who) if tick else LinkChanged(link, names)
        resume = self.take_resume(*who, since=now - HOUR)
        if resume is not None:
            self._queue(who, "resume", resume, now)
        return AccountLinked(link, last.account_id, resume)

    def unlink(self, page_id: str, psid: str, source: str, now: int) -> Any:
        who = (page_id, psid)
        return self._end(who, source, now, now) if self._links.get(who) else EventIgnored("not_linked", *who)

    def _end(self, who: Key, source: str, at: int | None, now: int) -> Any:
        link, former, tick = self._links.get(who), self._people.get(who, Person()), self._tick
        last = max(filter(None, (at, former.unlinked_ms)), default=None)
        self._write(who, Person(changed_tick=tick, unlinked_ms=last, unlinked_tick=tick), None, source, now)
        if link is None:
            return EventIgnored("not_linked", *who)
        if source != "messenger":
            self._queue(who, "unlink_call", None, now)
        return AccountUnlinked(*who, link.account_id, source, link)

    def _write(self, who: Key, person: Person, link: Link | None, source: str, now: int, **more: Any) -> None:
        before, was = self._links.get(who), self._people.get(who, Person()).account_id
        self._people[who], self._links[who], self._changed_at[who] = person, link, now
        names, kind = changed_identifiers(before, link), "linked" if link else "unlinked"
        if was != person.account_id or names:
            how: Any = "changed" if was == person.account_id else kind
            about = (was, person.account_id, names, *astuple(more.get("audit", NO_AUDIT)))
            self._history[next(self._numbers)] = Change(from_ms(now), *who, source, how, *about)
        if (before or link) and more.get("is_news", True):
            keep(self._outbox, lambda x: who_of(x) != who or x.kind not in NEWS or self._until[x.id] > now)
            self._queue(who, kind, None, now)

    def erase(self, page_id: str | None, psid: str, now: int, **of: Any) -> int:
        linked = [who for who, x in self._links.items() if of.get("account_id") in (None, x and x.account_id)]
        for who in (whom := [who for who in linked if who[1] == psid and page_id in (None, who[0])]):
            for table in (self._people, self._links, self._locales, self._changed_at):
                table.pop(who, None)
            for key in limits_of(*who):
                self.drop_limit(key)
        return len(whom)

    def save_attempt(self, attempt: Attempt, *, before: Attempt | None = None) -> bool:
        name, kept = attempt.attempt_id, self._attempts.get(attempt.attempt_id)
        known, seen = (each and (each.stage, each.session_digest, each.awaited) for each in (kept, before))
        if known == seen:
            self._attempts[name] = attempt
            keep(self._codes, lambda x: x.attempt_id != name or x.consumed_at or attempt.stage != Stage.LEFT)
        return known == seen

    def save_code(self, digest: str, attempt: Attempt, locale: Any, now: int, expires_at: int) -> bool:
        name, account, kept = attempt.attempt_id, attempt.account, self._attempts.get(attempt.attempt_id)
        stage = kept.stage if kept is not None and kept.account == account else None
        is_mine = kept is not None and kept.session_digest == attempt.session_digest and now < kept.expires_at
        fits = is_mine and stage in {Stage.CONSENT_SHOWN, Stage.APPROVED}
        if attempt.stage is Stage.OPENED:
            fits = kept is None or stage is Stage.APPROVED
        former = [code for code in self._codes.values() if code.attempt_id == name]
        is_over = any(code.consumed_at or account is None or code.account_id != account.id for code in former)
        if account is None or not fits or is_over or len(former) >= attempts.MOST_CODES:
            return False
        self._tick += 1
        whose: Any = (name, attempt.page_id, attempt.psid, account.id, *identifiers_of(account))
        known: Any = (self._tick, *whose, locale, now, expires_at, None, None, None, attempt.way)
        self._codes[digest] = PendingCode(*known)
        self._attempts[name] = replace(kept or attempt, stage=Stage.APPROVED)
        return True

    def account_of_code(self, digest: str) -> str | None:
        code = self._codes.get(digest)
        return code.account_id if code is not None and code.consumed_at is None else None

    def drop_pending(self, account_id: str) -> None:
        keep(self._codes, lambda code: code.account_id != account_id or code.consumed_at is not None)
        keep(self._attempts, lambda each: each.account is None or each.account.id != account_id)

    def save_resume(self, page_id: str, psid: str, payload: Any, now: int) -> None:
        self._resumes[page_id, psid] = (now, json.dumps(payload))

    def take_resume(self, page_id: str, psid: str, *, since: int = 0) -> Any:
        kept = [self._resumes.pop(key, (-1, "")) for key in {(page_id, psid), ("", psid)}]
        return json.loads(max([each for each in kept if each[0] >= since], default=(0, "null"))[1])

    def due_pages(self, now: int, *, most: int) -> list[str]:
        return sorted({entry.page_id for entry in self._due(now)})[:most]

    def claim_due(self, now: int, until: int, shares: dict[str, int], *, settled: Any = ()) -> Any:
        for each in settled:
            self._settle(each, each.entry.id, now)
        due = {page: [entry for entry in self._due(now) if entry.page_id == page] for page in shares}
        ids = sorted(entry.id for page, share in shares.items() for entry in due[page][:share])
        for number in ids:
            entry, self._until[number] = self._outbox[number], until
            self._outbox[number] = replace(entry, claim=str(next(self._numbers)), attempts=entry.attempts + 1)
        return [self._outbox[number] for number in ids]

    def list_dead(self) -> list[OutboxEntry]:
        return [entry for _, entry in sorted(self._dead.items())]

    def _due(self, now: int) -> list[OutboxEntry]:
        alone = [x for x in self._outbox.values() if x.kind == "unlink_call" and self._until[x.id] <= now]
        first = {who_of(x): x for x in reversed(self._outbox.values()) if x not in alone}
        due = [x for x in [*alone, *first.values()] if self._due_at[x.id] <= now >= self._until[x.id]]
        return sorted(due, key=lambda x: (self._due_at[x.id], x.id))

    def _queue(self, who: Key, kind: str, payload: Any, now: int, *, dead_at: int | None = None) -> None:
        entry = OutboxEntry(next(self._numbers), "", *who, kind, payload, now, 0, dead_at=dead_at)
        (self._outbox if dead_at is None else self._dead)[entry.id] = entry
        self._due_at[entry.id], self._until[entry.id] = now, 0

    def _settle(self, each: Any, number: int, now: int) -> None:
        if isinstance(each, outbox.Done):
            self._outbox.pop(number, None)
        elif number in self._outbox and self._outbox[number].claim == each.entry.claim:
            self._outbox[number] = replace(each.entry, claim="", last_error=getattr(each, "reason", None))
            self._due_at[number], self._until[number] = getattr(each, "next_at", now), 0
            if isinstance(each, outbox.Buried):
                self._dead[number] = replace(self._outbox.pop(number), dead_at=now)

    def hit(self, key: str, expires_at: int, now: int) -> int:
        hits, ends = self.find_limit(key, now, expires_at - now)
        self._limits[key] = (hits + 1, ends if hits else expires_at)
        return hits + 1

    def refund(self, key: str, now: int) -> None:
        hits, ends = self._limits.get(key, (0, 0))
        self._limits[key] = (max(0, hits - (ends > now)), ends)

    def find_limit(self, key: str, now: int, window: int) -> tuple[int, int]:
        hits, ends = self._limits.get(key, (0, 0))
        return (hits, ends) if now < ends <= now + window + 2 * MINUTE else (0, now)

    def drop_limit(self, key: str) -> None:
        self._limits.pop(key, None)

    def save_api_key(self, key: ApiKey) -> bool:
        names = {each.name for each in self._keys.values() if each.revoked_at is None}
        is_new = key.name not in names and key.digest not in {each.digest for each in self._keys.values()}
        self._keys.update({key.id: key} if is_new else {})
        return is_new

    def find_api_key(self, digest: str) -> ApiKey | None:
        return next((x for x in self._keys.values() if x.digest == digest and x.revoked_at is None), None)

    def list_api_keys(self) -> list[ApiKey]:
        return sorted(self._keys.values(), key=attrgetter("created_at", "id"))

    def touch_api_key(self, key_id: str, now: int) -> None:
        self._keys[key_id] = replace(key := self._keys[key_id], last_used_at=max(now, key.last_used_at or 0))

    def revoke_api_key(self, name: str, now: int) -> bool:
        active = [key for key in self._keys.values() if key.name == name and key.revoked_at is None]
        self._keys.update({key.id: replace(key, revoked_at=now) for key in active})
        return bool(active)

    def purge(self, now: int) -> None:
        old, very_old = now - 3 * DAY, now - 400 * DAY
        for who in [who for who, at in self._changed_at.items() if at < old and not self._links[who]]:
            for table in (self._people, self._links, self._locales, self._changed_at):
                table.pop(who, None)
        keep(self._attempts, lambda attempt: attempt.expires_at >= now)
        keep(self._limits, lambda limit: limit[1] >= now)
        keep(self._resumes, lambda resume: resume[0] >= now - HOUR)
        keep(self._codes, lambda code: code.expires_at >= old)
        keep(self._dead, lambda entry: entry.dead_at >= now - 30 * DAY)
        keep(self._seen, lambda at: at >= very_old)
        keep(self._history, lambda change: change.at >= from_ms(very_old))
        keep(self._keys, lambda key: (key.revoked_at or now) >= very_old)
