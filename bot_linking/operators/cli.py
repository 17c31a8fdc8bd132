"""How a function becomes a command: its app's context, its section of the help, its errors as one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from functools import wraps
from typing import TYPE_CHECKING, Any

import click
from flask.cli import AppGroup, with_appcontext

from bot_linking.core.errors import BotLinkingError, ConfigurationError
from bot_linking.core.reading import is_unicode, read_id
from bot_linking.operators.terminal import open_missing, safe, use_utf8
from bot_linking.stores.opening import only_looking

if TYPE_CHECKING:
    from bot_linking.installation import Installation

Here = Callable[[], "Installation"]  # of the app whose command runs
SECTIONS = ("People", "Messages", "Pages, keys and applications", "Set-up", "The store")

page_option = click.option("--page", "page_id", metavar="ID", help="Where several pages are served.")
json_option = click.option("--json", "as_json", is_flag=True, help="JSON instead of columns.")
limit_option = click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(1, sys.maxsize),
    help="At most so many. All in a pipe, 50 on a terminal.",
)
yes_option = click.option("--yes", is_flag=True, help="Do it without asking.")


class _Prepared(click.Command):
    """A command or a group whose standard streams are ready before a help text is printed or a file is
    opened, both of which click does first."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        open_missing()
        use_utf8()
        with _files_reported():
            return super().make_context(*args, **kwargs)


class Command(_Prepared):
    """A command that knows its section of the help, shows examples and knows whether it makes a database."""

    section = ""
    creates = False  # whether it may make the app's database where it is missing

    def invoke(self, ctx: click.Context) -> Any:
        """Run it, unless an argument has bytes that are no text: no store could look for it."""
        for parameter in self.params:
            given = ctx.params.get(str(parameter.name))
            if isinstance(given, str | os.PathLike) and not is_unicode(os.fspath(given)):
                raise click.BadParameter("is not Unicode text", ctx, parameter)
        return super().invoke(ctx)


class Commands(MutableMapping[str, click.Command]):
    """Commands by name. Those of `make` are made when a command is first looked for: a server's start needs
    none. It is always true, as Flask leaves out a group without commands."""

    def __init__(self, make: Callable[[], Iterable[click.Command]]) -> None:
        self._make = make
        self._added: dict[str, click.Command] = {}
        self._is_made = False

    def _all(self) -> dict[str, click.Command]:
        if not self._is_made:
            made = {str(each.name): each for each in self._make()}
            self._added, self._is_made = made | self._added, True
        return self._added

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, name: str) -> click.Command:
        return self._all()[name]

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._added[name] = command

    def __delitem__(self, name: str) -> None:
        del self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())


class LinkingGroup(_Prepared, AppGroup):
    """`flask linking`: its help lists the commands by section, each with its whole summary."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        known = {name: self.commands[name] for name in self.list_commands(ctx)}
        for section in (*SECTIONS, ""):
            rows = [
                (name, command.get_short_help_str(limit=500))
                for name, command in known.items()
                if getattr(command, "section", "") == section and not command.hidden
            ]
            if rows:
                with formatter.section(section or "More"):
                    formatter.write_dl(rows)


class _Group(_Prepared, click.Group):
    """A command with commands of its own."""


def command(
    name: str, *, examples: Sequence[str] = (), creates: bool = False
) -> Callable[[Callable[..., None]], Command]:
    """A decorator that makes a command of a function. It runs in the app's context; an error of ours is one
    line on stderr and exit status 1. `examples` are command lines without `flask linking`. Only a command
    with `creates` may make the app's database where it is missing."""

    def decorate(function: Callable[..., None]) -> Command:
        lines = "\n".join(f"  flask linking {example}" for example in examples)
        made = click.command(name, cls=Command, epilog=f"\b\nExamples:\n{lines}" if examples else None)
        done = made(with_appcontext(reporting(function if creates else only_looking()(function))))
        done.creates = creates
        return done

    return decorate


def refuse_beside(option: str, **ignored: object) -> None:
    """Wrong usage where one of these options is given, too: `option` would ignore it."""
    for name, value in ignored.items():
        if value is not None and value is not False:
            raise click.UsageError(f"--{name} does not go with {option}")


def refuse_if_not_served(here: Here, page_id: str) -> None:
    """Wrong usage where this page is not one of the bot's. For a command that stores something for it: one
    that looks or removes takes a page of former days, too."""
    if read_id(page_id) is None or not here().pages.serves(page_id):
        raise click.BadParameter(f"{safe(page_id)} is not a page of this bot", param_hint="--page")


def refuse_if_no_psid(psid: str) -> None:
    """Wrong usage where this text cannot be a PSID."""
    if read_id(psid) is None:
        raise click.BadParameter("is not a PSID", param_hint="PSID")


def under(section: str, commands: Sequence[click.Command]) -> list[click.Command]:
    """Put the commands under this section of the help, and return them."""
    assert section in SECTIONS
    for each in commands:
        each.section = section  # type: ignore[attr-defined]
    return list(commands)


def group(name: str, text: str, commands: Sequence[click.Command]) -> click.Group:
    """A command with commands of its own."""
    made = _Group(name, help=text)
    for each in commands:
        made.add_command(each)
    return made


def reporting(function: Callable[..., None]) -> Callable[..., None]:
    """Wrap a function: an error of ours, or of a file, becomes one line on stderr and exit status 1."""

    @wraps(function)
    def command(*args: Any, **kwargs: Any) -> None:
        try:
            with _files_reported():
                try:
                    function(*args, **kwargs)
                finally:
                    sys.stdout.flush()  # at the process's end nobody could report that it failed
        except ConfigurationError as problem:
            for sentence in problem.problems:
                click.echo(f"Error: {safe(sentence)}", err=True)
            sys.exit(1)
        except BotLinkingError as problem:
            raise click.ClickException(safe(problem)) from None

    return command


@contextmanager
def _files_reported() -> Iterator[None]:
    """An error of a file, the output's too, becomes one line on stderr and exit status 1."""
    try:
        yield
    except BrokenPipeError:  # whoever read the output has enough: click ends the process
        raise
    except OSError as problem:
        if problem.filename is None:
            _write_no_more()
        what = safe(problem.filename or "the output")
        raise click.ClickException(f"{what}: {problem.strerror or problem}") from None


def _write_no_more() -> None:
    """Send what is left of the output nowhere: Python would try once more at the end, and fail in its own
    words."""
    with suppress(OSError):  # an output without a file
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, sys.stdout.fileno())
        finally:
            os.close(nowhere)
