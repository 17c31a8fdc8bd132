"""A bot for a real server to run and to end, configured by the environment."""

from __future__ import annotations

import os
from urllib.request import urlopen

from flask import Flask

from bot_linking import AccountLinking

app = Flask("tests.host")
linking = AccountLinking(app)


@app.get("/long")
def long() -> str:
    """A request that goes on until the test lets it end."""
    with urlopen(f"{os.environ['BOT_LINKING_GRAPH_URL']}/long") as answer:
        return str(answer.read(), "ascii")


@app.get("/pid")
def pid() -> str:
    """Which process answers."""
    return str(os.getpid())
