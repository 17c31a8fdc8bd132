"""Stamps: the tickets of forms outside of a login, so that only our page in this browser can send them.

A stamp names the form's purpose and the thing that it is about, and is bound to the browser's own secret.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence

from itsdangerous import BadData

from bot_linking.core.codes import digest_for
from bot_linking.webview.signing import LEEWAY_MS, serializer_for

MAX_AGE_MS = 3_600_000


class Stamps:
    """Signs and reads stamps. `keys` are newest first; `now` is in milliseconds."""

    def __init__(self, keys: Sequence[str], now: Callable[[], int]) -> None:
        self._now = now
        self._serializer = serializer_for(keys, "stamp")

    def make(self, purpose: str, about: str, secret: str) -> str:
        """A stamp for this purpose and thing, for the browser with this secret."""
        return str(self._serializer.dumps([purpose, about, digest_for("stamp", secret), self._now()]))

    def is_good(self, stamp: str, purpose: str, about: str, secret: str | None) -> bool:
        """Whether we made this stamp for this form and this browser within the last hour."""
        try:
            values = self._serializer.loads(stamp)
        except BadData:
            return False
        if secret is None or not isinstance(values, list) or len(values) != 4:
            return False
        is_of_form = values[:2] == [purpose, about]
        is_of_browser = hmac.compare_digest(str(values[2]), digest_for("stamp", secret))
        return is_of_form and is_of_browser and -LEEWAY_MS <= self._now() - values[3] <= MAX_AGE_MS
