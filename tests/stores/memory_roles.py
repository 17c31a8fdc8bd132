"""The simple roles of the store in memory: the outbox, counters and API keys, each a table of its own."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from secrets import token_hex
from threading import RLock
from typing import Any, NamedTuple

from bot_linking.core.ports import ApiKey, Done, OutboxEntry
from bot_linking.core.ports.outbox import Buried

MINUTE = 60_000
NEWS, NOTHING = {"linked", "unlinked", "unlink_call", "refused"}, (0, 0)
Key = tuple[str, str]


class Waiting(NamedTuple):
    entry: OutboxEntry
    next_at: int
    until: int = 0  # the end of its lease


class Roles:
    def __init__(self) -> None:
        self._lock, self._t = RLock(), defaultdict[str, dict[Any, Any]](dict)

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        return found if name.startswith("_") else lambda *given, **named: self._alone(found, given, named)

    def _alone(self, method: Any, given: Any, named: Any) -> Any:
        with self._lock:
            return method(*given, **named)

    def _keep(self, name: str, of: Any) -> None:
        self._t[name] = {key: value for key, value in self._t[name].items() if of(key, value)}

    # The outbox

    def _queue(self, who: Key, kind: str, payload: Any, now: int, *, dead_at: int | None = None) -> None:
        number = self._t["last"][0] = self._t["last"].get(0, 0) + 1
        entry = OutboxEntry(number, "", *who, kind, payload, now, 0, dead_at=dead_at)
        self._t["outbox"][number] = Waiting(entry, now)

    def _announce(self, who: Key, kind: str, now: int) -> None:
        old = {w.entry.id for w in self._alive(who) if w.entry.kind in NEWS and w.until <= now}
        self._keep("outbox", lambda number, _: number not in old)
        self._queue(who, kind, None, now)

    def _alive(self, who: Key | None = None) -> list[Waiting]:
        alive = [w for w in self._t["outbox"].values() if w.entry.dead_at is None]
        return [w for w in alive if who in (None, (w.entry.page_id, w.entry.psid))]

    def _due(self, now: int) -> list[OutboxEntry]:
        due = [w for w in self._alive() if w.until <= now >= w.next_at]
        return [
            w.entry for w in sorted(due, key=lambda w: (w.next_at, w.entry.id)) if self._is_first(w.entry)
        ]

    def _is_first(self, entry: OutboxEntry) -> bool:
        before = [w for w in self._alive((entry.page_id, entry.psid)) if w.entry.id < entry.id]
        return entry.kind == "unlink_call" or all(
            w.entry.kind == "unlink_call" and not w.until for w in before
        )

    def due_pages(self, now: int, *, most: int) -> list[str]:
        return sorted({entry.page_id for entry in self._due(now)})[:most]

    def claim_due(
        self, now: int, until: int, shares: dict[str, int], *, settled: Any = ()
    ) -> list[OutboxEntry]:
        for each in settled:
            self._settle(each, now)
        due = {page: [entry for entry in self._due(now) if entry.page_id == page] for page in shares}
        found = [entry for page, share in shares.items() for entry in due[page][:share]]
        taken = [replace(entry, claim=token_hex(8), attempts=entry.attempts + 1) for entry in found]
        self._t["outbox"].update({entry.id: Waiting(entry, now, until) for entry in taken})
        return sorted(taken, key=lambda entry: entry.id)

    def _settle(self, each: Any, now: int) -> None:
        there = self._t["outbox"].get(each.entry.id)
        if isinstance(each, Done):
            self._keep("outbox", lambda number, _: number != each.entry.id)
        elif there is not None and there.entry.claim == each.entry.claim:
            dead_at = now if isinstance(each, Buried) else None
            entry = replace(there.entry, last_error=getattr(each, "reason", None), dead_at=dead_at)
            self._t["outbox"][entry.id] = Waiting(entry, getattr(each, "next_at", now))

    def list_dead(self) -> list[OutboxEntry]:
        return [w.entry for _, w in sorted(self._t["outbox"].items()) if w.entry.dead_at is not None]

    # Counters

    def hit(self, key: str, expires_at: int, now: int) -> int:
        hits, ends = self._t["limits"].get(key, NOTHING)
        is_on = now < ends <= expires_at + 2 * MINUTE
        self._t["limits"][key] = (hits + 1, ends) if is_on else (1, expires_at)
        return int(self._t["limits"][key][0])

    def refund(self, key: str, now: int) -> None:
        hits, ends = self._t["limits"].get(key, NOTHING)
        self._t["limits"][key] = (max(0, hits - (ends > now)), ends)

    def find_limit(self, key: str, now: int, window: int) -> tuple[int, int]:
        hits, ends = self._t["limits"].get(key, NOTHING)
        return (hits, ends) if now < ends <= now + window + 2 * MINUTE else (0, now)

    def drop_limit(self, key: str) -> None:
        self._t["limits"].pop(key, None)

    # API keys

    def save_api_key(self, key: ApiKey) -> bool:
        names = {each.name for each in self.list_api_keys() if each.revoked_at is None}
        is_new = key.name not in names and key.digest not in {each.digest for each in self.list_api_keys()}
        self._t["keys"].update({key.id: key} if is_new else {})
        return is_new

    def find_api_key(self, digest: str) -> ApiKey | None:
        active = (each for each in self.list_api_keys() if each.revoked_at is None)
        return next((each for each in active if each.digest == digest), None)

    def list_api_keys(self) -> list[ApiKey]:
        return sorted(self._t["keys"].values(), key=lambda key: (key.created_at, key.id))

    def touch_api_key(self, key_id: str, now: int) -> None:
        key = self._t["keys"][key_id]
        self._t["keys"][key_id] = replace(key, last_used_at=max(now, key.last_used_at or 0))

    def revoke_api_key(self, name: str, now: int) -> bool:
        active = [key for key in self.list_api_keys() if key.name == name and key.revoked_at is None]
        self._t["keys"].update({key.id: replace(key, revoked_at=now) for key in active})
        return bool(active)
