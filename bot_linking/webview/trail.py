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
        if self._reach(Reached.OPENED, attempt, since=since):
            self._funnel.open(attempt.way, _page_at_first(attempt), attempt.opened_at)

    def signed_in(self, attempt: Attempt) -> None:
        """The site named the account."""
        self._reach(Reached.SIGNED_IN, attempt, since=attempt.opened_at)

    def consent_shown(self, attempt: Attempt) -> None:
        """The consent page was reached."""
        if self._reach(Reached.CONSENT_SHOWN, attempt) and attempt.way == LOGIN and attempt.psid:
            page_id = _page_at_first(attempt)
            self._funnel.measure_opening(attempt.way, page_id, attempt.psid, attempt.opened_at)

    def consented(self, attempt: Attempt) -> None:
        """The consent button was pressed."""
        if self._reach(Reached.CONSENTED, attempt):
            self._end(attempt)

    def cancelled(self, attempt: Attempt) -> None:
        """The person went back without linking."""
        if attempt.way in WAYS and self._funnel.cancel(attempt.way, _page_of(attempt), key=_key_of(attempt)):
            self._end(attempt)

    def refused(self, attempt: Attempt, refusal: Refusal) -> None:
        """A form was refused. Too many tries are told elsewhere, by a slug of their own."""
        if refusal.reason != "many" and attempt.way in WAYS:
            self._funnel.refuse(f"{refusal.form}_{refusal.reason}", attempt.way, _page_of(attempt))

    def _reach(self, stage: Reached, attempt: Attempt, *, since: int | None = None) -> bool:
        """Count a stage. False for an attempt on an owner's page, which is not a way to link."""
        if attempt.way not in WAYS:
            return False
        return self._funnel.reach(stage, attempt.way, _page_of(attempt), key=_key_of(attempt), since=since)

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
