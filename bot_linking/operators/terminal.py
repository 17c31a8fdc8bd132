"""How every command writes: what a script would use on stdout, everything else on stderr.

A list is a table with a head on a terminal, lines of values with tabs between them in a pipe, and one JSON
object a line with `--json`. Colours and relative times are for a terminal alone; `NO_COLOR` turns the colours
off.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from io import TextIOWrapper, UnsupportedOperation
from itertools import islice
from typing import Any, Literal, NamedTuple

import click

from bot_linking.core.links import from_ms

LIMIT_ON_A_TERMINAL = 50
READ_AS = "utf-8-sig"  # UTF-8, which programs on Windows begin with a mark
_HARMLESS = re.compile(r"[+-]?[0-9 ().,/-]*")  # a phone number or an amount is no formula
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"))

Row = Mapping[str, Any]


class Column(NamedTuple):
    """A column of a list: the name of its value, its head on a terminal, and whether it may be cut there."""

    name: str
    head: str
    is_whole: bool = False


def open_missing() -> None:
    """Put the null device where Python has no standard stream, as a supervisor may start a program without
    one: what is written there goes nowhere, and what is read is at its end."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


def use_utf8() -> None:
    """Read and write UTF-8 where a file or a pipe stands in for the terminal, also on Windows, where it would
    be a code page: what one command prints, another reads. A terminal keeps its own encoding, and shows what
    that lacks as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            encoding = stream.encoding if stream.isatty() else "utf-8"
            stream.reconfigure(encoding=encoding, errors="backslashreplace")
    if isinstance(sys.stdin, TextIOWrapper) and not sys.stdin.isatty():
        with suppress(UnsupportedOperation):  # it was read from before
            sys.stdin.reconfigure(encoding=READ_AS, errors="replace")


def safe(value: object) -> str:
    """One line of text for a terminal: characters that move the cursor or end the line are replaced."""
    if value is None:
        return "-"
    text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return "".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in text)


def inert(text: str) -> str:
    """The text with a `'` before it where a spreadsheet would take it for a formula, or where `as_it_was`
    would take it for the result of this function."""
    return f"'{text}" if _FORMULA.match(text) and not _HARMLESS.fullmatch(text) else text


def as_it_was(text: str) -> str:
    """The text that `inert` was given."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def is_terminal() -> bool:
    """Whether a person reads what goes to stdout."""
    return sys.stdout.isatty()


def say(text: str) -> None:
    """Words for the operator, on stderr."""
    click.echo(safe(text), err=True)


def can_ask() -> bool:
    """Whether an operator can answer a question."""
    return sys.stdin.isatty()


@contextmanager
def reading_stdin() -> Iterator[None]:
    """In this `with` block bytes that are no UTF-8 end the command with one sentence, typed ones, too."""
    try:
        yield
    except UnicodeDecodeError:
        raise click.ClickException("stdin is not UTF-8 text") from None


def ask_hidden(text: str, *, default: str | None = None) -> str:
    """What the operator types and the terminal does not show. An empty answer is `default`; without one, the
    question comes again."""
    with reading_stdin():
        answer: str = click.prompt(text, default=default, hide_input=True, show_default=False, err=True)
        return answer


def ask(question: str, *, yes: bool) -> None:
    """Return only when the operator answers y, or has given `--yes`. Without a terminal nobody can answer:
    then the command ends with exit status 1 and names `--yes`."""
    if yes:
        return
    if not can_ask():
        hint = "Nothing was done: say --yes to do it without a question."
        raise click.ClickException(f"{safe(question)} {hint}")
    with reading_stdin():
        agreed = click.confirm(safe(question), err=True)
    if not agreed:
        raise click.ClickException("nothing was done")


class Bar:
    """A progress bar on stderr, where that is a terminal."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._bar: Any = None

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)

    def begin(self, length: int) -> None:
        """Draw the bar, for `length` steps."""
        if sys.stderr.isatty():
            self._bar = click.progressbar(length=length, label=self._label, file=sys.stderr)
            self._bar.__enter__()

    def advance(self, steps: int) -> None:
        """Draw `steps` more."""
        if self._bar is not None:
            self._bar.update(steps)


def time_of(milliseconds: int | None) -> str | None:
    """A time of the store in RFC 3339, for a script."""
    return None if milliseconds is None else from_ms(milliseconds).isoformat(timespec="seconds")


def how_long_ago(then: datetime, *, now: datetime | None = None) -> str:
    """A time as a person says it; the date after thirty days."""
    seconds = ((now or datetime.now(UTC)) - then).total_seconds()
    if abs(seconds) > 30 * 86_400:
        return then.date().isoformat()
    for size, unit in _UNITS:
        if (count := int(abs(seconds) // size)) > 0:
            text = f"{count} {unit}{'' if count == 1 else 's'}"
            return f"{text} ago" if seconds > 0 else f"in {text}"
    return "just now"


def print_rows(
    columns: Sequence[Column],
    rows: Iterable[Row],
    *,
    as_json: bool = False,
    limit: int | None = None,
    nothing: str = "nothing to show",
) -> None:
    """Print a list. Each row is a mapping of JSON values; a column named `at` or `..._at` is a time. `limit`
    is the largest number of rows, by default all in a pipe and 50 on a terminal. `nothing` is said on stderr
    for an empty list."""
    shown_at_most = limit if limit is not None else LIMIT_ON_A_TERMINAL if is_terminal() else None
    some = iter(rows)
    shown = islice(some, shown_at_most)
    if as_json:
        count = _print_each(shown, json.dumps)
    elif is_terminal():
        count = _draw(columns, list(shown))
    else:
        count = _print_each(shown, lambda row: "\t".join(inert(safe(row[c.name])) for c in columns))
    if not count:
        say(nothing)
    elif next(some, None) is not None:
        say(f"the first {count} are shown; --limit N shows more")


def print_one(row: Row, *, as_json: bool = False) -> None:
    """Print one thing: a JSON document, or a line for each value."""
    if as_json:
        click.echo(json.dumps(row))
        return
    for name, value in row.items():
        text = safe(value)
        if is_terminal() and _is_time(name) and value:
            text = f"{how_long_ago(datetime.fromisoformat(value))} ({text})"
        click.echo(f"{name}: {text}")


def paint(text: str, colour: str) -> str:
    """The text in a colour, where a terminal shows it."""
    return click.style(text, fg=colour) if has_colours() else text


def has_colours() -> bool:
    """Whether stdout shows colours, and the operator wants them (https://no-color.org)."""
    return is_terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _print_each(rows: Iterable[Row], line: Callable[[Row], str]) -> int:
    count = 0
    for row in rows:
        sys.stdout.write(line(row) + "\n")
        count += 1
    return count


def _draw(columns: Sequence[Column], rows: Sequence[Row]) -> int:
    """Print a table with a head, at most as wide as the terminal, without the columns in which no row has a
    value. Returns the number of rows."""
    if not rows:
        return 0
    columns = [column for column in columns if any(row[column.name] not in (None, "") for row in rows)]
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold" if has_colours() else "")
    for column in columns:
        table.add_column(column.head, no_wrap=column.is_whole, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(column.name, row[column.name])) for column in columns))
    colours: Literal["auto"] | None = "auto" if has_colours() else None
    console = Console(file=sys.stdout, color_system=colours, markup=False, emoji=False, highlight=False)
    console.print(table)
    return len(rows)


def _cell(name: str, value: object) -> str:
    return how_long_ago(datetime.fromisoformat(str(value))) if _is_time(name) and value else safe(value)


def _is_time(name: str) -> bool:
    return name == "at" or name.endswith("_at")
