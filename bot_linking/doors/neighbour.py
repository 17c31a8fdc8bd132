"""How an optional room joins a bot: what it brings to the installation, and what it gets from it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from flask import Blueprint, Flask
from flask.cli import AppGroup

from bot_linking.core.links import Account, Link

if TYPE_CHECKING:
    import click

    from bot_linking.config.settings import Settings
    from bot_linking.core.linking import Linking
    from bot_linking.core.ports import Tell
    from bot_linking.doors.openapi import Operation
    from bot_linking.stores.engine import Follower
    from bot_linking.stores.store import SQLStore

EXTENSION = "bot_linking.installation"  # where an app keeps what its AccountLinking installed
GROUP = "linking"

SecondFactor = Callable[[Account, str | None], bool]


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """What a room brings to an installation; see `Installation.join`."""

    follower: Follower | None = None
    """Writes the room's own tables, in the transaction of each change of a link."""

    second_factor: SecondFactor | None = None
    """`second_factor(account, code or None) -> bool`: whether an account may go on to the consent page."""

    operations: Callable[[], Sequence[Operation]] | None = None
    """The room's calls in the bot's OpenAPI document; asked for when the document is made."""

    commands: Sequence[click.Command] = ()
    """The room's own commands below `flask linking`."""


class Bot(Protocol):
    """The host's `AccountLinking`."""

    @property
    def blueprint(self) -> Blueprint: ...
    def link_of(self, psid: str, page_id: str | None = None) -> Link | None: ...


class Joinable(Protocol):
    """The `Installation` of an app, as a room uses it."""

    @property
    def settings(self) -> Settings: ...
    @property
    def store(self) -> SQLStore: ...
    @property
    def linking(self) -> Linking: ...
    @property
    def tell(self) -> Tell: ...
    def page_ids(self) -> Collection[str]: ...
    def join(self, neighbour: Neighbour) -> None: ...


def bot_in(app: Flask) -> Joinable | None:
    """The installation of this app's bot; None without a bot. For the set-up of a room only."""
    return app.extensions.get(EXTENSION)


def add_commands(app: Flask, commands: Iterable[click.Command]) -> None:
    """Add a room's commands below `flask linking`, also in an app without a bot."""
    group = app.cli.commands.get(GROUP)
    if not isinstance(group, AppGroup):
        group = AppGroup(GROUP, help="Commands for operators.")
        app.cli.add_command(group)
    for command in commands:
        group.add_command(command)
