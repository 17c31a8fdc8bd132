"""The same bot. It makes a file when its server asks this process to end."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import FrameType

_servers = signal.getsignal(signal.SIGTERM)


def _heed(number: int, frame: FrameType | None) -> None:
    Path(os.environ["HEEDED"]).touch()
    assert callable(_servers)
    _servers(number, frame)


signal.signal(signal.SIGTERM, _heed)

from tests.delivery.ending_bot import app  # noqa: E402

__all__ = ["app"]
