"""The report of the funnel: how many people reached each stage, and how long that took."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bot_linking.core.funnel import (
    ABANDONED,
    ABANDONED_MS,
    CANCELLED,
    DAY_MS,
    OPEN,
    REFUSED,
    SECONDS,
    STAGES,
)
from bot_linking.core.links import WAYS
from bot_linking.core.ports.tallies import HOW_MANY, MINUTE_MS, FunnelCount, Tallies

DAYS = 30
MOST_DAYS = 400  # older numbers are forgotten

Counts = Mapping[FunnelCount, int]


def funnel_of(
    store: Tallies,
    now: int,
    *,
    days: int = DAYS,
    page_id: str | None = None,
    way: str | None = None,
    unnamed: bool = False,
) -> dict[str, Any]:
    """The funnel of the last `days` days, today included, as plain JSON values:

        {"days": 30, "stages": {"prompted": 5, ...}, "cancelled": 1, "abandoned": 0, "refused": {slug: n},
         "seconds": {"opened": {"median": 8.0, "ninetieth": 30.0}, ...}, "ways": {"login": {the same}, ...}}

    `seconds` is from the stage before to the named one. `way` keeps one way; `page_id` one page, with
    `unnamed` also what is counted for no named page. Raises `ValueError` for days below 1 or above 400."""
    if not 1 <= days <= MOST_DAYS:
        raise ValueError(f"days is 1 to {MOST_DAYS}")
    since = now - now % DAY_MS - (days - 1) * DAY_MS
    counts = store.read_funnel(since, page_id=page_id, unnamed=unnamed)
    kept = {count: hits for count, hits in counts.items() if way in (None, count.way)}
    ways = [each for each in WAYS if any(count.way == each for count in kept)] if way is None else [way]
    return {
        "days": days,
        **_summary(kept, now),
        "ways": {
            each: _summary({count: hits for count, hits in kept.items() if count.way == each}, now)
            for each in ways
        },
    }


def _summary(counts: Counts, now: int) -> dict[str, Any]:
    people = _added((count.stage, hits) for count, hits in counts.items() if count.bucket == HOW_MANY)
    left_open = sum(hits for count, hits in counts.items() if count.stage == OPEN and _is_over(count, now))
    slugs = sorted(stage for stage in people if stage.startswith(REFUSED))
    return {
        "stages": {str(stage): people.get(stage, 0) for stage in STAGES},
        CANCELLED: people.get(CANCELLED, 0),
        ABANDONED: max(0, people.get(ABANDONED, 0) + left_open),
        "refused": {slug.removeprefix(REFUSED): people[slug] for slug in slugs},
        "seconds": {str(stage): times for stage in STAGES if (times := _times(counts, stage)) is not None},
    }


def _is_over(count: FunnelCount, now: int) -> bool:
    return count.day + count.bucket * MINUTE_MS + ABANDONED_MS <= now


def _added(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, hits in pairs:
        found[name] = found.get(name, 0) + hits
    return found


def _times(counts: Counts, stage: str) -> dict[str, float] | None:
    """Median and 90th percentile of the seconds to this stage; None where no time was measured."""
    histogram = [0] * (len(SECONDS) + 1)
    for count, hits in counts.items():
        if count.stage == stage and 0 <= count.bucket < len(histogram):
            histogram[count.bucket] += hits
    if not sum(histogram):
        return None
    return {"median": _quantile(histogram, 0.5), "ninetieth": _quantile(histogram, 0.9)}


def _quantile(histogram: list[int], part: float) -> float:
    """A quantile, interpolated linearly inside its bucket; above the last edge it is that edge."""
    wanted, below = part * sum(histogram), 0
    for place, hits in enumerate(histogram):
        if hits and below + hits >= wanted:
            low = SECONDS[place - 1] if place else 0
            high = SECONDS[min(place, len(SECONDS) - 1)]
            return round(low + (high - low) * (wanted - below) / hits, 1)
        below += hits
    return float(SECONDS[-1])
