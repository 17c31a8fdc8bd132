"""Whether this process serves an app, or only runs a command of it or watches its files."""

from __future__ import annotations

import os

import click
from flask import Flask
from flask.helpers import get_debug_flag

from bot_linking.doors.unconfigured import is_command


def is_serving(app: Flask) -> bool:
    """Whether this process answers requests, rather than running a command or a test, or watching the files
    for the process that does."""
    return not (app.testing or is_command() or _only_watches())


def _only_watches() -> bool:
    context = click.get_current_context(silent=True)
    if context is None or "reload" not in context.params or os.environ.get("WERKZEUG_RUN_MAIN") == "true":
        return False
    reloads = context.params["reload"]
    return get_debug_flag() if reloads is None else bool(reloads)
