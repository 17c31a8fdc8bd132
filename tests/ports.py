"""Free ports for servers that take a number. The kernel gives no connection any of these, so they stay free
until the server has started."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack

FROM, TO = 10_000, 32_000  # the kernel's own begin above, on Linux at 32768
_random = random.SystemRandom()


def free_port(in_a_row: int = 1) -> int:
    """The first of as many ports in a row that are free on loopback."""
    for _ in range(100):
        port = _random.randrange(FROM, TO, 2)
        with ExitStack() as bound:
            try:
                for number in range(port, port + in_a_row):
                    bound.enter_context(socket.socket()).bind(("127.0.0.1", number))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no {in_a_row} free ports in a row")
