"""Commands about keys of the account_link API."""

from __future__ import annotations

import click

from bot_linking.account_link_api.keys import Keys
from bot_linking.core.ports import ApiKey
from bot_linking.operators.cli import Here, command, group, json_option, limit_option, refuse_if_not_served
from bot_linking.operators.terminal import Column, Row, print_rows, safe, say, time_of

_KEY = (
    Column("name", "NAME"),
    Column("id", "ID", is_whole=True),
    Column("pages", "PAGES"),
    Column("created_at", "CREATED"),
    Column("last_used_at", "LAST USED"),
    Column("revoked_at", "REVOKED"),
)


def commands(here: Here) -> list[click.Command]:
    """`api-key`."""
    made = [_create(here), _list(here), _revoke(here)]
    return [group("api-key", "Keys of the account_link API: create, list, revoke.", made)]


def _create(here: Here) -> click.Command:
    @command("create", creates=True, examples=("api-key create newsletter",))
    @click.argument("name")
    @click.option("--page", "pages", metavar="ID", multiple=True, help="Only for this page; may be repeated.")
    def create(name: str, pages: tuple[str, ...]) -> None:
        """Make a key and print it, this once."""
        for page_id in pages:
            refuse_if_not_served(here, page_id)
        click.echo(Keys(here().linking).create(name, pages))
        say("Keep it in a safe place: it cannot be shown again.")

    return create


def _list(here: Here) -> click.Command:
    @command("list")
    @limit_option
    @json_option
    def list_keys(limit: int | None, as_json: bool) -> None:
        """List the keys: name, id, pages, created, last used, revoked. Not the keys themselves."""
        rows = (_row(key, as_json) for key in Keys(here().linking).list())
        print_rows(_KEY, rows, as_json=as_json, limit=limit, nothing="there are no keys")

    return list_keys


def _revoke(here: Here) -> click.Command:
    @command("revoke")
    @click.argument("name")
    def revoke(name: str) -> None:
        """End a key, in every process at once."""
        if not Keys(here().linking).revoke(name):
            raise click.ClickException(f"there is no active key named {safe(name)}")
        say(f"{name} is revoked")

    return revoke


def _row(key: ApiKey, as_json: bool) -> Row:
    return {
        "name": key.name,
        "id": key.id,
        "pages": key.pages if as_json else key.pages or "every page",
        "created_at": time_of(key.created_at),
        "last_used_at": time_of(key.last_used_at),
        "revoked_at": time_of(key.revoked_at),
    }
