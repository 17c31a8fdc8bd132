"""What a failed try leads to. Pure rules over the entry, the error and the time."""

from __future__ import annotations

from bot_linking.core.errors import DeliveryFailed, GiveUp
from bot_linking.core.ports.outbox import Buried, OutboxEntry, Pause, Postponed, Settled
from bot_linking.core.text import escaped
from bot_linking.delivery.backoff import MESSAGE_MAX_AGE_S, WINDOW_MAX_AGE_S, probe_after, wait_before
from bot_linking.delivery.pauses import FOR_EVER_MS

UNTIL_IT_WORKS = {"unlink_call", "deletion"}
LONGEST_REASON = 500
NOBODY_WROTE = "the person did not write within seven days"
_OURS_TO_MEND = ("token", "secret")  # in the configuration: a try before that would fail again


def deadline_of(entry: OutboxEntry) -> int:
    """Until when (ms) an entry waits for its person to write."""
    return entry.created_at + WINDOW_MAX_AGE_S * 1000


def verdict_on(entry: OutboxEntry, problem: DeliveryFailed, now: int) -> Settled:
    """The outcome for an entry whose handler raised this error."""
    reason, waited = escaped(str(problem))[:LONGEST_REASON], (now - entry.created_at) / 1000
    retry_at = now + int(wait_before(entry.attempts, waited, problem.retry_after) * 1000)
    if entry.kind in UNTIL_IT_WORKS:
        is_refused = entry.held_for == "refused" or (entry.kind, problem.advice) == ("unlink_call", "never")
        at = _patiently(entry, problem, retry_at, now)
        return Postponed(entry, at, reason, "refused" if is_refused else None)
    if isinstance(problem, GiveUp):
        return Buried(entry, reason, _last_word(entry))
    if entry.held_for == "window" or problem.advice == "window":
        return _wait_for_person(entry, problem, reason, retry_at, now)
    if problem.advice == "page":
        return _wait_for_page(entry, problem, reason, retry_at, now)
    if problem.advice == "never":
        return Buried(entry, reason)
    if waited > MESSAGE_MAX_AGE_S:
        return Buried(entry, reason, _last_word(entry))
    return Postponed(entry, retry_at, reason, problem.held_for)


def pause_after(
    problem: DeliveryFailed, outcome: Settled, now: int, *, keys: str, paused_since: int
) -> Pause | None:
    """The pause of the whole page, where every call for it would fail in the same way; else None."""
    if not problem.whole_page:
        return None
    page_id, reason = outcome.entry.page_id, escaped(str(problem))[:LONGEST_REASON]
    if problem.advice != "page":
        until = outcome.next_at if isinstance(outcome, Postponed) else now + 1000
        return Pause(page_id, max(until, now + int((problem.retry_after or 0) * 1000)), reason, since=now)
    ours = problem.cause in (None, *_OURS_TO_MEND)
    pause_ms = FOR_EVER_MS if ours else int(probe_after((now - paused_since) / 1000) * 1000)
    return Pause(page_id, now + pause_ms, reason, problem.cause or "token", keys, paused_since)


def is_over(entry: OutboxEntry, now: int) -> Buried | None:
    """Give an entry up without another try when it has waited for its person for seven days; else None."""
    if entry.held_for == "window" and entry.kind not in UNTIL_IT_WORKS and now >= deadline_of(entry):
        return Buried(entry, NOBODY_WROTE, _last_word(entry))
    return None


def _wait_for_person(
    entry: OutboxEntry, problem: DeliveryFailed, reason: str, retry_at: int, now: int
) -> Settled:
    """Hold the entry until the person writes, and try it earlier where the refusal may pass before that."""
    deadline = deadline_of(entry)
    if now >= deadline:
        return Buried(entry, NOBODY_WROTE, _last_word(entry))
    passes = problem.advice in ("later", "page")
    return Postponed(entry, min(retry_at, deadline) if passes else deadline, reason, "window")


def _wait_for_page(
    entry: OutboxEntry, problem: DeliveryFailed, reason: str, retry_at: int, now: int
) -> Settled:
    """Try again after the page's pause; where only this entry is refused, hold it and probe."""
    if problem.whole_page:
        return Postponed(entry, now, reason)
    probe_at = now + int(probe_after((now - entry.created_at) / 1000) * 1000)
    return Postponed(entry, max(retry_at, probe_at), reason, "page")


def _patiently(entry: OutboxEntry, problem: DeliveryFailed, retry_at: int, now: int) -> int:
    """When to repeat a call that is never given up: ever more seldom where it was refused for good."""
    if problem.advice == "later":
        return retry_at
    return max(retry_at, now + min((now - entry.created_at) // 10, MESSAGE_MAX_AGE_S * 1000))


def _last_word(entry: OutboxEntry) -> str | None:
    """The kind of entry that tells the person of the failure; only their own interrupted question does."""
    return "sorry" if entry.kind == "resume" else None
