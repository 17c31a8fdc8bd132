"""The store's role for the operator's page: find a person, read lists by a key, record what was done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bot_linking.core.history import Change
from bot_linking.core.links import Link
from bot_linking.core.ports.outbox import OutboxEntry

FIELDS = ("psid", "account_id", "username", "email", "phone_number")
NEWEST = 2**62  # a key above every key, to begin a list with its newest row


@dataclass(frozen=True, slots=True)
class Act:
    """What an operator did. `act` is a verb such as `unlink` or `show`; `about` says what it concerned where
    that is no person. `page_id` and `psid` are None once that person was erased. `at` is in milliseconds."""

    id: int
    at: int
    operator: str
    act: str
    page_id: str | None
    psid: str | None
    about: str | None


class Desk(Protocol):
    """The lists of the operator's page. Each is read through an index, newest first, below a key, so that
    every portion costs as much as the first."""

    def find_by(self, field: str, value: str, limit: int) -> list[Link]:
        """At most `limit` links whose `field`, one of `FIELDS`, is exactly this value, by page id and PSID.
        `ValueError` for another field."""

    def pages_of(self, psid: str, limit: int) -> list[str]:
        """At most `limit` pages on which this PSID is linked, was linked, or has a history."""

    def list_history(self, page_id: str, psid: str, *, before: int, limit: int) -> list[tuple[int, Change]]:
        """At most `limit` changes of a person's link, each with its key, whose key is below `before`."""

    def list_messages(self, page_id: str, psid: str, limit: int) -> list[OutboxEntry]:
        """At most `limit` entries of the outbox for this person, waiting or dead, newest first."""

    def look_at_outbox(self) -> Mapping[str, Any]:
        """The same as `Outbox.outbox_depth`, at a cost that does not grow with the outbox: `oldest` (ms)
        looks at a hundred of the first entries, so a still older one may be missed."""

    def list_letters(self, *, before: tuple[int, int], limit: int) -> list[OutboxEntry]:
        """At most `limit` dead letters whose key, the time of death (ms) and the id, is below `before`."""

    def count_reasons(self, limit: int) -> Mapping[str, int]:
        """Reason to number, for the newest `limit` dead letters; the commonest reason first."""

    def find_letter(self, entry_id: int) -> OutboxEntry | None:
        """The dead letter with this id; None when there is none, or it was made due again."""

    def save_act(
        self,
        operator: str,
        act: str,
        now: int,
        *,
        page_id: str | None = None,
        psid: str | None = None,
        about: str | None = None,
    ) -> None:
        """Record what an operator did, committed when this returns. It is kept for 400 days."""

    def list_acts(self, *, before: int, limit: int) -> Sequence[Act]:
        """At most `limit` acts of operators whose id is below `before`."""
