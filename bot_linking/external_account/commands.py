"""`flask linking app|token|two-factor ...`: for operators of the ExternalAccount module.

A token or an `otpauth://` address stands alone on stdout; everything else goes to stderr.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from bot_linking.core.errors import BotLinkingError, ConfigurationError
from bot_linking.core.links import from_ms
from bot_linking.external_account import tokens
from bot_linking.external_account.following import LARGEST_USER_ID
from bot_linking.external_account.service import LONGEST_AGE_S, Service
from bot_linking.external_account.tokens import Token

_KEEP = "Keep it in a safe place: it cannot be shown again."
USER_ID = click.IntRange(0, LARGEST_USER_ID)


def commands(here: Callable[[], Service], with_context: Callable[..., Any]) -> list[click.Command]:
    """The commands; `here` finds the service when one runs, `with_context` gives it its app."""
    return [_app(here, with_context), _token(here, with_context), _two_factor(here, with_context)]


def _app(here: Callable[[], Service], with_context: Callable[..., Any]) -> click.Group:
    group = click.Group("app", help="Applications that may call the ExternalAccount module.")
    command = _commands_of(group, with_context)

    @command("create")
    @click.argument("app_key", metavar="APPKEY")
    @_expires_in(tokens.BACK_END_AGE_S)
    def create(app_key: str, expires_in: int) -> None:
        """Make an application and print its back end's token."""
        click.echo(here().create_app(app_key, expires_in=expires_in))
        click.echo(_KEEP, err=True)

    @command("token")
    @click.argument("app_key", metavar="APPKEY")
    @_expires_in(tokens.BACK_END_AGE_S)
    def token(app_key: str, expires_in: int) -> None:
        """Print another token for an application's back end, to replace one."""
        click.echo(here().create_token(app_key, None, tokens.BACK_END, expires_in=expires_in))
        click.echo(_KEEP, err=True)

    @command("list")
    def list_apps() -> None:
        """List the applications."""
        for app in here().accounts.list_apps():
            click.echo(f"{_safe(app.app_key)}\t{_time(app.created_at)}")

    return group


def _token(here: Callable[[], Service], with_context: Callable[..., Any]) -> click.Group:
    group = click.Group("token", help="Bearer tokens of the ExternalAccount module.")
    command = _commands_of(group, with_context)

    @command("create")
    @click.argument("app_key", metavar="APPKEY")
    @click.argument("user_id", metavar="USER_ID", type=USER_ID)
    @click.option(
        "--scope", "scopes", metavar="S", multiple=True, default=tokens.USER,
        help="accounts, bind or signin; several times for several. By default accounts and bind.",
    )  # fmt: skip
    @_expires_in(tokens.USER_AGE_S)
    def create(app_key: str, user_id: int, scopes: tuple[str, ...], expires_in: int) -> None:
        """Print a token that acts for a user."""
        try:
            wanted = tokens.read_scopes(scopes)
        except ValueError as problem:
            raise click.BadParameter(str(problem), param_hint="--scope") from None
        if not wanted:
            raise click.BadParameter("names no scope", param_hint="--scope")
        click.echo(here().create_token(app_key, user_id, wanted, expires_in=expires_in))
        click.echo(_KEEP, err=True)

    @command("list")
    def list_tokens() -> None:
        """List tokens: id, application, user, scopes, created, until. Not the tokens themselves."""
        for token in here().accounts.list_tokens(here().now()):
            click.echo("\t".join(map(_safe, _columns(token))))

    @command("revoke")
    @click.argument("token", metavar="ID", required=False)
    @click.option("--app", "app_key", metavar="APPKEY", help="Every token of this application.")
    @click.option("--user", "user_id", metavar="USER_ID", type=USER_ID, help="With --app: of this user only.")
    def revoke(token: str | None, app_key: str | None, user_id: int | None) -> None:
        """End a token by its id, in every process at once.

        Without an id the token itself is read from standard input, so that it is in no list of processes.
        """
        if app_key is not None:
            ended = here().accounts.revoke_tokens(app_key, user_id)
        else:
            ended = int(here().revoke(token or sys.stdin.readline().strip()))
        if not ended:
            raise click.ClickException("there is no such token")
        click.echo(f"{ended} token(s) ended", err=True)

    return group


def _two_factor(here: Callable[[], Service], with_context: Callable[..., Any]) -> click.Group:
    group = click.Group("two-factor", help="Two-factor sign-in of an application's users.")
    command = _commands_of(group, with_context)

    @command("enable")
    @click.argument("app_key", metavar="APPKEY")
    @click.argument("user_id", metavar="USER_ID", type=USER_ID)
    def enable(app_key: str, user_id: int) -> None:
        """Turn it on, or give a new secret: prints the otpauth:// address."""
        enrolment = here().enable_two_factor(app_key, user_id)
        click.echo(enrolment.address)
        if sys.stderr.isatty():
            _draw(enrolment.address)
        click.echo("Recovery codes, good once each:", err=True)
        for code in enrolment.recovery_codes:
            click.echo(f"  {code}", err=True)

    @command("disable")
    @click.argument("app_key", metavar="APPKEY")
    @click.argument("user_id", metavar="USER_ID", type=USER_ID)
    def disable(app_key: str, user_id: int) -> None:
        """Turn it off."""
        if not here().accounts.drop_second_factor(app_key, user_id):
            raise click.ClickException("two-factor sign-in is not on for this user")
        click.echo("two-factor sign-in is off", err=True)

    @command("recover")
    @click.argument("app_key", metavar="APPKEY")
    @click.argument("user_id", metavar="USER_ID", type=USER_ID)
    def recover(app_key: str, user_id: int) -> None:
        """Open it again after too many wrong codes, with a recovery code from standard input."""
        if app_key not in here().accounts.apps_with_second_factor(user_id):
            raise click.ClickException("two-factor sign-in is not on for this user")
        here().check_code(app_key, user_id, click.prompt("Recovery code", hide_input=True, err=True))
        click.echo("two-factor sign-in is open again", err=True)

    @command("rotate")
    def rotate() -> None:
        """Encrypt every secret with the newest key, so that the older ones may go."""
        click.echo(f"{here().accounts.reseal()} secret(s) encrypted with the newest key", err=True)

    return group


def _draw(address: str) -> None:
    """The address as a QR code on a terminal."""
    try:
        import segno
    except ImportError:
        click.echo("No QR code without segno: pip install 'bot-linking[external-account]'", err=True)
        return
    segno.make(address, error="m").terminal(out=sys.stderr, compact=True)


def _expires_in(default: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(
        "--expires-in", "expires_in", metavar="SECONDS", type=click.IntRange(1, LONGEST_AGE_S),
        default=default, show_default=True, help="How long it lives.",
    )  # fmt: skip


def _commands_of(
    group: click.Group, with_context: Callable[..., Any]
) -> Callable[[str], Callable[[Callable[..., None]], click.Command]]:
    """A decorator that puts commands into the group, whose errors are one line on stderr."""

    def command(name: str) -> Callable[[Callable[..., None]], click.Command]:
        def decorate(function: Callable[..., None]) -> click.Command:
            made = click.command(name)(with_context(_reporting(function)))
            group.add_command(made)
            return made

        return decorate

    return command


def _reporting(function: Callable[..., None]) -> Callable[..., None]:
    @wraps(function)
    def command(*args: Any, **kwargs: Any) -> None:
        try:
            function(*args, **kwargs)
        except (BotLinkingError, ConfigurationError) as problem:
            raise click.ClickException(str(problem)) from None

    return command


def _columns(token: Token) -> tuple[Any, ...]:
    until = _time(token.expires_at)
    return (
        token.id, token.app_key, token.user_id, ",".join(token.scopes), _time(token.created_at), until
    )  # fmt: skip


def _time(milliseconds: int) -> str:
    return from_ms(milliseconds).isoformat(timespec="seconds")


def _safe(value: object) -> str:
    """Text for a terminal: nothing in a name may move the cursor or end the line."""
    text = "-" if value is None else str(value)
    return "".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in text)
