"""The store's role for the operator: purge, migrate, check, close."""

from __future__ import annotations

from typing import Protocol


class Upkeep(Protocol):
    """What keeps a store in order."""

    def purge(self, now: int) -> None:
        """Remove what is not needed any more, in short transactions between which others may write.

        | what goes | when |
        | --- | --- |
        | counts, bars, tokens of undos | at their end |
        | attempts | an hour after their end |
        | interrupted work | after an hour |
        | web links, chat links, pauses | a day after their end |
        | questions, traffic | after a day |
        | codes, unlinked people | after three days: a webhook is retried for less |
        | what an undo would put back | after seven days |
        | dead entries, removed pages | after 30 days |
        | history, acts, erasures, requests to delete, revoked API keys, funnel | after 400 days |
        | timestamps of unlinked events | after 400 days: a captured event must end no later link |

        Links, and entries that wait, stay. In the funnel, logins that were left open become `abandoned`. Two
        processes may purge at once.
        """

    def migrate(self) -> list[str]:
        """Bring the tables up to date now, however long that takes, and make the database where it is
        missing and may be made. Returns the names of the steps that this process has applied. Without this
        call the first use does the same, within the time of one call."""

    def check(self) -> None:
        """Raise `StoreUnavailable` unless a write and its commit work just now. Nothing is changed by it."""

    def close(self) -> None:
        """Close the connections that are not in use at this moment. A closed store opens itself again when it
        is used; closing twice is no error."""
