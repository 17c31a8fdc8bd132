"""Now: the findings of `check`, what waits, and the traffic of the last hour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from bot_linking.core.ports.tallies import MINUTE_MS, TrafficCount

if TYPE_CHECKING:
    from flask import Response

    from bot_linking.doors.findings import Finding
    from bot_linking.operators.desk.visit import Visit

MINUTES = 60
_FAILING = ("wrong", "note", "ok")  # the worst first


class Bar(NamedTuple):
    """One bar of a chart: its name, its amount, and its length in per cent of the longest."""

    name: str
    amount: int
    length: float


def show(visit: Visit) -> Response:
    """The first page."""
    here, now = visit.here, visit.now
    here.funnel.write()
    findings, age = visit.checks.newest(again=bool(visit.given("check")))
    traffic = here.store.read_traffic(now - MINUTES * MINUTE_MS)
    pauses = [pause for pause in here.store.pauses() if pause.cause and pause.until > now]
    return visit.show(
        "now",
        state=state_of(findings),
        wrong=sum(finding.state == "wrong" for finding in findings),
        findings=sorted(findings, key=lambda finding: _FAILING.index(finding.state)),
        age=None if age is None else int(age),
        outbox=here.store.look_at_outbox(),
        pauses=pauses[:10],
        webhooks=bars_of(_by_result(traffic, "webhook")),
        sent=minutes_of(traffic, now),
    )


def state_of(findings: Iterable[Finding]) -> str:
    """The worst state among them: `wrong`, `note` or `ok`; `unknown` without findings."""
    states = {finding.state for finding in findings}
    return next((state for state in _FAILING if state in states), "unknown")


def bars_of(counts: Mapping[str, int]) -> list[Bar]:
    """A bar for each, the longest first."""
    most = max(counts.values(), default=0)
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return [Bar(name, count, round(100 * count / most, 1)) for name, count in ordered]


def minutes_of(traffic: Mapping[TrafficCount, int], now: int) -> list[Bar]:
    """Messages that were sent in each of the last 60 minutes, the oldest first."""
    newest = now - now % MINUTE_MS
    sent = {each.minute: n for each, n in traffic.items() if (each.kind, each.result) == ("message", "sent")}
    counts = [sent.get(newest - ago * MINUTE_MS, 0) for ago in reversed(range(MINUTES))]
    most = max(counts) or 1
    ages = reversed(range(MINUTES))
    return [Bar(str(ago), n, round(100 * n / most, 1)) for ago, n in zip(ages, counts, strict=True)]


def _by_result(traffic: Mapping[TrafficCount, int], kind: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for each, hits in traffic.items():
        if each.kind == kind:
            found[each.result] = found.get(each.result, 0) + hits
    return found
