"""The store's role for those who run it: forget in time, look whether it works, close."""

from __future__ import annotations

from typing import Protocol


class Upkeep(Protocol):
    """What a store needs from time to time."""

    def purge(self, now: int) -> None:
        """Remove what no event can need any more, in short transactions between which others may write.

        Attempts and counts go at their end; interrupted work after an hour; codes (counted from their
        expiry) and unlinked people after three days, longer than a webhook is retried; dead entries after
        30 days; history, revoked API keys and the timestamps of unlinked events after 400, as a captured
        event must end no later link of the site. Links, and entries that wait, never go. Two processes may
        purge at once.
        """

    def migrate(self) -> list[str]:
        """Bring the tables up to date now, however long that takes, and make the database where it is
        missing and may be made; the steps that this process has applied. Without it the first use does
        so."""

    def check(self) -> None:
        """Raise `StoreUnavailable` unless a read and a committed write work just now. Changes nothing that
        a caller could notice."""

    def close(self) -> None:
        """Close what this store holds open and does not use at this moment. A closed store opens itself again
        when it is used; closing twice is no error."""
