"""The store's role for the operator's page: find a person, look through lists by key, note what was done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bot_linking.core.history import Change
from bot_linking.core.links import Link
from bot_linking.core.ports.outbox import OutboxEntry

FIELDS = ("psid", "account_id", "username", "email", "phone_number")
NEWEST = 2**62  # before which everything is, as a key of a list


@dataclass(frozen=True, slots=True)
class Act:
    """What an operator did. `act` is a verb such as `unlink` or `show`; `about` is what it was about where
    that is no person. Who it was about is None once that person was erased. Times in milliseconds."""

    id: int
    at: int
    operator: str
    act: str
    page_id: str | None
    psid: str | None
    about: str | None


class Desk(Protocol):
    """Every list is read through an index, newest first, from a key on: no page of it costs more than the
    first."""

    def find_by(self, field: str, value: str, limit: int) -> list[Link]:
        """The links whose `field`, one of `FIELDS`, is exactly this value, in the order of page and PSID; at
        most so many."""

    def pages_of(self, psid: str, limit: int) -> list[str]:
        """The pages on which something is kept of the links of this PSID, linked or not any more."""

    def list_history(self, page_id: str, psid: str, *, before: int, limit: int) -> list[tuple[int, Change]]:
        """The changes of a person's link, each with its key: those whose key is below `before`."""

    def list_messages(self, page_id: str, psid: str, limit: int) -> list[OutboxEntry]:
        """What is in the outbox for this person, waiting or dead; the newest first."""

    def look_at_outbox(self) -> Mapping[str, Any]:
        """The same as `Outbox.outbox_depth` without reading the rows: `oldest` (ms) is of one that came
        early, which may not be the very first."""

    def list_letters(self, *, before: tuple[int, int], limit: int) -> list[OutboxEntry]:
        """The dead letters whose time of death (ms) and id are below `before`, as one key."""

    def count_reasons(self, limit: int) -> Mapping[str, int]:
        """How many of the newest dead letters, at most `limit`, have which reason; the commonest first."""

    def find_letter(self, entry_id: int) -> OutboxEntry | None:
        """The dead letter with this id; None when there is none, or it is tried again."""

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
        """Note what an operator did, committed when this returns. Kept for 400 days."""

    def list_acts(self, *, before: int, limit: int) -> Sequence[Act]:
        """What operators did: the acts whose key is below `before`."""
