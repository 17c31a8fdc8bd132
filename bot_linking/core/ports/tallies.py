"""The store's role for counts without a person: the funnel by the day, the traffic by the minute."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

MINUTE_MS = 60_000
CHECK, CHECK_LOOKED, CHECK_WRONG = "check", "looked", "wrong"  # what `check --watch` counts
HOW_MANY = -1  # the bucket that is no place in a histogram


class FunnelCount(NamedTuple):
    """What one number of the funnel counts. `day` is the start of a UTC day in ms; `page_id` is empty where
    it was not known. `bucket` is `HOW_MANY`, or a place in the histogram of the seconds since the stage
    before; for the stage `open` it is the minute of the day."""

    day: int
    page_id: str
    way: str
    stage: str
    bucket: int


class TrafficCount(NamedTuple):
    """What one number of the traffic counts: the start of a minute in ms, a kind, and its result."""

    minute: int
    kind: str
    result: str


class Tallies(Protocol):
    """Counts of every process together. No PSID, account or token is in any of them."""

    def add_tallies(self, funnel: Mapping[FunnelCount, int], traffic: Mapping[TrafficCount, int]) -> None:
        """Add to these numbers in one transaction; a number that is missing begins at 0. Several processes
        may add at once: every count is kept."""

    def read_funnel(
        self, since: int, *, page_id: str | None = None, unnamed: bool = False
    ) -> dict[FunnelCount, int]:
        """The numbers of the days from `since` (ms) on, of every page or of one; with `unnamed` also those
        without a page. Days and pages are added up (`day` 0, `page_id` empty); only the stage `open` keeps
        its days."""

    def read_traffic(self, since: int) -> dict[TrafficCount, int]:
        """The numbers of the minutes from `since` (ms) on, by minute. They are kept for a day."""
