"""Commands about Facebook pages: those that are added while the bot runs, and those of its configuration."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from io import StringIO
from typing import Any

import click

from bot_linking.core.reading import read_id
from bot_linking.operators.cli import Here, command, group, json_option, limit_option, yes_option
from bot_linking.operators.terminal import (
    Column,
    ask,
    ask_hidden,
    print_rows,
    reading_stdin,
    safe,
    say,
    time_of,
)

WANTED = ("page access token", "app secret", "verify token")
_COLUMNS = (
    Column("page_id", "PAGE", is_whole=True),
    Column("source", "FROM"),
    Column("access_tokens", "TOKENS"),
    Column("app_secrets", "SECRETS"),
    Column("verify_tokens", "VERIFY TOKENS"),
    Column("added_at", "ADDED"),
    Column("changed_at", "CHANGED"),
)


def commands(here: Here) -> list[click.Command]:
    """`page add`, `list`, `rotate`, `remove` and `reseal`."""
    made = [_add(here), _list(here), _rotate(here), _remove(here), _reseal(here)]
    return [group("page", "Pages that are added while the bot runs: add, list, rotate, remove.", made)]


def _page_id(_context: Any, _parameter: Any, value: str) -> str:
    if read_id(value) is None:
        raise click.BadParameter(f"{safe(value)} is not a page id")
    return value


_page_argument: Callable[..., Any] = click.argument("page_id", metavar="ID", callback=_page_id)


def _add(here: Here) -> click.Command:
    @command("add", examples=("page add 102030405060708", "page add 102030405060708 < secrets.txt"))
    @_page_argument
    def add(page_id: str) -> None:
        """Serve a page. Its access token, app secret and verify token are asked for, or read from three lines
        of stdin."""
        access_token, app_secret, verify_token = _read(may_stay=False)
        here().runtime_pages.add(
            page_id, access_token=access_token, app_secret=app_secret, verify_token=verify_token
        )
        say(f"page {page_id} is added; every process takes it up within seconds")

    return add


def _list(here: Here) -> click.Command:
    @command("list")
    @limit_option
    @json_option
    def list_pages(limit: int | None, as_json: bool) -> None:
        """List the pages: id, from where, how many tokens and secrets are good now. Not the secrets."""
        rows = (
            page.as_dict() | {"added_at": time_of(page.added_at), "changed_at": time_of(page.changed_at)}
            for page in here().runtime_pages.list()
        )
        print_rows(_COLUMNS, rows, as_json=as_json, limit=limit, nothing="there are no pages")

    return list_pages


def _rotate(here: Here) -> click.Command:
    @command("rotate", examples=("page rotate 102030405060708", "page rotate 102030405060708 --finish"))
    @_page_argument
    @click.option("--finish", is_flag=True, help="End the values that others have replaced; asks for none.")
    def rotate(page_id: str, finish: bool) -> None:
        """Replace a page's access token, app secret or verify token; an empty line leaves one as it is.

        What is replaced stays good until it is replaced again, or until --finish."""
        if finish:
            here().runtime_pages.finish(page_id)
            say(f"only the newest token and secrets of page {page_id} are good now")
            return
        access_token, app_secret, verify_token = values = _read(may_stay=True)
        if not any(values):
            raise click.ClickException(f"no value was given: page {page_id} stays as it is")
        here().runtime_pages.rotate(
            page_id, access_token=access_token, app_secret=app_secret, verify_token=verify_token
        )
        say(f"page {page_id} has new values; every process takes them up within seconds")

    return rotate


def _remove(here: Here) -> click.Command:
    @command("remove")
    @_page_argument
    @yes_option
    def remove(page_id: str, yes: bool) -> None:
        """Serve a page no more, and forget its token and secrets. Its links stay."""
        ask(f"Remove page {page_id}, its token and its secrets?", yes=yes)
        if not here().runtime_pages.remove(page_id):
            raise click.ClickException(f"there is no page {page_id} in the store")
        say(f"page {page_id} is removed; every process notices it within seconds")

    return remove


def _reseal(here: Here) -> click.Command:
    @command("reseal")
    def reseal() -> None:
        """Encrypt every page with the newest of BOT_LINKING_PAGE_KEYS, so that the older keys may go."""
        say(f"{here().runtime_pages.reseal()} page(s) encrypted with the newest key")

    return reseal


def _read(*, may_stay: bool) -> Sequence[str]:
    """The three values, from the terminal or from three lines of stdin. Never from the command line: every
    user of the machine can list it."""
    if sys.stdin.isatty():
        return [_prompt(name, may_stay=may_stay) for name in WANTED]
    lines = [line.rstrip("\n") for line in StringIO(_stdin(), newline=None)]
    if len(lines) != len(WANTED):
        raise click.ClickException(f"stdin has {len(lines)} line(s), not three: {', '.join(WANTED)}")
    missing = [name for name, line in zip(WANTED, lines, strict=True) if not (line.strip() or may_stay)]
    if missing:
        raise click.ClickException(f"the line of the {missing[0]} is empty")
    return [line.strip() for line in lines]


def _stdin() -> str:
    """What stdin holds, without the mark that editors on Windows put before it."""
    with reading_stdin():
        return sys.stdin.buffer.read().decode("utf-8-sig")


def _prompt(name: str, *, may_stay: bool) -> str:
    hint = " (empty: as it is)" if may_stay else ""
    return ask_hidden(f"{name.capitalize()}{hint}", default="" if may_stay else None).strip()
