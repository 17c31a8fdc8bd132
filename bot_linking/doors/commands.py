"""The store of an app, and the `flask linking ...` for which the app is made.

Flask makes an app before it looks for the command in it. A factory that uses the store would make a database
for a command that only looks. So the command is read where click reads it, in the command line.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
from flask import Flask
from flask.cli import FlaskGroup

from bot_linking.config.settings import SiteSettings
from bot_linking.core.errors import StoreAbsent, StoreUnavailable
from bot_linking.core.text import escaped
from bot_linking.doors.neighbour import GROUP
from bot_linking.doors.unconfigured import is_command
from bot_linking.stores import open_store

if TYPE_CHECKING:
    from bot_linking.stores.store import SQLStore


class CommandFailed(StoreUnavailable, click.ClickException):
    """The database cannot be used. Where the host's factory does not catch it, click ends the command with
    this one sentence."""


class CommandFoundNothing(CommandFailed, StoreAbsent):
    """The same for a command that only looks."""


class LinkingCommand:
    """A command of `flask linking`; `words` are what the command line says behind `linking`."""

    def __init__(self, app: Flask, words: Sequence[str]) -> None:
        self._app = app
        self._words = words

    def only_looks(self) -> bool:
        """Whether the command may make no database. A help text and a command that is unknown may not."""
        if "--help" in self._words:
            return True
        found = self._app.cli.commands.get(GROUP)
        for word in self._words:
            if not isinstance(found, click.Group):
                break
            found = found.commands.get(word)
        is_a_command = found is not None and not isinstance(found, click.Group)
        return not getattr(found, "creates", is_a_command)

    def failed(self, problem: StoreUnavailable) -> CommandFailed:
        """The error to raise in the place of this one."""
        kind = CommandFoundNothing if isinstance(problem, StoreAbsent) else CommandFailed
        return kind(escaped(str(problem)))


def open_store_of(app: Flask, settings: SiteSettings) -> SQLStore:
    """The store of this app, for the process as it is: a command changes nothing before it uses the store."""
    return open_store(
        settings.database,
        create=settings.create_database,
        only_look=is_command(),
        command=linking_command(app),
    )


def linking_command(app: Flask) -> LinkingCommand | None:
    """The command of `flask linking` for which this app is made; None in every other process."""
    context = click.get_current_context(silent=True)
    if context is None or not is_command() or not isinstance(context.command, FlaskGroup):
        return None
    group, *words = _behind_the_options(context) or [""]
    return LinkingCommand(app, words) if group == GROUP else None


def _behind_the_options(context: click.Context) -> list[str]:
    """What the command line says behind this context's own options. It is empty where the command was not
    called by a command line, as a test's is."""
    given = sys.argv[1:] if context.parent is None else _behind_the_options(context.parent)[1:]
    try:
        return context.command.make_parser(context).parse_args(given)[1]
    except click.UsageError:
        return []
