"""The example bot for gunicorn; a log and `/worker` tell which process answered."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

from flask import Flask, request

from example_bot import create_app


def make() -> Flask:
    """The app; each request is a line `pid method path` in the file that REQUEST_LOG names."""
    app, log = create_app(), Path(os.environ["REQUEST_LOG"])

    @app.get("/worker")
    def worker() -> dict[str, Any]:
        names = [thread.name for thread in threading.enumerate() if thread.is_alive()]
        return {"pid": os.getpid(), "delivering": names.count("bot_linking delivery")}

    @app.before_request
    def note() -> None:
        with log.open("a") as file:
            file.write(f"{os.getpid()} {request.method} {request.path}\n")

    return app
