"""Tells the funnel how far an attempt on the linking pages has come."""

from __future__ import annotations

from bot_linking.core.funnel import Funnel, Reached
from bot_linking.core.links import LOGIN, WAYS
from bot_linking.core.ports import Attempt, Refusal


class Trail:
    """Counts the attempts of one app in the funnel. A page that is loaded again counts once."""

    def __init__(self, funnel: Funnel) -> None:
        self._funnel = funnel

    def opened(self, attempt: Attempt, *, since: int | None = None) -> None:
        """The first page was shown; `since` is when its address was handed out (ms)."""
        self._funnel.later(self._opened, attempt, since)

    def _opened(self, attempt: Attempt, since: int | None, *, at: int) -> None:
        if self._reach(Reached.OPENED, attempt, at, since=since):
            self._funnel.open(attempt.way, _page_at_first(attempt), attempt.opened_at)

    def signed_in(self, attempt: Attempt) -> None:
        """The site named the account."""
        self._funnel.later(self._signed_in, attempt)

    def _signed_in(self, attempt: Attempt, *, at: int) -> None:
        self._reach(Reached.SIGNED_IN, attempt, at, since=attempt.opened_at)

    def consent_shown(self, attempt: Attempt) -> None:
        """The consent page was reached."""
        self._funnel.later(self._consent_shown, attempt)

    def _consent_shown(self, attempt: Attempt, *, at: int) -> None:
        if self._reach(Reached.CONSENT_SHOWN, attempt, at) and attempt.way == LOGIN and attempt.psid:
            page_id = _page_at_first(attempt)
            self._funnel.measure_opening(attempt.way, page_id, attempt.psid, attempt.opened_at)

    def consented(self, attempt: Attempt) -> None:
        """The consent button was pressed."""
        self._funnel.later(self._consented, attempt)

    def _consented(self, attempt: Attempt, *, at: int) -> None:
        if self._reach(Reached.CONSENTED, attempt, at):
            self._end(attempt)

    def cancelled(self, attempt: Attempt) -> None:
        """The person went back without linking."""
        if attempt.way in WAYS:
            self._funnel.later(self._cancelled, attempt)

    def _cancelled(self, attempt: Attempt, *, at: int) -> None:
        if self._funnel.cancel(attempt.way, _page_of(attempt), key=_key_of(attempt), at=at):
            self._end(attempt)

    def refused(self, attempt: Attempt, refusal: Refusal) -> None:
        """A form was refused. Too many tries are told elsewhere, by a slug of their own."""
        if refusal.reason != "many" and attempt.way in WAYS:
            slug = f"{refusal.form}_{refusal.reason}"
            self._funnel.later(self._funnel.refuse, slug, attempt.way, _page_of(attempt))

    def _reach(self, stage: Reached, attempt: Attempt, at: int, *, since: int | None = None) -> bool:
        """Count a stage. False for an attempt on an owner's page, which is not a way to link."""
        if attempt.way not in WAYS:
            return False
        page_id, key = _page_of(attempt), _key_of(attempt)
        return self._funnel.reach(stage, attempt.way, page_id, key=key, since=since, at=at)

    def _end(self, attempt: Attempt) -> None:
        self._funnel.open(attempt.way, _page_at_first(attempt), attempt.opened_at, ended=True)


def _key_of(attempt: Attempt) -> str:
    """What stays the same when a page is opened again."""
    return attempt.linking_token or attempt.proof or attempt.attempt_id


def _page_of(attempt: Attempt) -> str | None:
    return attempt.page_id or attempt.page_hint


def _page_at_first(attempt: Attempt) -> str | None:
    """The page as it was known when the attempt was opened."""
    return attempt.page_hint if attempt.way == LOGIN else attempt.page_id
