"""Send examples to a door and count the answers."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings

from .doors import DOORS
from .junk import bodies, kinds


def run(door: str, examples: int) -> Counter[int]:
    """How often each status was answered; an answer of 5xx fails with the body that caused it."""
    counts: Counter[int] = Counter()
    with tempfile.TemporaryDirectory(prefix="bot_linking-fuzz-", ignore_cleanup_errors=True) as folder:
        send = DOORS[door](Path(folder))

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(bodies, kinds)
        def each(body: bytes, kind: str) -> None:
            status = send(body, kind)
            counts[status] += 1
            assert status < 500, (kind, body)

        each()
    return counts
