"""`flask linking app|token|two-factor ...`: for operators of the ExternalAccount module.

A token or an `otpauth://` address is alone on stdout; all other output goes to stderr.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import click

from bot_linking.external_account import tokens
from bot_linking.external_account.link_mirror import LARGEST_USER_ID
from bot_linking.external_account.service import LONGEST_AGE_S, Service
from bot_linking.external_account.tokens import Token
from bot_linking.operators.cli import command, group, json_option, limit_option, under
from bot_linking.operators.terminal import Column, Row, ask_hidden, print_rows, reading_stdin, say, time_of

Here = Callable[[], Service]

_KEEP = "Keep it in a safe place: it cannot be shown again."
_APPS = (Column("app_key", "APPLICATION"), Column("created_at", "CREATED"))
_TOKENS = (
    Column("id", "ID", is_whole=True),
    Column("app_key", "APPLICATION"),
    Column("user_id", "USER", is_whole=True),
    Column("scopes", "SCOPES"),
    Column("created_at", "CREATED"),
    Column("expires_at", "UNTIL"),
)
USER_ID = click.IntRange(0, LARGEST_USER_ID)


def commands(here: Here) -> list[click.Command]:
    """The commands. `here` returns the service of the current app."""
    apps = [_create_app(here), _create_back_end_token(here), _list_apps(here)]
    of_users = [_create_token(here), _list_tokens(here), _revoke(here)]
    factors = [_enable(here), _disable(here), _recover(here), _rotate(here)]
    made = [
        group("app", "Applications that may call the ExternalAccount module.", apps),
        group("token", "Bearer tokens of the ExternalAccount module.", of_users),
        group("two-factor", "Two-factor sign-in of an application's users.", factors),
    ]
    return under("Pages, keys and applications", made)


def _expires_in(default: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(
        "--expires-in",
        "expires_in",
        metavar="SECONDS",
        type=click.IntRange(1, LONGEST_AGE_S),
        default=default,
        show_default=True,
        help="How long it lives.",
    )


def _create_app(here: Here) -> click.Command:
    @command("create", creates=True, examples=("app create shop",))
    @click.argument("app_key", metavar="APPKEY")
    @_expires_in(tokens.BACK_END_AGE_S)
    def create(app_key: str, expires_in: int) -> None:
        """Make an application and print its back end's token."""
        click.echo(here().create_app(app_key, expires_in=expires_in))
        say(_KEEP)

    return create


def _create_back_end_token(here: Here) -> click.Command:
    @command("token")
    @click.argument("app_key", metavar="APPKEY")
    @_expires_in(tokens.BACK_END_AGE_S)
    def token(app_key: str, expires_in: int) -> None:
        """Print another token for an application's back end, to replace one."""
        click.echo(here().create_token(app_key, None, tokens.BACK_END, expires_in=expires_in))
        say(_KEEP)

    return token


def _list_apps(here: Here) -> click.Command:
    @command("list")
    @limit_option
    @json_option
    def list_apps(limit: int | None, as_json: bool) -> None:
        """List the applications."""
        found = here().apps.list_apps()
        rows = ({"app_key": app.app_key, "created_at": time_of(app.created_at)} for app in found)
        print_rows(_APPS, rows, as_json=as_json, limit=limit, nothing="there are no applications")

    return list_apps


def _create_token(here: Here) -> click.Command:
    @command("create", examples=("token create shop 7 --scope accounts",))
    @click.argument("app_key", metavar="APPKEY")
    @click.argument("user_id", metavar="USER_ID", type=USER_ID)
    @click.option(
        "--scope",
        "scopes",
        metavar="S",
        multiple=True,
        default=tokens.USER,
        help="accounts, bind or signin; several times for several. By default accounts and bind.",
    )
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
        say(_KEEP)

    return create


def _list_tokens(here: Here) -> click.Command:
    @command("list")
    @limit_option
    @json_option
    def list_tokens(limit: int | None, as_json: bool) -> None:
        """List tokens: id, application, user, scopes, created, until. Not the tokens themselves."""
        rows = map(_token_row, here().apps.list_tokens(here().now()))
        print_rows(_TOKENS, rows, as_json=as_json, limit=limit, nothing="there are no tokens")

    return list_tokens


def _revoke(here: Here) -> click.Command:
    @command("revoke", examples=("token revoke --app shop --user 7",))
    @click.argument("token", metavar="[ID]", required=False)
    @click.option("--app", "app_key", metavar="APPKEY", help="Every token of this application.")
    @click.option("--user", "user_id", metavar="USER_ID", type=USER_ID, help="With --app: of this user only.")
    def revoke(token: str | None, app_key: str | None, user_id: int | None) -> None:
        """End a token by its id, in every process at once.

        Without an id the token itself is read from standard input, so that it is in no list of processes.
        """
        if app_key is not None:
            if token is not None:
                raise click.UsageError("name either a token's ID or an application with --app")
            ended = here().apps.revoke_tokens(app_key, user_id)
        else:
            if user_id is not None:
                raise click.UsageError("--user goes with --app")
            with reading_stdin():
                given = token or sys.stdin.readline().strip()
            ended = int(here().revoke(given))
        if not ended:
            raise click.ClickException("there is no such token")
        say(f"{ended} token(s) ended")

    return revoke


def _enable(here: Here) -> click.Command:
    @command("enable")
    @click.argument("app_key", metavar="APPKEY")
    @click.argument("user_id", metavar="USER_ID", type=USER_ID)
    def enable(app_key: str, user_id: int) -> None:
        """Turn it on, or give a new secret: prints the otpauth:// address."""
        enrolment = here().enable_two_factor(app_key, user_id)
        click.echo(enrolment.address)
        if sys.stderr.isatty():
            _draw(enrolment.address)
        say("Recovery codes, good once each:")
        for code in enrolment.recovery_codes:
            say(f"  {code}")

    return enable


def _disable(here: Here) -> click.Command:
    @command("disable")
    @click.argument("app_key", metavar="APPKEY")
    @click.argument("user_id", metavar="USER_ID", type=USER_ID)
    def disable(app_key: str, user_id: int) -> None:
        """Turn it off."""
        if not here().second_factors.drop(app_key, user_id):
            raise click.ClickException("two-factor sign-in is not on for this user")
        say("two-factor sign-in is off")

    return disable


def _recover(here: Here) -> click.Command:
    @command("recover")
    @click.argument("app_key", metavar="APPKEY")
    @click.argument("user_id", metavar="USER_ID", type=USER_ID)
    def recover(app_key: str, user_id: int) -> None:
        """Open it again after too many wrong codes, with a recovery code from standard input."""
        if app_key not in here().second_factors.apps_of(user_id):
            raise click.ClickException("two-factor sign-in is not on for this user")
        here().check_code(app_key, user_id, ask_hidden("Recovery code"))
        say("two-factor sign-in is open again")

    return recover


def _rotate(here: Here) -> click.Command:
    @command("rotate")
    def rotate() -> None:
        """Encrypt every secret with the newest key, so that the older ones may go."""
        say(f"{here().second_factors.reseal()} secret(s) encrypted with the newest key")

    return rotate


def _draw(address: str) -> None:
    """Draw the address as a QR code on a terminal."""
    try:
        import segno
    except ImportError:
        say("No QR code without segno: the extra bot-linking[external-account]")
        return
    segno.make(address, error="m").terminal(out=sys.stderr, compact=True)


def _token_row(token: Token) -> Row:
    return {
        "id": token.id,
        "app_key": token.app_key,
        "user_id": token.user_id,
        "scopes": token.scopes,
        "created_at": time_of(token.created_at),
        "expires_at": time_of(token.expires_at),
    }
