"""The store's role for what must stay forgotten: the erased people, so that no backup brings them back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, order=True)
class Erasure:
    """One person who was erased: when (milliseconds since the epoch), on which page (`""`: on every one), and
    the SHA-256 digest of their PSID in hexadecimal digits."""

    erased_at: int
    page_id: str
    psid_digest: str


class Erasures(Protocol):
    """The list of erasures. `Links.erase` adds to it in its own transaction; it is kept for 400 days."""

    def list_erasures(self, since: int = 0) -> Iterator[Erasure]:
        """Every erasure at or after a time in milliseconds, in order, read in portions as the caller
        iterates. Each portion may raise `StoreUnavailable`."""

    def add_erasures(self, erasures: Iterable[Erasure]) -> None:
        """Add the erasures of another list; the people themselves are not erased here. One that is listed
        already changes nothing. Written in several transactions."""
