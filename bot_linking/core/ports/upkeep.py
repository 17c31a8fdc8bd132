"""The store's role for those who run it: forget in time, look whether it works, close."""

from __future__ import annotations

from typing import Protocol


class Upkeep(Protocol):
    """What a store needs from time to time."""

    def purge(self, now: int) -> None: ...
    def check(self) -> None: ...
    def close(self) -> None: ...
