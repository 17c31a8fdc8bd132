"""The store's role for numbers without a person: the funnel, and what went in and out by the minute."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

MINUTE_MS = 60_000
CHECK, CHECK_LOOKED, CHECK_WRONG = "check", "looked", "wrong"  # what `check --watch` counts
HOW_MANY = -1  # the bucket that is no place in a histogram


class FunnelCount(NamedTuple):
    """What one number of the funnel counts. `day` is the UTC day's begin in ms; `page_id` is empty where it
    was not known; `bucket` is `HOW_MANY`, or the place in the histogram of the seconds since the
    stage before; of the stage `open` it is the minute of the day."""

    day: int
    page_id: str
    way: str
    stage: str
    bucket: int


class TrafficCount(NamedTuple):
    """What one number of the traffic counts: a minute's begin in ms, what it was, and its result."""

    minute: int
    kind: str
    result: str


class Tallies(Protocol):
    """Counts of every process together. No PSID, account or token is in any of them."""

    def add_tallies(self, funnel: Mapping[FunnelCount, int], traffic: Mapping[TrafficCount, int]) -> None:
        """Add to these numbers in one transaction, with one statement for each kind; a number that was not
        there is 0. Several processes may add at once, and none is lost."""

    def read_funnel(
        self, since: int, *, page_id: str | None = None, unnamed: bool = False
    ) -> dict[FunnelCount, int]:
        """The numbers of the days from `since` (ms) on, of every page or of one, with `unnamed` also those of
        no named page. Days and pages are added up (`day` 0, `page_id` empty), but for the stage `open`, whose
        days are apart."""

    def read_traffic(self, since: int) -> dict[TrafficCount, int]:
        """The numbers of the minutes from `since` (ms) on, in their order. Kept for a day."""
