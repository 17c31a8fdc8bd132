"""`flask linking docs`: the rooms' guides, which are shipped in the package, on the terminal."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable

import click

from bot_linking.operators.cli import Here, command
from bot_linking.operators.terminal import is_terminal

GUIDE = "README.md"


def commands(here: Here) -> list[click.Command]:
    """`docs`, which needs no settings and no store."""
    return [_docs()]


def topics() -> dict[str, Traversable]:
    """The guide of each room that has one, by the room's name."""
    rooms = sorted(resources.files("bot_linking").iterdir(), key=lambda room: room.name)
    return {room.name: room / GUIDE for room in rooms if room.is_dir() and (room / GUIDE).is_file()}


def _docs() -> click.Command:
    @command("docs", examples=("docs", "docs operators", "docs account-link-api | less"))
    @click.argument("topic", required=False)
    def docs(topic: str | None) -> None:
        """Print a guide, or without TOPIC the name of each, one a line."""
        if topic is None:
            click.echo("\n".join(topics()))
        elif guide := topics().get(topic.replace("-", "_")):
            _show(guide.read_text("utf-8"))
        else:
            lines = "\n".join(topics())
            raise click.ClickException(f"there is no guide {topic!r}; the topics are\n{lines}")

    return docs


def _show(guide: str) -> None:
    """Print a guide without its marks for tests; on a terminal through a pager."""
    lines = [line for line in guide.splitlines() if not line.startswith("<!-- ")]
    text = "\n".join(lines) + "\n"
    if is_terminal():
        click.echo_via_pager(text)
    else:
        click.echo(text, nl=False)
