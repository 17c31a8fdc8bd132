"""Commands for the owner's control and data rights: undo, export, and Meta's requests to delete."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Iterator

import click

from bot_linking.core.codes import digest_of
from bot_linking.core.events import EventIgnored, LinkingRefused
from bot_linking.core.links import iso_of
from bot_linking.core.ports import Deletion
from bot_linking.core.rights import export_account, request_deletion
from bot_linking.messenger.callbacks import CODE_BYTES
from bot_linking.operators.cli import Here, command, json_option, limit_option, page_option, refuse_beside
from bot_linking.operators.files import texts_in
from bot_linking.operators.terminal import Column, print_rows, safe, say

DAY_MS = 86_400_000
_REQUEST = (
    Column("code", "CODE", is_whole=True),
    Column("received_at", "RECEIVED"),
    Column("state", "STATE"),
    Column("kind", "KIND"),
    Column("finished_at", "FINISHED"),
)


def commands(here: Here) -> list[click.Command]:
    """`undo`, `export`, `deletions`."""
    return [_undo(here), _export(here), _deletions(here)]


def _undo(here: Here) -> click.Command:
    @command("undo", examples=("undo 24680135791357",))
    @click.argument("psid")
    @page_option
    def undo(psid: str, page_id: str | None) -> None:
        """Put back what the newest link of a PSID replaced. Exit status 1 when nothing was undone."""
        linking = here().linking
        outcome = linking.undoing.undo(page_id or linking.only_page(), psid)
        if isinstance(outcome, EventIgnored):
            say(f"{safe(psid)}: there is nothing to undo")
            sys.exit(1)
        if isinstance(outcome, LinkingRefused):
            say(f"{safe(psid)}: the site does not allow the former account, so nothing was undone")
            sys.exit(1)
        link = linking.link_of(psid, page_id)
        now = "not linked any more" if link is None else f"linked to {safe(link.account_id)} again"
        say(f"{safe(psid)} is {now}")

    return undo


def _export(here: Here) -> click.Command:
    @command("export", examples=("export 24680135791357 > person.json", "export --account 7"))
    @click.argument("psid", required=False)
    @click.option("--account", "account_id", metavar="ID", help="Everything about an account and its chats.")
    @page_option
    @click.option("--json", is_flag=True, expose_value=False, help="As ever: it prints nothing else.")
    def export(psid: str | None, account_id: str | None, page_id: str | None) -> None:
        """Print everything that is held about a person as one JSON document, without secrets."""
        if (psid is None) == (account_id is None):
            raise click.UsageError("name either a PSID or an account with --account")
        store = here().linking.store
        if account_id is not None:
            refuse_beside("--account", page=page_id)
            held = export_account(store, account_id)
        else:
            held = store.export(page_id, psid or "")
        click.echo(json.dumps(held, indent=2, ensure_ascii=False))

    return export


def _deletions(here: Here) -> click.Command:
    @command("deletions", examples=("deletions", "deletions --import ids.txt"))
    @click.option("--import", "file", metavar="FILE", help="One app-scoped id a line.")
    @limit_option
    @json_option
    def deletions(file: str | None, limit: int | None, as_json: bool) -> None:
        """List Meta's requests to delete, or take in the ids of a list that Meta mailed."""
        if file is not None:
            refuse_beside("--import", limit=limit, json=as_json)
            _take_in(here, file)
            return
        rows = map(_row, here().linking.store.list_deletions())
        print_rows(_REQUEST, rows, as_json=as_json, limit=limit, nothing="there is no request to delete")

    return deletions


def _take_in(here: Here, file: str) -> None:
    """Take in the whole list, or nothing where a line is bad. The same list on the same day changes
    nothing."""
    users = list(_read(file))
    linking = here().linking
    day = linking.now() // DAY_MS
    for user_id in users:
        digest = digest_of(f"imported {user_id} {day}")
        request_deletion(linking, "deletion", user_id, digest, secrets.token_hex(CODE_BYTES))
    say(f"{len(users)} request(s) taken in; the outbox does the work")


def _read(file: str) -> Iterator[str]:
    for number, line in enumerate(texts_in(file), 1):
        user_id = line.strip()
        if user_id and not (user_id.isascii() and user_id.isdigit() and len(user_id) <= 64):
            raise click.ClickException(f"line {number} is no app-scoped id: 1 to 64 digits")
        if user_id:
            yield user_id


def _row(deletion: Deletion) -> dict[str, str | None]:
    return {
        "code": deletion.code,
        "received_at": _time(deletion.received_at),
        "state": deletion.state,
        "kind": deletion.kind,
        "finished_at": _time(deletion.finished_at),
    }


def _time(ms: int | None) -> str | None:
    return None if ms is None else iso_of(ms)
