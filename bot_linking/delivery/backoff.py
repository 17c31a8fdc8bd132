"""How long to wait before the next try, and when to give up."""

from __future__ import annotations

import random

FIRST_S = 1.0
LONGEST_S = 600.0
SHORTEST_CAP_S = 10.0
MESSAGE_MAX_AGE_S = 86_400  # after a day Messenger's window is closed, and the news is old
WINDOW_MAX_AGE_S = 7 * MESSAGE_MAX_AGE_S  # how long an entry waits for its person to write
SHORTEST_PROBE_S, LONGEST_PROBE_S = 300.0, 3600.0  # between tries of what has to be mended at Meta


def wait_before(attempt: int, waited: float, retry_after: float | None = None) -> float:
    """Seconds until the next try: half of it is jitter, and it is at least the `retry_after` that the other
    side asked for.

    The pause doubles from one second up to a cap: a tenth of the seconds that the entry has `waited`, at
    least ten seconds and at most ten minutes. So we recover soon after a short outage, and ask seldom during
    a long one.
    """
    cap = min(LONGEST_S, max(SHORTEST_CAP_S, waited / 10))
    longest = min(cap, FIRST_S * 2.0 ** min(attempt - 1, 20))
    return max(longest * random.uniform(0.5, 1.0), retry_after or 0.0)  # noqa: S311  # not a secret


def probe_after(waited: float) -> float:
    """Seconds until the next try for a page that has `waited` (s) to be mended at Meta."""
    return min(LONGEST_PROBE_S, max(SHORTEST_PROBE_S, waited / 10))
