"""Lets the commands of an app run while its configuration is not complete.

A server stops with one error that names all missing settings. A command of `flask ...` runs all the same:
`flask linking check` says what is missing, and `flask db upgrade`, `flask routes` or a shell work. Our doors
answer 503 in such a process.
"""

from __future__ import annotations

import logging
import os

import click
from flask import Flask, Response
from flask.cli import ScriptInfo
from flask.helpers import get_debug_flag

from bot_linking.core.errors import ConfigurationError
from bot_linking.doors.body import NO_STORE

EXTENSION = "bot_linking.unconfigured"  # where an app keeps why it is not configured

_log = logging.getLogger("bot_linking")


def is_command() -> bool:
    """Whether this process runs a command of `flask ...` other than `flask run`."""
    context = click.get_current_context(silent=True)
    return context is not None and isinstance(context.obj, ScriptInfo) and context.info_name != "run"


def is_serving(app: Flask) -> bool:
    """Whether this process answers requests. A command, a test, and the reloader of `flask run` do not."""
    return not (app.testing or is_command() or _only_watches())


def _only_watches() -> bool:
    context = click.get_current_context(silent=True)
    if context is None or "reload" not in context.params or os.environ.get("WERKZEUG_RUN_MAIN") == "true":
        return False
    reloads = context.params["reload"]
    return get_debug_flag() if reloads is None else bool(reloads)


def put_off(app: Flask, problem: ConfigurationError) -> None:
    """Go on without the doors in a command. Raises the problem in any other process."""
    if not is_command():
        raise problem
    for sentence in problem.problems:
        _log.debug("not configured: %s", sentence)
    app.extensions[EXTENSION] = problem
    app.register_error_handler(ConfigurationError, not_configured)


def problem_of(app: Flask) -> ConfigurationError | None:
    """Why this app is not configured; None where it is."""
    return app.extensions.get(EXTENSION)


def not_configured(*_: object, **__: object) -> Response:
    """The answer of our paths."""
    return Response(
        "not configured\n", 503, NO_STORE | {"Retry-After": "5"}, content_type="text/plain; charset=utf-8"
    )
