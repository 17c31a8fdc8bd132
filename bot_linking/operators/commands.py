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
from threading import Thread
from typing import TYPE_CHECKING, Any

import click
from flask.cli import with_appcontext

from bot_linking.account_link_api.keys import Keys
from bot_linking.core.errors import BotLinkingError
from bot_linking.core.events import EventIgnored
from bot_linking.core.history import Change
from bot_linking.core.identifiers import Identifiers
from bot_linking.core.links import Link, from_ms
from bot_linking.core.reading import read_id

if TYPE_CHECKING:
    from bot_linking.installation import Installation

DELIVER_WITHIN_S = 5.0  # what is left goes out with the next worker
_COLUMNS = ("page_id", "psid", "account_id", "username", "email", "phone_number", "source", "updated_at")

_HISTORY_COLUMNS = (
    "at", "page_id", "psid", "door", "what", "account_before", "account_after", "identifiers",
    "key_id", "request_id", "meta",
)  # fmt: skip


def commands(here: Callable[[], Installation]) -> list[click.Command]:
    """The commands; `here` finds the installation of the app when one runs."""

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
        """List the links; with --json one object a line."""
        found: Iterable[Link] = (
            here().linking.links_of(account_id) if account_id else here().store.list_links()
        )
        for link in found:
            if page_id in (None, link.page_id):
                click.echo(json.dumps(link.as_dict()) if as_json else _columns(link))

    @command("show")
    @click.argument("psid")
    @page_option
    @json_option
    def show(psid: str, page_id: str | None, as_json: bool) -> None:
        """Print one link. Exit status 1 when the PSID is not linked."""
        link = here().linking.link_of(psid, page_id)
        if link is None:
            click.echo(f"{_safe(psid)} is not linked", err=True)
            sys.exit(1)
        if as_json:
            click.echo(json.dumps(link.as_dict()))
            return
        for name, value in link.as_dict().items():
            click.echo(f"{name}: {_safe(value)}")

    @command("link")
    @click.argument("psid")
    @click.option("--username", help="The account's user name.")
    @click.option("--email", help="The account's e-mail address.")
    @click.option("--phone", "phone_number", help="The account's phone number.")
    @page_option
    def link(
        psid: str, username: str | None, email: str | None, phone_number: str | None, page_id: str | None
    ) -> None:
        """Link a PSID to an account, or add to what it is known by."""
        if read_id(psid) is None:
            raise click.BadParameter("is not a PSID", param_hint="PSID")
        given = Identifiers(username, email, phone_number)
        outcome = here().linking.bind(psid, given, page_id, source="cli")
        if isinstance(outcome, EventIgnored):
            click.echo(f"{_safe(psid)} is linked so already", err=True)
            return
        here().delivery.drain(within=DELIVER_WITHIN_S)
        click.echo(f"{_safe(psid)} is linked", err=True)

    @command("history")
    @click.argument("psid")
    @page_option
    @json_option
    def history(psid: str, page_id: str | None, as_json: bool) -> None:
        """Every change of a PSID's link: when, through which door, from what, to what."""
        for change in here().linking.history_of(psid, page_id):
            click.echo(json.dumps(change.as_dict()) if as_json else _history_line(change))

    @command("unlink")
    @click.argument("psid")
    @page_option
    def unlink(psid: str, page_id: str | None) -> None:
        """Unlink a PSID, here and then at Messenger."""
        if not here().linking.unlink(psid, page_id, source="cli"):
            click.echo(f"{_safe(psid)} is not linked", err=True)
            sys.exit(1)
        here().delivery.drain(within=DELIVER_WITHIN_S)
        click.echo(f"{_safe(psid)} is unlinked", err=True)

    @command("erase")
    @click.argument("psid")
    @page_option
    def erase(psid: str, page_id: str | None) -> None:
        """Remove everything about a PSID."""
        rows = here().linking.erase(psid, page_id)
        click.echo(f"{rows} row(s) about {_safe(psid)} removed", err=True)

    @command("deliver")
    @click.option("--once", is_flag=True, help="Send what is due now, then stop.")
    def deliver(once: bool) -> None:
        """Run the delivery worker until it is stopped. With --once the exit status is 1 when messages still
        wait afterwards."""
        if once:
            click.echo(f"{here().delivery.drain()} message(s) tried", err=True)
            if waiting := here().store.outbox_depth()["depth"]:
                raise click.ClickException(f"{waiting} message(s) still wait; see `flask linking check`")
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: Thread(target=here().delivery.stop).start())
        click.echo("delivering; stop with Ctrl-C", err=True)
        here().delivery.run_forever()

    @command("dead-letters")
    @click.option("--retry", "entry_id", type=int, metavar="ID", help="Try this one again.")
    def dead_letters(entry_id: int | None) -> None:
        """Messages that could not be sent, and why."""
        if entry_id is not None:
            if not here().store.retry_dead(entry_id, here().linking.now()):
                raise click.ClickException(f"there is no dead letter {entry_id}")
            click.echo(f"{entry_id} will be tried again", err=True)
            return
        for entry in here().store.list_dead():
            since = from_ms(entry.dead_at or entry.created_at).isoformat(timespec="seconds")
            state = "dead" if entry.dead_at else "waits for another page token"
            line = (entry.id, since, entry.kind, entry.page_id, entry.psid, state, entry.last_error)
            click.echo("\t".join(map(_safe, line)))

    @command("migrate")
    def migrate() -> None:
        """Bring the store's tables up to date. Opening the store does so too: here it says what it did."""
        applied = here().store.engine.applied
        for step in applied:
            click.echo(step)
        click.echo(f"{len(applied)} step(s) applied" if applied else "the store is up to date", err=True)

    @command("check")
    def check() -> None:
        """Is everything set up? Each line says what is wrong and how to mend it."""
        from bot_linking.operators.checkup import checkup

        failed = False
        for finding in checkup(here().settings, here().store, here().linking.now()):
            failed = failed or finding.state == "wrong"
            click.echo(f"{finding.state:5}  {_safe(finding.what)}")
        sys.exit(1 if failed else 0)

    @click.group("api-key")
    def api_key() -> None:
        """Keys of the account_link API: create, list, revoke."""

    @command("create")
    @click.argument("name")
    @click.option("--page", "pages", metavar="ID", multiple=True, help="Only for this page; may be repeated.")
    def create(name: str, pages: tuple[str, ...]) -> None:
        """Make a key and print it, this once."""
        served = {page.id for page in here().settings.pages} - {None}
        if unknown := [page for page in pages if read_id(page) is None or (served and page not in served)]:
            raise click.BadParameter(f"{_safe(unknown[0])} is not a page of this bot", param_hint="--page")
        click.echo(Keys(here().linking).create(name, pages))
        click.echo("Keep it in a safe place: it cannot be shown again.", err=True)

    @command("list")
    @json_option
    def list_keys(as_json: bool) -> None:
        """List the keys: name, id, pages, created, last used, revoked. Not the keys themselves."""
        for key in Keys(here().linking).list():
            times = [_time(moment) for moment in (key.created_at, key.last_used_at, key.revoked_at)]
            if as_json:
                names = ("created_at", "last_used_at", "revoked_at")
                shown = {"name": key.name, "id": key.id, "pages": key.pages}
                click.echo(json.dumps(shown | dict(zip(names, times, strict=True))))
            else:
                pages = ",".join(key.pages) or "every page"
                click.echo("\t".join(map(_safe, (key.name, key.id, pages, *times))))

    @command("revoke")
    @click.argument("name")
    def revoke(name: str) -> None:
        """End a key, in every process at once."""
        if not Keys(here().linking).revoke(name):
            raise click.ClickException(f"there is no active key named {_safe(name)}")
        click.echo(f"{_safe(name)} is revoked", err=True)

    for subcommand in (create, list_keys, revoke):
        api_key.add_command(subcommand)
    return [links, show, link, unlink, history, erase, api_key, deliver, dead_letters, migrate, check]


def _reporting(function: Callable[..., None]) -> Callable[..., None]:
    """Errors of ours as one line on stderr instead of a traceback."""

    @wraps(function)
    def command(*args: Any, **kwargs: Any) -> None:
        try:
            function(*args, **kwargs)
        except BotLinkingError as problem:
            raise click.ClickException(_safe(problem)) from None

    return command


def _history_line(change: Change) -> str:
    values = change.as_dict()
    values["identifiers"] = ",".join(change.identifiers) or None
    return "\t".join(_safe(values[name]) for name in _HISTORY_COLUMNS)


def _time(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else from_ms(milliseconds).isoformat(timespec="seconds")


def _columns(link: Link) -> str:
    values = link.as_dict()
    return "\t".join(_safe(values[name]) for name in _COLUMNS)


def _safe(value: object) -> str:
    """Text for a terminal: nothing in a name may move the cursor or end the line."""
    text = "-" if value is None else str(value)
    return "".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in text)
