"""Commands about messages: the delivery worker, and what could not be sent."""

from __future__ import annotations

import signal
from threading import Thread

import click

from bot_linking.core.ports import OutboxEntry
from bot_linking.operators.cli import Here, command, json_option, limit_option
from bot_linking.operators.terminal import Column, Row, print_rows, say, time_of

_DEAD = (
    Column("id", "ID", is_whole=True),
    Column("since_at", "SINCE"),
    Column("kind", "KIND"),
    Column("page_id", "PAGE", is_whole=True),
    Column("psid", "PSID", is_whole=True),
    Column("state", "STATE"),
    Column("reason", "REASON"),
)


def commands(here: Here) -> list[click.Command]:
    """`deliver` and `dead-letters`."""
    return [_deliver(here), _dead_letters(here)]


def _deliver(here: Here) -> click.Command:
    @command("deliver")
    @click.option("--once", is_flag=True, help="Send what is due now, then stop.")
    def deliver(once: bool) -> None:
        """Run the delivery worker until it is stopped. With --once the exit status is 1 when messages still
        wait afterwards."""
        if once:
            say(f"{here().delivery.drain()} message(s) tried")
            if waiting := here().store.outbox_depth()["depth"]:
                raise click.ClickException(f"{waiting} message(s) still wait; see `flask linking check`")
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: Thread(target=here().delivery.stop).start())
        say("delivering; stop with Ctrl-C")
        here().delivery.run_forever()

    return deliver


def _dead_letters(here: Here) -> click.Command:
    @command("dead-letters", examples=("dead-letters --retry 17",))
    @click.option("--retry", "entry_id", type=int, metavar="ID", help="Try this one again.")
    @limit_option
    @json_option
    def dead_letters(entry_id: int | None, limit: int | None, as_json: bool) -> None:
        """Messages that could not be sent, and why."""
        if entry_id is not None:
            if not here().store.retry_dead(entry_id, here().linking.now()):
                raise click.ClickException(f"there is no dead letter {entry_id}")
            say(f"{entry_id} will be tried again")
            return
        rows = map(_row, here().store.list_dead())
        print_rows(_DEAD, rows, as_json=as_json, limit=limit, nothing="there are no dead letters")

    return dead_letters


def _row(entry: OutboxEntry) -> Row:
    return {
        "id": entry.id,
        "since_at": time_of(entry.dead_at or entry.created_at),
        "kind": entry.kind,
        "page_id": entry.page_id,
        "psid": entry.psid,
        "state": "dead" if entry.dead_at else "waits for another page token",
        "reason": entry.last_error,
    }
