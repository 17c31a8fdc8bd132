"""`flask linking ...`: every command, by section.

What a script would use goes to stdout, everything else to stderr. Exit status 0 means that it worked, 1 that
it did not, 2 that the command was called wrongly.
"""

from __future__ import annotations

import click

from bot_linking.operators import (
    backups,
    exchange,
    funnel,
    guides,
    keys,
    mending,
    messages,
    moving,
    pages,
    people,
    rights,
    upkeep,
    watching,
)
from bot_linking.operators.cli import Here, under


def commands(here: Here) -> list[click.Command]:
    """The commands of one AccountLinking."""
    return [
        *under("People", [*people.commands(here), *rights.commands(here), *funnel.commands(here)]),
        *under("Messages", messages.commands(here)),
        *under("Pages, keys and applications", [*pages.commands(here), *keys.commands(here)]),
        *under("Set-up", _set_up(here)),
        *under("The store", [*moving.commands(here), *exchange.commands(here), *backups.commands(here)]),
    ]


def _set_up(here: Here) -> list[click.Command]:
    rooms = (upkeep, mending, watching, guides)
    return [command for room in rooms for command in room.commands(here)]
