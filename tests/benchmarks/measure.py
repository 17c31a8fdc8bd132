"""Rounds in which contestants take turns, and the table of their results."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

Clock = Callable[[], float]
Round = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the table. `ours` and `beside` are in `unit`. `ratio` must not exceed `bound`, or must
    reach it where `at_least`. Without a bound it is only printed."""

    target: str
    what: str
    ours: float
    beside: float
    ratio: float
    bound: float | None
    unit: str
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        if self.bound is None:
            return None
        return self.ratio >= self.bound if self.at_least else self.ratio <= self.bound


class Rounds:
    """What each contestant took in each round. Within a round all ran under the same noise."""

    def __init__(self, took: Mapping[str, Sequence[float]]) -> None:
        self._took = took

    def of(self, name: str) -> float:
        return median(self._took[name])

    def least(self, name: str) -> float:
        """The round with the least noise: for what two contestants do alike, to the last instruction."""
        return min(self._took[name])

    def ratio(self, name: str, beside: str) -> float:
        """The median of the rounds' ratios."""
        return median(a / b for a, b in zip(self._took[name], self._took[beside], strict=True))

    def excess(self, name: str, above: str, unit: str) -> float:
        """How much more `name` takes than another contestant, in units of a third."""
        of_each = zip(self._took[name], self._took[above], self._took[unit], strict=True)
        return median((a - b) / c for a, b, c in of_each)


def alternate(contestants: Mapping[str, Round], rounds: int) -> Rounds:
    """Let each contestant run one short round after the other, `rounds` times, beginning with another one
    each time. One round beforehand warms up and is not counted."""
    names = list(contestants)
    took: dict[str, list[float]] = {name: [] for name in names}
    for name in names:
        contestants[name]()
    gc.collect()
    gc.disable()
    try:
        for turn in range(rounds):
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                took[name].append(contestants[name]())
            gc.collect(0)
    finally:
        gc.enable()
    return Rounds(took)


def busy(call: Callable[[], object], count: int) -> Round:
    """A round of `count` calls: µs of processor time for each, whatever else is running."""
    return _timed(call, count, time.thread_time)


def waiting(call: Callable[[], object], count: int) -> Round:
    """A round of `count` calls: µs by the clock for each, waits for the disk included."""
    return _timed(call, count, time.perf_counter)


def _timed(call: Callable[[], object], count: int, clock: Clock) -> Round:
    def one_round() -> float:
        began = clock()
        for _ in range(count):
            call()
        return (clock() - began) / count * 1e6

    return one_round


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


HEADINGS = ("target", "what", "ours", "beside", "unit", "ratio", "bound", "met")


def made(folder: Path) -> Path:
    """The folder, which is made."""
    folder.mkdir()
    return folder


def table(findings: Sequence[Finding]) -> str:
    """The findings as text, in columns."""
    lines = [HEADINGS, *map(_cells, findings)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    numbers = {"ours", "beside", "ratio"}
    return "\n".join(
        "  ".join(
            cell.rjust(width) if heading in numbers else cell.ljust(width)
            for cell, width, heading in zip(line, widths, HEADINGS, strict=True)
        ).rstrip()
        for line in lines
    )


def _cells(finding: Finding) -> tuple[str, ...]:
    sign = "≥" if finding.at_least else "≤"
    bound = "-" if finding.bound is None else f"{sign} {finding.bound:g}"
    met = {True: "yes", False: "NO", None: "-"}[finding.met]
    ours, beside = _number(finding.ours), _number(finding.beside)
    return (finding.target, finding.what, ours, beside, finding.unit, f"{finding.ratio:.3f}", bound, met)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
