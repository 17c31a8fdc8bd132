"""The tables of counts without a person: the funnel by the day, the traffic by the minute."""

from __future__ import annotations

import json
from collections.abc import Mapping

from bot_linking.core.ports.tallies import HOW_MANY, FunnelCount, TrafficCount
from bot_linking.stores.engine import Row, Tx
from bot_linking.stores.family import Family


class Tallies(Family):
    """`core.ports.tallies.Tallies` over an engine."""

    def add_tallies(self, funnel: Mapping[FunnelCount, int], traffic: Mapping[TrafficCount, int]) -> None:
        def work(tx: Tx) -> None:
            if funnel:
                tx.put("add_to_funnel", counts=_text_of(funnel))
            if traffic:
                tx.put("add_to_traffic", counts=_text_of(traffic))

        self.engine.write(work)

    def read_funnel(
        self, since: int, *, page_id: str | None = None, unnamed: bool = False
    ) -> dict[FunnelCount, int]:
        rows = self.engine.read(
            "read_funnel", since=since, page_id=page_id, unnamed="" if unnamed else page_id
        )
        return {
            FunnelCount(row["day"], "", row["way"], row["stage"], row["bucket"]): int(row["hits"])
            for row in rows
        }

    def read_traffic(self, since: int) -> dict[TrafficCount, int]:
        rows = self.engine.read("read_traffic", since=since)
        return {TrafficCount(row["minute"], row["kind"], row["result"]): row["hits"] for row in rows}


def settle_abandoned(tx: Tx, before: int) -> None:
    """Count as `abandoned`, on the day of its opening, each login that was opened before that time (ms) and
    has not ended."""
    counts: dict[FunnelCount, int] = {}
    for row in tx.all("take_open", before=before):
        count = FunnelCount(row["day"], row["page_id"], row["way"], "abandoned", HOW_MANY)
        counts[count] = counts.get(count, 0) + row["hits"]
    if any(counts.values()):
        tx.put("add_to_funnel", counts=_text_of({each: hits for each, hits in counts.items() if hits}))


def _text_of(counts: Mapping[FunnelCount, int] | Mapping[TrafficCount, int]) -> str:
    """The rows as JSON, always in one order, so that two writers never wait for each other."""
    rows = [_row_of(count, hits) for count, hits in counts.items()]
    return json.dumps(sorted(rows, key=lambda row: [str(value) for value in row.values()]))


def _row_of(count: FunnelCount | TrafficCount, hits: int) -> Row:
    return count._asdict() | {"hits": hits}
