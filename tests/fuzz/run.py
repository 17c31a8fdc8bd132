"""Send each example to every door and count the answers."""

from __future__ import annotations

import logging
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings

from .doors import DOORS, Host, Send
from .junk import bodies, kinds

Counts = dict[str, Counter[int]]
MEMORY = Path("/dev/shm")


def run(doors: Sequence[str], examples: int, *, told: Callable[[Counts], None] = lambda _: None) -> Counts:
    """How often each door answered which status. A 5xx fails with the body that caused it. `told` is
    called after each thousand."""
    counts: Counts = {door: Counter() for door in doors}
    with _opened(doors) as sends:

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(bodies, kinds)
        def each(body: bytes, kind: str) -> None:
            for door, send in sends.items():
                status = send(body, kind)
                counts[door][status] += 1
                assert status < 500, (door, kind, body)
            if counts[doors[-1]].total() % 1000 == 0:
                told(counts)

        each()
    return counts


@contextmanager
def _opened(doors: Sequence[str]) -> Iterator[dict[str, Send]]:
    """Each door of an app with a database, in memory where that is possible, and no log."""
    place = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory("-fuzz", dir=place, ignore_cleanup_errors=True) as folder:
        host = Host(Path(folder))
        logging.disable(logging.CRITICAL)
        try:
            yield {door: DOORS[door](host) for door in doors}
        finally:
            logging.disable(logging.NOTSET)
            host.close()
