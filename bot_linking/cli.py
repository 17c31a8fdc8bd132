"""`flask linking ...`: for operators.

What a script would use stands alone on stdout, everything else goes to stderr, and the exit status is 0 only
when it worked.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any

import click
from flask.cli import with_appcontext

from bot_linking.core.errors import BotLinkingError
from bot_linking.core.links import Link, from_ms

if TYPE_CHECKING:
    from bot_linking.extension import AccountLinking

_COLUMNS = ("page_id", "psid", "account_id", "username", "email", "phone_number", "source", "updated_at")


def commands(linking: AccountLinking) -> list[click.Command]:
    """The commands of one AccountLinking."""

    def command(name: str) -> Callable[[Callable[..., None]], click.Command]:
        def decorate(function: Callable[..., None]) -> click.Command:
            return click.command(name)(with_appcontext(_reporting(function)))

        return decorate

    page_option = click.option("--page", "page_id", metavar="ID", help="Where several pages are served.")
    json_option = click.option("--json", "as_json", is_flag=True, help="JSON instead of columns.")

    @command("links")
    @click.option("--account", "account_id", metavar="ID", help="Only the links of this account.")
    @page_option
    @json_option
    def links(account_id: str | None, page_id: str | None, as_json: bool) -> None:
        """List the links."""
        found: Iterable[Link] = linking.links_of(account_id) if account_id else linking.store.list_links()
        for link in found:
            if page_id in (None, link.page_id):
                click.echo(json.dumps(link.as_dict()) if as_json else _columns(link))

    @command("show")
    @click.argument("psid")
    @page_option
    @json_option
    def show(psid: str, page_id: str | None, as_json: bool) -> None:
        """Print one link. Exit status 1 when the PSID is not linked."""
        link = linking.link_of(psid, page_id)
        if link is None:
            click.echo(f"{_safe(psid)} is not linked", err=True)
            sys.exit(1)
        if as_json:
            click.echo(json.dumps(link.as_dict()))
            return
        for name, value in link.as_dict().items():
            click.echo(f"{name}: {_safe(value)}")

    @command("unlink")
    @click.argument("psid")
    @page_option
    def unlink(psid: str, page_id: str | None) -> None:
        """Unlink a PSID, here and then at Messenger."""
        if not linking.unlink(psid, page_id):
            click.echo(f"{_safe(psid)} is not linked", err=True)
            sys.exit(1)
        linking.delivery.drain()
        click.echo(f"{_safe(psid)} is unlinked", err=True)

    @command("erase")
    @click.argument("psid")
    @page_option
    def erase(psid: str, page_id: str | None) -> None:
        """Remove everything about a PSID."""
        rows = linking.erase(psid, page_id)
        click.echo(f"{rows} row(s) about {_safe(psid)} removed", err=True)

    @command("deliver")
    @click.option("--once", is_flag=True, help="Send what is due now, then stop.")
    def deliver(once: bool) -> None:
        """Run the delivery worker until it is stopped."""
        if once:
            click.echo(f"{linking.delivery.drain()} message(s) tried", err=True)
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: linking.delivery.stop(timeout=0))
        click.echo("delivering; stop with Ctrl-C", err=True)
        linking.delivery.run_forever()

    @command("dead-letters")
    @click.option("--retry", "entry_id", type=int, metavar="ID", help="Try this one again.")
    def dead_letters(entry_id: int | None) -> None:
        """Messages that could not be sent, and why."""
        if entry_id is not None:
            if not linking.store.retry_dead(entry_id, linking.now()):
                raise click.ClickException(f"there is no dead letter {entry_id}")
            click.echo(f"{entry_id} will be tried again", err=True)
            return
        for entry in linking.store.list_dead():
            since = from_ms(entry.dead_at or entry.created_at).isoformat(timespec="seconds")
            state = "dead" if entry.dead_at else "waits for another page token"
            line = (entry.id, since, entry.kind, entry.page_id, entry.psid, state, entry.last_error)
            click.echo("\t".join(map(_safe, line)))

    @command("check")
    def check() -> None:
        """Is everything set up? Each line says what is wrong and how to mend it."""
        from bot_linking.checkup import checkup

        failed = False
        for finding in checkup(linking.settings, linking.store, linking.now()):
            failed = failed or finding.state == "wrong"
            click.echo(f"{finding.state:5}  {finding.what}")
        sys.exit(1 if failed else 0)

    return [links, show, unlink, erase, deliver, dead_letters, check]


def _reporting(function: Callable[..., None]) -> Callable[..., None]:
    """Errors of ours as one line on stderr instead of a traceback."""

    @wraps(function)
    def command(*args: Any, **kwargs: Any) -> None:
        try:
            function(*args, **kwargs)
        except BotLinkingError as problem:
            raise click.ClickException(str(problem)) from None

    return command


def _columns(link: Link) -> str:
    values = link.as_dict()
    return "\t".join(_safe(values[name]) for name in _COLUMNS)


def _safe(value: object) -> str:
    """Text for a terminal: nothing in a name may move the cursor or end the line."""
    text = "-" if value is None else str(value)
    return "".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in text)
