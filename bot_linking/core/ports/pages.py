"""The store's role for pages that are added while the bot runs: it keeps their tokens and secrets, sealed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class KeptPage:
    """A page as the store keeps it. `sealed` is its tokens and secrets, encrypted; None once it was removed.
    Times are milliseconds since the epoch."""

    page_id: str
    sealed: str | None
    revision: int
    added_at: int
    changed_at: int


class KeptPages(Protocol):
    """Pages that were added at run time. Each change has a number, one higher than the change before, so that
    every process can ask what has changed since it looked."""

    def pages_revision(self) -> int:
        """The number of the newest change that is committed, 0 before the first. One indexed read: it is
        asked every few seconds in every process."""

    def pages_since(self, revision: int) -> list[KeptPage]:
        """The pages that changed after this number, in the order of their changes; removed ones have
        `sealed` None. 0 asks for all. Numbers are committed in their order, so that a caller who has seen
        one has missed none before it."""

    def add_page(self, page_id: str, sealed: str, now: int) -> bool:
        """Keep a new page, committed when this returns. False when the page is there already; a page that was
        removed may be added again."""

    def replace_page(self, page_id: str, sealed: str, now: int, *, before: str) -> bool:
        """Replace the secrets of a page, where they are still `before`. False means that another process was
        first, or that the page is gone; then no page is changed."""

    def remove_page(self, page_id: str, now: int) -> bool:
        """Forget the secrets of a page. `pages_since` tells for thirty days that it was removed. False when
        it is not there."""
