"""Commands about messages: the delivery worker, and what could not be sent."""

from __future__ import annotations

import re
import signal
from datetime import UTC, datetime
from threading import Thread
from typing import TYPE_CHECKING

import click

from bot_linking.core.links import to_ms
from bot_linking.core.ports import OutboxEntry
from bot_linking.operators.cli import Here, command, json_option, limit_option, refuse_beside
from bot_linking.operators.terminal import Column, Row, print_rows, say, time_of

if TYPE_CHECKING:
    from bot_linking.installation import Installation

_LARGEST_ID = 2**63 - 1  # of a row, in every database
_AGO = re.compile(r"([0-9]{1,6})([smhd])")
_UNIT_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
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
    @command("deliver", examples=("deliver --threads 64",))
    @click.option("--once", is_flag=True, help="Send what is due now, then stop.")
    @click.option("--threads", type=click.IntRange(1, 256), help="Messages sent at the same time, at most.")
    def deliver(once: bool, threads: int | None) -> None:
        """Run the delivery worker until it is stopped. With --once the exit status is 1 when messages still
        wait afterwards, but for those that wait for their person to write."""
        delivery, store = here().delivery, here().store
        delivery.threads = threads or delivery.threads
        if once:
            say(f"{delivery.drain_side_by_side()} message(s) tried")
            if waiting := store.outbox_depth()["depth"] - store.count_waiting():
                raise click.ClickException(f"{waiting} message(s) still wait; see `flask linking check`")
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: Thread(target=delivery.stop).start())
        say("delivering; stop with Ctrl-C")
        delivery.run_forever()

    return deliver


def _dead_letters(here: Here) -> click.Command:
    @command("dead-letters", examples=("dead-letters --retry 17", "dead-letters --retry-all --since 2h"))
    @click.option(
        "--retry", "entry_id", type=click.IntRange(0, _LARGEST_ID), metavar="ID", help="Try this one again."
    )
    @click.option("--retry-all", is_flag=True, help="Try every dead one again.")
    @click.option("--reason", metavar="TEXT", help="With --retry-all: only those whose reason contains it.")
    @click.option("--since", metavar="TIME", help="With --retry-all: died since: 90m, 2h, 3d, or a date.")
    @limit_option
    @json_option
    def dead_letters(
        entry_id: int | None,
        retry_all: bool,
        reason: str | None,
        since: str | None,
        limit: int | None,
        as_json: bool,
    ) -> None:
        """Messages that were given up or wait, and why: `dead`; `waiting` for their person to write; `held`
        until the page or the app is mended."""
        if not retry_all and (reason is not None or since is not None):
            raise click.UsageError("--reason and --since go with --retry-all")
        if reason == "":  # a script's variable that is empty: every message would be meant
            raise click.BadParameter("is empty", param_hint="--reason")
        if retry_all:
            refuse_beside("--retry-all", retry=entry_id, limit=limit, json=as_json)
            _retry_all(here(), reason or "", since)
        elif entry_id is not None:
            refuse_beside("--retry", limit=limit, json=as_json)
            _retry(here(), entry_id)
        else:
            rows = map(_row, here().store.list_dead())
            print_rows(_DEAD, rows, as_json=as_json, limit=limit, nothing="there are no dead letters")

    return dead_letters


def _retry(installation: Installation, entry_id: int) -> None:
    if not installation.store.retry_dead(entry_id, installation.linking.now()):
        raise click.ClickException(f"there is no dead letter {entry_id}")
    installation.delivery.wake()
    say(f"{entry_id} will be tried again")


def _retry_all(installation: Installation, reason: str, since: str | None) -> None:
    now = installation.linking.now()
    died_since = 0 if since is None else _moment_of(since, now)
    count = installation.store.retry_all_dead(now, reason=reason, since=died_since)
    installation.delivery.wake()
    say(f"{count} message(s) will be tried again")


def _moment_of(text: str, now: int) -> int:
    """The time that an operator gave, in ms: `2h` ago, or a date with or without a time, in UTC."""
    if ago := _AGO.fullmatch(text.strip()):
        return now - int(ago[1]) * _UNIT_MS[ago[2]]
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise click.BadParameter("is neither a time like 2h nor a date", param_hint="--since") from None
    return to_ms(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _row(entry: OutboxEntry) -> Row:
    return {
        "id": entry.id,
        "since_at": time_of(entry.dead_at or entry.created_at),
        "kind": entry.kind,
        "page_id": entry.page_id,
        "psid": entry.psid,
        "state": entry.state,
        "reason": entry.last_error,
    }
