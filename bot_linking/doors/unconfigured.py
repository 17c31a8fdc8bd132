"""An app whose configuration is not complete.

A server does not start without its settings: it stops with one error that names all of them. A command of
`flask ...` comes up all the same, so that `flask linking check` can say what is missing, and `flask db
upgrade`, `flask routes` or a shell are not held up by it. Our doors answer 503 in such a process.
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
    """Whether this process runs a command of `flask ...`, other than the server of `flask run`."""
    context = click.get_current_context(silent=True)
    return context is not None and isinstance(context.obj, ScriptInfo) and context.info_name != "run"


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


def put_off(app: Flask, problem: ConfigurationError) -> None:
    """Go on without what needs the configuration. Raises the problem where a server is about to start."""
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
    """What a path of ours answers."""
    return Response(
        "not configured\n", 503, NO_STORE | {"Retry-After": "5"}, content_type="text/plain; charset=utf-8"
    )
