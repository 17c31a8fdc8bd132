"""Free ports for servers that take a number. The kernel gives no connection any of these, so they stay free
until the server has started."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

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


@contextmanager
def taken(port: int) -> Iterator[int]:
    """In this block the port is held here, or for good by another process, as 5000 is on a Mac. Another run
    of the same test lets it go in a while."""
    with socket.socket() as holder:
        for _ in range(200):
            with suppress(OSError):
                holder.bind(("127.0.0.1", port))
                holder.listen()
                break
            time.sleep(0.1)
        yield port
