"""How long to wait before the next try, and when to give up."""

from __future__ import annotations

import random

FIRST_S = 1.0
LONGEST_S = 600.0
MESSAGE_MAX_AGE_S = 86_400  # after a day Messenger's window is closed, and the news is old


def wait_before(attempt: int, retry_after: float | None = None) -> float:
    """Seconds until the try after this one: doubling from a second to ten minutes, with half of it jitter,
    and never sooner than the other side asked."""
    longest = min(LONGEST_S, FIRST_S * 2.0 ** min(attempt - 1, 20))
    return max(longest * random.uniform(0.5, 1.0), retry_after or 0.0)  # noqa: S311  # not a secret
