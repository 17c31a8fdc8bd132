"""How long to wait before the next try, and when to give up."""

from __future__ import annotations

import random

FIRST_S = 1.0
LONGEST_S = 600.0
SHORTEST_CAP_S = 10.0
SHORTEST_PROBE_S = 300.0  # between tries while a permission is missing
MESSAGE_MAX_AGE_S = 86_400  # after a day Messenger's window is closed, and the news is old


def wait_before(attempt: int, waited: float, retry_after: float | None = None) -> float:
    """Seconds until the try after this one, with half of it jitter, and never sooner than the other side
    asked.

    Doubling from a second, but no longer than a tenth of what the entry has `waited` already (ten seconds at
    least, ten minutes at most): a short outage is over for us soon after it ended, and a long one is not
    hammered.
    """
    cap = min(LONGEST_S, max(SHORTEST_CAP_S, waited / 10))
    longest = min(cap, FIRST_S * 2.0 ** min(attempt - 1, 20))
    return max(longest * random.uniform(0.5, 1.0), retry_after or 0.0)  # noqa: S311  # not a secret
