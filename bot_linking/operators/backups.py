"""Commands about copies of the store: `backup`, `restore`, and the list of people who must stay erased."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot_linking.operators.cli import Here, command, yes_option
from bot_linking.operators.files import texts_in
from bot_linking.operators.terminal import ask, say, time_of

if TYPE_CHECKING:
    from bot_linking.stores.sqlite.restoring import Comparison
    from bot_linking.stores.store import SQLStore


def commands(here: Here) -> list[click.Command]:
    """`backup`, `restore`, `erasures`."""
    return [_backup(here), _restore(here), _erasures(here)]


def _backup(here: Here) -> click.Command:
    @command("backup", examples=("backup /backups/links-$(date +%F).db",))
    @click.argument("file", type=click.Path(readable=False, path_type=Path))
    def backup(file: Path) -> None:
        """Copy the SQLite database into a file while the bot runs, for its owner alone, and check the copy.

        An older backup of this name is replaced when the new one is whole.
        """
        from bot_linking.stores.paths import real_path
        from bot_linking.stores.sqlite import files

        path, file = _database(here), real_path(file)
        if not path.exists():
            raise click.ClickException(f"there is no database {path}")
        _refuse_target(file, path)
        partial = file.with_name(file.name + ".partial")
        try:
            files.copy_file(path, partial)
            if "bot_linking" not in files.steps_in(partial):
                raise click.ClickException(f"{path} holds no tables of bot_linking: is its volume mounted?")
            os.replace(partial, file)
            files.flush(file.parent)
        except OSError as problem:
            raise click.ClickException(f"{file} cannot be written: {problem.strerror}") from None
        finally:
            with suppress(OSError):  # where it could not be made
                files.remove(partial)
        say(f"{file}: {file.stat().st_size / 1_000_000:.1f} MB, whole")

    return backup


def _refuse_target(file: Path, path: Path) -> None:
    from bot_linking.stores.sqlite import files

    if file.exists() and file.samefile(path):
        raise click.ClickException(f"{file} is the database itself")
    if file.exists() and not (file.is_file() and "bot_linking" in files.steps_in(file)):
        raise click.ClickException(f"{file} is there and is no backup of this bot: choose another name")


def _restore(here: Here) -> click.Command:
    @command("restore", examples=("restore /backups/links-2026-11-25.db",))
    @click.argument("file", type=click.Path(readable=False, path_type=Path))
    @yes_option
    def restore(file: Path, yes: bool) -> None:
        """Put a backup in the place of the SQLite database of a stopped bot.

        Says first what comes back with it and what is lost, and asks. A person who was erased since the
        backup is erased again; API keys that were revoked since stay revoked; pages that were changed, tokens
        that were ended and second factors that were set up since stay as they are; messages that were sent
        since are not sent again. Exit status 1 while any process has the database open.
        """
        from bot_linking.stores.sqlite import files, restoring

        path = _database(here)
        here().store.close()
        restoring.refuse_if_open(path)
        restoring.refuse_if_foreign(file)
        was_there = path.exists()
        if was_there and file.samefile(path):
            raise click.ClickException(f"{file} is the database itself")
        restoring.refuse_to_replace_another(path)
        ready, comparison = restoring.make_ready(file, path, lambda url: _opened(here, url))
        try:
            for line in _sentences(comparison, was_there=was_there):
                say(line)
            ask(f"Put {file} in the place of {path}?", yes=yes)
            restoring.replace(ready, path)
        finally:
            files.remove(ready)
        with closing(_opened(here, f"sqlite:///{path}")) as store:
            restoring.keep_list(path, store)
        say(f"{path} is restored; start the bot")

    return restore


def _erasures(here: Here) -> click.Command:
    @command("erasures", examples=("erasures > erased.jsonl", "erasures --replay erased.jsonl"))
    @click.option("--replay", "file", metavar="FILE", help="Erase again whoever it names.")
    @click.option("--json", is_flag=True, expose_value=False, help="As ever: it prints nothing else.")
    def erasures(file: str | None) -> None:
        """Print who was erased, by digest, one JSON object a line; after a restore, erase them again.

        For PostgreSQL, whose backups its own tools put back. `restore` does this, too.
        """
        from bot_linking.stores.copying.copier import side_of
        from bot_linking.stores.erasures import line_of, read_list
        from bot_linking.stores.sqlite.restoring import erase_again

        store = here().store
        if file is None:
            erased = list(store.list_erasures())
            sys.stdout.writelines(json.dumps(line_of(erasure)) + "\n" for erasure in erased)
            if not erased:
                say("nobody was erased")
            return
        listed, bad = read_list(texts_in(file))
        if bad:
            raise click.ClickException(f"{bad} line(s) are not of such a list; nobody was erased")
        missing = listed - set(store.list_erasures())
        say(f"{erase_again(store, side_of(here().settings.database), missing)} person(s) erased again")

    return erasures


def _database(here: Here) -> Path:
    """The file itself, also where the address names a link to it: SQLite keeps its log beside the file."""
    from bot_linking.stores import sqlite_file
    from bot_linking.stores.paths import real_path

    path = sqlite_file(here().settings.database)
    if path is None:
        raise click.ClickException("the store is on PostgreSQL: use pg_dump and pg_restore, see the guide")
    return real_path(path)


def _opened(here: Here, url: str) -> SQLStore:
    """Open a store with the tables of every room that has some, and with the followers of the app's store."""
    from bot_linking.stores import open_store
    from bot_linking.stores.sql import rooms

    store, own = open_store(url), here().store
    for record, package in rooms().items():
        store.engine.extend(record, package)
    store.followers = own.followers
    return store


def _sentences(found: Comparison, *, was_there: bool) -> Iterator[str]:
    """What comes back with the backup, and what is lost."""
    newest = (
        "" if found.newest_change is None else f", its newest change is of {time_of(found.newest_change)}"
    )
    yield f"The backup holds {found.links} link(s){newest}."
    if found.come_back is not None:
        yield f"{found.come_back} link(s) that have ended since come back."
        yield f"{found.lost} link(s) that were made since are lost."
        yield f"{found.unsent} message(s) that were sent since are taken out; {found.waiting} wait."
        yield f"{found.revoked} API key(s) that were revoked since stay revoked."
        yield f"{found.kept} page(s), token(s) and second factor(s) that changed since stay as they are now."
    else:
        present = "The present database cannot be read" if was_there else "There is no database at present"
        yield f"{present}: what has changed since cannot be told."
        yield f"{found.waiting} message(s) wait; those that were sent since are sent again."
        yield "Pages, keys, tokens and second factors are those of the backup, also what was revoked since."
    yield f"{found.erased} person(s) who were erased since are erased again."
    if found.unreadable:
        yield f"{found.unreadable} line(s) of the list of erasures cannot be read: who they name comes back."
