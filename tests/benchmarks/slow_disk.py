"""A disk whose flush takes 5 ms, all requests linking: target 6, commits of several requests in one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from . import payloads
from .http import driven, rate_of_both, seed_both
from .load import generators
from .measure import Finding, alternate
from .ours import insist
from .serve import LOAD_CORE, server

FLUSH_MS = 5.0


def run(folder: Path, quick: bool) -> Iterator[Finding]:
    rounds, each = (2, 150) if quick else (5, 400)
    total = each * (rounds + 1)
    requests = [payloads.wire(payloads.linking([number])) for number in range(total)]
    batches = [requests[at : at + each] for at in range(0, total, each)]
    seed_both(folder, range(total))
    with generators(LOAD_CORE) as pool, ExitStack() as stack:
        ports = {
            name: stack.enter_context(server(name, folder, slow_ms=FLUSH_MS))[0] for name in ("ideal", "ours")
        }
        took = alternate({name: driven(pool, port, batches) for name, port in ports.items()}, rounds)
    insist(folder / "ours.db", total)
    insist(folder / "ideal.db", total)
    yield rate_of_both("6", "flush of 5 ms, beside one commit a request", took, "ours", "ideal", 5.0)
