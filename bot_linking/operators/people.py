"""Commands about people: their links, what happened to them, and ending or erasing them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence

import click

from bot_linking.core.conflicts import CANNOT_ASK, Consent
from bot_linking.core.events import EventIgnored, LinkingRefused, MessageFailed
from bot_linking.core.identifiers import Identifiers
from bot_linking.core.links import Link
from bot_linking.operators.cli import (
    Here,
    command,
    json_option,
    limit_option,
    page_option,
    refuse_beside,
    refuse_if_no_psid,
    refuse_if_not_served,
    yes_option,
)
from bot_linking.operators.terminal import Column, ask, print_one, print_rows, safe, say
from bot_linking.signals import message_failed

_UNKNOWN_PERSON = re.compile(r"\bcode 100, subcode (?:33|2018001)\b")
REFUSALS = {
    "conflict_refused": "the person is linked to another account, and on_conflict refuses to replace it",
    "conflict_not_agreed": "the person is linked to another account; --replace puts this one in its place",
    "pair_barred": "the link of this person to this account was undone within a day",
}
DELIVER_WITHIN_S = 5.0  # what is left goes out with the next worker

_LINK = (
    Column("page_id", "PAGE", is_whole=True),
    Column("psid", "PSID", is_whole=True),
    Column("account_id", "ACCOUNT"),
    Column("username", "USER NAME"),
    Column("email", "E-MAIL"),
    Column("phone_number", "PHONE"),
    Column("source", "SOURCE"),
    Column("updated_at", "CHANGED"),
)
_CHANGE = (
    Column("at", "WHEN"),
    Column("page_id", "PAGE", is_whole=True),
    Column("psid", "PSID", is_whole=True),
    Column("source", "SOURCE"),
    Column("what", "WHAT"),
    Column("account_before", "BEFORE"),
    Column("account_after", "AFTER"),
    Column("identifiers", "CHANGED"),
    Column("key_id", "KEY"),
    Column("request_id", "REQUEST"),
    Column("meta", "META"),
)


def commands(here: Here) -> list[click.Command]:
    """`links`, `show`, `link`, `unlink`, `history`, `erase`."""
    return [
        _links(here),
        _show(here),
        _link(here),
        _unlink(here),
        _history(here),
        _erase(here),
    ]


def _links(here: Here) -> click.Command:
    @command("links", examples=("links --account 7", "links --json | jq .psid"))
    @click.option("--account", "account_id", metavar="ID", help="Only the links of this account.")
    @page_option
    @limit_option
    @json_option
    def links(account_id: str | None, page_id: str | None, limit: int | None, as_json: bool) -> None:
        """List the links; with --json one object a line."""
        installed = here()
        of_account = None if account_id is None else installed.linking.links_of(account_id)
        found: Iterable[Link] = installed.store.list_links() if of_account is None else of_account
        rows = (link.as_dict() for link in found if page_id in (None, link.page_id))
        nothing = no_links(is_filtered=account_id is not None or page_id is not None)
        print_rows(_LINK, rows, as_json=as_json, limit=limit, nothing=nothing)

    return links


def no_links(*, is_filtered: bool) -> str:
    """What is said of an empty list of links, of which a filter may have left out all."""
    return "no such link" if is_filtered else "nobody is linked"


def _show(here: Here) -> click.Command:
    @command("show")
    @click.argument("psid")
    @page_option
    @json_option
    def show(psid: str, page_id: str | None, as_json: bool) -> None:
        """Print one link. Exit status 1 when the PSID is not linked."""
        link = here().linking.link_of(psid, page_id)
        if link is None:
            say(f"{psid} is not linked")
            sys.exit(1)
        print_one(link.as_dict(), as_json=as_json)

    return show


def _link(here: Here) -> click.Command:
    @command("link", creates=True, examples=("link 24680135791357 --email ada@example.com",))
    @click.argument("psid")
    @click.option("--username", help="The account's user name.")
    @click.option("--email", help="The account's e-mail address.")
    @click.option("--phone", "phone_number", help="The account's phone number.")
    @click.option("--replace", is_flag=True, help="Where on_conflict would ask, this account it is.")
    @page_option
    def link(
        psid: str,
        username: str | None,
        email: str | None,
        phone_number: str | None,
        replace: bool,
        page_id: str | None,
    ) -> None:
        """Link a PSID to an account, or add to what it is known by."""
        refuse_if_no_psid(psid)
        if page_id is not None:
            refuse_if_not_served(here, page_id)
        given = Identifiers(username, email, phone_number)
        consent = CANNOT_ASK if replace else Consent()
        outcome = here().linking.bind(psid, given, page_id, source="cli", consent=consent)
        if isinstance(outcome, LinkingRefused):
            raise click.ClickException(REFUSALS.get(outcome.reason, outcome.reason))
        if isinstance(outcome, EventIgnored):
            say(f"{psid} is linked so already")
            return
        say(_linked(psid, _failures(here, psid)))

    return link


def _failures(here: Here, psid: str) -> list[MessageFailed]:
    """Send what is due, and return the failures of this person's messages."""
    failed: list[MessageFailed] = []

    def hear(_app: object, event: MessageFailed) -> None:
        if event.psid == psid:
            failed.append(event)

    with message_failed.connected_to(hear, sender=here().app):
        here().delivery.drain(within=DELIVER_WITHIN_S)
    return failed


def _linked(psid: str, failed: Sequence[MessageFailed]) -> str:
    if not failed:
        return f"{psid} is linked"
    if not failed[-1].dead:
        return f"{psid} is linked; the confirmation waits until Messenger takes it: {failed[-1].reason}"
    if _UNKNOWN_PERSON.search(failed[-1].reason):
        why = "Messenger knows nobody by that PSID"
    else:
        why = f"Messenger refused it ({failed[-1].reason})"
    return f"{psid} is linked here; {why}, so no confirmation was sent"


def _unlink(here: Here) -> click.Command:
    @command("unlink")
    @click.argument("psid")
    @page_option
    def unlink(psid: str, page_id: str | None) -> None:
        """Unlink a PSID, here and then at Messenger."""
        if not here().linking.unlink(psid, page_id, source="cli"):
            say(f"{psid} is not linked")
            sys.exit(1)
        here().delivery.drain(within=DELIVER_WITHIN_S)
        say(f"{psid} is unlinked")

    return unlink


def _history(here: Here) -> click.Command:
    @command("history")
    @click.argument("psid")
    @page_option
    @limit_option
    @json_option
    def history(psid: str, page_id: str | None, limit: int | None, as_json: bool) -> None:
        """Every change of a PSID's link: when, who made it, from what, to what."""
        rows = (change.as_dict() for change in here().linking.history_of(psid, page_id))
        print_rows(_CHANGE, rows, as_json=as_json, limit=limit, nothing=f"{safe(psid)} has no history")

    return history


def _erase(here: Here) -> click.Command:
    @command("erase", examples=("erase 24680135791357", "erase --account 7 --yes"))
    @click.argument("psid", required=False)
    @click.option("--account", "account_id", metavar="ID", help="Everybody who is linked to this account.")
    @page_option
    @yes_option
    def erase(psid: str | None, account_id: str | None, page_id: str | None, yes: bool) -> None:
        """Remove everything about a PSID, or about everybody linked to an account.

        Says first what goes, and asks. In a pipe there is no one to ask: there it wants --yes.
        """
        linking = here().linking
        if (psid is None) == (account_id is None):
            raise click.UsageError("name either a PSID or an account with --account")
        if psid is not None:
            refuse_if_no_psid(psid)
            ask(f"{_held(linking.store.export(page_id, psid), psid)} Erase it?", yes=yes)
            rows = linking.erase(psid, page_id)
        else:
            refuse_beside("--account", page=page_id)
            if not account_id:
                raise click.BadParameter("is empty", param_hint="--account")
            chats = ", ".join(link.psid for link in linking.links_of(account_id)) or "nobody"
            ask(f"Account {account_id} is linked to {chats}. Erase everything about them?", yes=yes)
            rows = linking.erase_account(account_id)
        say(f"{rows} row(s) about {psid or account_id} removed")

    return erase


def _held(tables: Mapping[str, Sequence[object]], psid: str) -> str:
    """How many rows of which table are about a person, in a sentence."""
    held = [f"{len(rows)} of {name}" for name, rows in tables.items() if rows]
    return f"About {psid} this is held: {', '.join(held)}." if held else f"Nothing is held about {psid}."
