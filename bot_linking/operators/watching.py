"""The commands `status` and `tail`, which show what every process does."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import click

from bot_linking.core.funnel_report import funnel_of
from bot_linking.operators.cli import Here, command, json_option
from bot_linking.operators.terminal import is_terminal, paint, print_one, safe, say, time_of

DAY_MS = 86_400_000
LOOK_BACK_MS = 10_000  # a transaction may commit so much later than the time in its rows
LOOK_EVERY_S = 1.0
MOST_AT_ONCE = 1000
_COLOURS = {"linked": "green", "changed": "yellow", "unlinked": "blue", "dead": "red"}

Event = dict[str, Any]


def commands(here: Here) -> list[click.Command]:
    """`status` and `tail`."""
    return [_status(here), _tail(here)]


def _status(here: Here) -> click.Command:
    @command("status", examples=("status", "status --json"))
    @json_option
    def status(as_json: bool) -> None:
        """How many people are linked, what happened in the last day, how many came to each stage of linking
        today, and what waits to be sent."""
        state = _state(here)
        if not as_json:
            state["funnel_today"] = ", ".join(f"{stage} {n}" for stage, n in state["funnel_today"].items())
        print_one(state, as_json=as_json)

    return status


def _state(here: Here) -> Event:
    installed = here()
    store, now = installed.store, installed.linking.now()
    outbox = store.outbox_depth()
    return {
        "links": store.count_links(),
        **{f"{name}_today": count for name, count in store.count_changes(now - DAY_MS).items()},
        "funnel_today": funnel_of(store, now, days=1)["stages"],
        "messages_waiting": outbox["depth"],
        "oldest_waiting_at": time_of(outbox["oldest"]),
        "messages_held": outbox["held"],
        "dead_letters": outbox["dead"],
        "pages": len(installed.pages.all()),
    }


def _tail(here: Here) -> click.Command:
    @command("tail", examples=("tail", "tail --json | jq .psid"))
    @json_option
    def tail(as_json: bool) -> None:
        """Print each link, change, unlink and dead letter as it happens, in whichever process.

        Ctrl-C ends it.
        """
        begun = here().linking.now()
        with suppress(KeyboardInterrupt):
            say("waiting for events; stop with Ctrl-C")
            for event in _events(here, begun):
                click.echo(json.dumps(event) if as_json else _line(event))

    return tail


def _events(here: Here, begun: int) -> Iterator[Event]:
    """What happens from the time `begun` on (ms), each event once."""
    installed = here()
    seen = dict[tuple[str, int], int]()
    while True:
        since = max(begun, installed.linking.now() - LOOK_BACK_MS)
        for key, at, event in _since(here, since):
            if key not in seen:
                seen[key] = at
                yield event
        seen = {key: at for key, at in seen.items() if at >= since}
        time.sleep(LOOK_EVERY_S)


def _since(here: Here, since: int) -> Iterator[tuple[tuple[str, int], int, Event]]:
    store = here().store
    for number, change in store.list_changes(since, MOST_AT_ONCE):
        at = int(change.at.timestamp() * 1000)
        account = change.account_after or change.account_before
        event = {"at": change.as_dict()["at"], "what": change.what, "page_id": change.page_id}
        yield ("change", number), at, event | {"psid": change.psid, "about": account, "source": change.source}
    for entry in store.list_deaths(since, MOST_AT_ONCE):
        event = {"at": time_of(entry.dead_at), "what": "dead", "page_id": entry.page_id}
        about = f"{entry.kind}: {entry.last_error}"
        yield (
            ("dead", entry.id),
            entry.dead_at or 0,
            event | {"psid": entry.psid, "about": about, "source": None},
        )


def _line(event: Event) -> str:
    if not is_terminal():
        return "\t".join(safe(value) for value in event.values())
    at, what, _, psid, about, source = event.values()
    words = [safe(at)[11:19], paint(f"{what:8}", _COLOURS[what]), safe(psid), safe(about)]
    return " ".join([*words, f"({safe(source)})"] if source else words)
