"""Commands that move a whole store: into another database, into a file, and back."""

from __future__ import annotations

import os
from contextlib import suppress

import click

from bot_linking.config.readers import database
from bot_linking.core.errors import ConfigurationError
from bot_linking.operators.cli import Here, command, json_option
from bot_linking.operators.terminal import Bar, Column, print_rows, say
from bot_linking.stores import sqlite_file

_COPIED = (
    Column("table", "TABLE", is_whole=True),
    Column("rows", "ROWS", is_whole=True),
    Column("digest", "DIGEST"),
)


def commands(here: Here) -> list[click.Command]:
    """`copy`."""
    return [_copy(here)]


def _copy(here: Here) -> click.Command:
    @command(
        "copy",
        examples=("copy --to postgresql://bot@db.internal/bot", "copy --to sqlite:////srv/links.db"),
    )
    @click.option(
        "--to", "target", metavar="ADDRESS", required=True, help="The database to fill, still empty."
    )
    @json_option
    def copy(target: str, as_json: bool) -> None:
        """Copy every table into another database, PostgreSQL or SQLite, and compare both.

        Stop the bot first: what it writes afterwards is not in the copy. Killed half way, the target is as
        empty as before: run it again. A password in the address can be seen in the list of processes; leave
        it out and set PGPASSWORD or PGPASSFILE.
        """
        from bot_linking.stores.copying import copy_store
        from bot_linking.stores.opening import making

        source = here().settings.database
        _warn_of_others(source)
        with Bar("copying") as bar, making():  # the target alone: the source is only looked at
            copied = copy_store(source, _address(target), on_start=bar.begin, on_rows=bar.advance)
        rows = ({"table": each.table, "rows": each.rows, "digest": each.digest} for each in copied)
        print_rows(_COPIED, rows, as_json=as_json, limit=len(copied))
        count = sum(each.rows for each in copied)
        say(f"{count} row(s) copied and compared; now set BOT_LINKING_DATABASE to the new address")

    return copy


def _address(given: str) -> str:
    """The address, when a store may be there. Otherwise `--to` was used wrongly."""
    try:
        url = database(given)
        if sqlite_file(url) is None:
            _judge_pooling(url)
    except (ValueError, ConfigurationError) as problem:
        text = str(problem).removeprefix("BOT_LINKING_DATABASE ")
        raise click.BadParameter(text, param_hint="--to") from None
    return url


def _judge_pooling(url: str) -> None:
    with suppress(ImportError):  # without the driver the copy itself says so
        from bot_linking.stores.postgres.sessions import without_pooling

        without_pooling(url)


def _warn_of_others(url: str) -> None:
    from bot_linking.stores.sqlite.holders import holders_of

    if (path := sqlite_file(url)) is not None:
        others = [pid for pid in holders_of(path) if pid != os.getpid()]
        if others:
            named = ", ".join(map(str, others))
            say(f"still open in process {named}: what is written there after the copy is not in it")
