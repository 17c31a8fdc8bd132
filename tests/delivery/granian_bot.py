"""Granian, started by a script that has made its app already: the workers are forked from that process."""

from __future__ import annotations

import sys

from granian.constants import Interfaces
from granian.server import Server

from tests.delivery.ending_bot import app

if __name__ == "__main__":
    Server("app", port=int(sys.argv[1]), interface=Interfaces.WSGI).serve(target_loader=lambda _: app)
