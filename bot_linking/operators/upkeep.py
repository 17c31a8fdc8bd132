"""The commands `check` and `migrate`."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from bot_linking.core.errors import BotLinkingError
from bot_linking.core.ports.tallies import CHECK, CHECK_LOOKED, CHECK_WRONG, MINUTE_MS, TrafficCount
from bot_linking.operators.cli import Here, command, json_option, refuse_beside
from bot_linking.operators.terminal import is_terminal, paint, safe, say

if TYPE_CHECKING:
    from bot_linking.doors.findings import Finding

SAY_EVERY_S = 2.0
EVERY_S, MOST_EVERY_S = 60, 30 * 86_400
_COUNT = re.compile(r"\b[0-9]{1,9}\b")  # not an id
_MARKS = {"ok": ("✓", "green"), "wrong": ("✗", "red"), "note": ("!", "yellow")}


def commands(here: Here) -> list[click.Command]:
    """`check` and `migrate`."""
    return [_check(here), _migrate(here)]


def _check(here: Here) -> click.Command:
    @command("check", examples=("check", "check --watch --every 300"))
    @click.option(
        "--watch", is_flag=True, help="Go on, and say on stderr what goes wrong and what is well again."
    )
    @click.option(
        "--every",
        metavar="SECONDS",
        type=click.IntRange(1, MOST_EVERY_S),
        help="With --watch: 60 by default.",
    )
    @json_option
    def check(watch: bool, every: int | None, as_json: bool) -> None:
        """Is everything set up? Each line says what is wrong and how to mend it."""
        from bot_linking.operators.checkup import checkup

        if every is not None and not watch:
            raise click.UsageError("--every goes with --watch")
        if watch:
            refuse_beside("--watch", json=as_json)
            _watch(lambda: checkup(here), every or EVERY_S, note=lambda wrong: _note(here, wrong))
            return
        failed = False
        for finding in checkup(here, tell_left=_Left()):
            failed = failed or finding.state == "wrong"
            click.echo(json.dumps(finding._asdict()) if as_json else line_of(finding))
        sys.exit(1 if failed else 0)

    return check


def _note(here: Here, wrong: int) -> None:
    """Store what was found for the metric `bot_linking_check_wrong`. That the store is away is a finding."""
    with suppress(BotLinkingError):
        bot = here()
        minute = bot.linking.now() // MINUTE_MS * MINUTE_MS
        counts = {CHECK_LOOKED: 1, CHECK_WRONG: wrong}
        bot.store.add_tallies({}, {TrafficCount(minute, CHECK, each): n for each, n in counts.items()})


def _watch(look: Callable[[], Iterable[Finding]], every: int, *, note: Callable[[int], None]) -> None:
    """Say each thing that is wrong once, and once more when it is well again, until Ctrl-C."""
    known: dict[str, str] = {}
    with suppress(KeyboardInterrupt):
        say(f"checking every {every} s; stop with Ctrl-C")
        while True:
            found = [finding.what for finding in look() if finding.state == "wrong"]
            wrong = {_COUNT.sub("#", what): what for what in found}  # a number that changed is no news
            for news in wrong.keys() - known.keys():
                say(f"wrong  {wrong[news]}")
            for gone in known.keys() - wrong.keys():
                say(f"well again  {known[gone]}")
            known = wrong
            note(len(wrong))
            time.sleep(every)


class _Left:
    """Says on stderr how many pages are left, every two seconds while there are many."""

    def __init__(self) -> None:
        self._say_at = time.monotonic() + SAY_EVERY_S

    def __call__(self, left: int) -> None:
        if left and time.monotonic() >= self._say_at:
            self._say_at = time.monotonic() + SAY_EVERY_S
            say(f"{left} page(s) left to check")


def line_of(finding: Finding) -> str:
    """A finding with a coloured mark on a terminal that has one, with its state as a word elsewhere."""
    mark, colour = _MARKS[finding.state]
    if is_terminal() and _can_show_marks():
        return f"{paint(mark, colour)} {safe(finding.what)}"
    return f"{finding.state:5}  {safe(finding.what)}"


def _can_show_marks() -> bool:
    try:
        "".join(mark for mark, _ in _MARKS.values()).encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _migrate(here: Here) -> click.Command:
    @command("migrate", creates=True)
    def migrate() -> None:
        """Bring the store's tables up to date, and make them where there are none; so does the first use."""
        store = here().store
        applied = store.migrate()
        for step in applied:
            click.echo(step)
        say(f"{len(applied)} step(s) applied" if applied else "the store is up to date")
        for step in store.engine.opening.unknown:
            say(f"{step} is of a newer release: this one does not know it")

    return migrate
