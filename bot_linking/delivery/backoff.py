"""How long to wait before the next try, and when to give up."""

from __future__ import annotations

import random

FIRST_S = 1.0
LONGEST_S = 600.0
SHORTEST_CAP_S = 10.0
MESSAGE_MAX_AGE_S = 86_400  # after a day Messenger's window is closed, and the news is old
WINDOW_MAX_AGE_S = 7 * MESSAGE_MAX_AGE_S  # how long something waits for its person to write
SHORTEST_PROBE_S, LONGEST_PROBE_S = 300.0, 3600.0  # between tries of what is mended at Meta


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


def probe_after(waited: float) -> float:
    """Seconds until a page that has `waited` for a permission is tried again."""
    return min(LONGEST_PROBE_S, max(SHORTEST_PROBE_S, waited / 10))
