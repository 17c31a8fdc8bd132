"""`flask linking ...`: for operators.

What a script would use stands alone on stdout, everything else goes to stderr, and the exit status is 0 only
when it worked; 2 means that the command was called wrongly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bot_linking.operators import keys, messages, people, upkeep
from bot_linking.operators.cli import under

if TYPE_CHECKING:
    from bot_linking.extension import AccountLinking


def commands(linking: AccountLinking) -> list[click.Command]:
    """The commands of one AccountLinking."""
    return [
        *under("People", people.commands(linking)),
        *under("Messages", messages.commands(linking)),
        *under("Keys and applications", keys.commands(linking)),
        *under("Set-up", upkeep.commands(linking)),
    ]
