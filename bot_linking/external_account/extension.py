"""`ExternalAccount`: the blueprint that a host registers, and the verbs for the site's own code."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from flask import Blueprint, Flask, current_app
from flask.blueprints import BlueprintSetupState

from bot_linking.config.reading import default_database, read
from bot_linking.config.settings import SiteSettings
from bot_linking.core.errors import ConfigurationError
from bot_linking.core.hooks import Hooks
from bot_linking.core.linking import Linking
from bot_linking.core.log_throttle import log_sparingly
from bot_linking.core.ports import Clock
from bot_linking.doors import unconfigured
from bot_linking.doors.commands import open_store_of
from bot_linking.doors.neighbour import Bot, Joinable, Neighbour, add_commands, bot_in
from bot_linking.doors.redaction import guard_logs
from bot_linking.doors.registrations import Registrations
from bot_linking.external_account import tokens
from bot_linking.external_account.endpoint import Endpoint, Operations
from bot_linking.external_account.link_mirror import LinkMirror, UserIdOf, decimal_user_id
from bot_linking.external_account.service import MayBind, Service
from bot_linking.external_account.two_factor import Enrolment

if TYPE_CHECKING:
    import click

    from bot_linking.doors.openapi import Operation
    from bot_linking.stores.store import SQLStore

EXTENSION = "bot_linking_external_account"

_log = logging.getLogger("bot_linking.external_account")


class ExternalAccount:
    """Lets applications manage the third-party accounts of their users, and sign users in with them.

        external = ExternalAccount(linking)          # or ExternalAccount(app) for a site with no bot
        app.register_blueprint(external.blueprint)   # routes at /ExternalAccount/...

    Register it after the AccountLinking of the same app. Its settings are the `BOT_LINKING_EXTERNAL_*` keys
    and `BOT_LINKING_DATABASE`, `BOT_LINKING_TRUSTED_PROXIES`, `BOT_LINKING_BRAND_NAME`. Its tables are made
    when it is registered. Keyword arguments:

    - `may_bind(app_key, user_id, platform, union_id) -> bool`: asked before a call binds an account. A call
      does not prove that the user has the account: without `may_bind`, a user's token binds any free pair.
    - `user_id_of(account) -> int | None`: the number by which applications know an account of the site;
      None binds nothing. By default the account's id, when it is a decimal number. It is called inside the
      transaction of the link: it must read nothing but its argument.
    - `clock() -> seconds`: for tests of a site without a bot.
    """

    def __init__(
        self,
        beside: Bot | Flask | None = None,
        *,
        may_bind: MayBind | None = None,
        user_id_of: UserIdOf = decimal_user_id,
        clock: Clock = time.time,
    ) -> None:
        self._has_bot = beside is not None and not isinstance(beside, Flask)
        self._may_bind = may_bind
        self._user_id_of = user_id_of
        self._clock = clock
        self._services = Registrations[Service](f"{EXTENSION}.service")
        self._put_off: dict[Flask, ConfigurationError] = {}
        self.blueprint = self._make_blueprint()

    def __repr__(self) -> str:
        return f"<ExternalAccount in {len(self._services)} app(s)>"

    # Set-up

    def _make_blueprint(self) -> Blueprint:
        blueprint = Blueprint(EXTENSION, __name__)
        blueprint.record(self._install)
        return blueprint

    def _install(self, state: BlueprintSetupState) -> None:
        app = cast(Flask, state.app)
        if EXTENSION in app.extensions:
            raise RuntimeError("this app has an ExternalAccount already: register it once")
        if problem := unconfigured.problem_of(app):
            self._do_without(app, state, problem)
            return
        bot = bot_in(app)
        if self._has_bot and bot is None:
            raise RuntimeError("register the AccountLinking's blueprint before the ExternalAccount's")
        guard_logs()
        shown = partial(_operations, state.url_prefix or "")
        try:
            service = self._alone(app) if bot is None else self._beside(bot, shown)
        except ConfigurationError as problem:
            unconfigured.put_off(app, problem)
            self._do_without(app, state, problem)
            return
        app.extensions[EXTENSION] = self
        self._services.add(app, service)
        Endpoint(service, shown, has_document=bot is None).add_to(state)
        if "csrf" in app.extensions:  # a Bearer token is no cookie, so another site cannot send it
            app.extensions["csrf"].exempt(self.blueprint)

    def _do_without(self, app: Flask, state: BlueprintSetupState, problem: ConfigurationError) -> None:
        """Add the commands alone, which say what is missing in the configuration."""
        self._put_off[app] = problem
        state.add_url_rule("/ExternalAccount/<path:path>", "not_configured", unconfigured.not_configured)
        add_commands(app, self._commands())

    def _alone(self, app: Flask) -> Service:
        """For a site without a bot: a store and commands of its own."""
        defaults = {"database": default_database(app.instance_path)}
        settings = read(SiteSettings, app.config, os.environ, defaults=defaults)
        store = open_store_of(app, settings)
        linking = Linking(store, tell=lambda event: None, hooks=Hooks(clock=self._clock))
        service = self._serve(linking, store, settings, tell=_log_refusal, pages=tuple, sees_to_upkeep=True)
        store.followers.append(service.mirror)
        add_commands(app, self._commands())
        return service

    def _beside(self, bot: Joinable, shown: Operations) -> Service:
        """For an app with a bot: the bot's store, settings and document."""
        service = self._serve(
            bot.linking,
            bot.store,
            bot.settings,
            tell=bot.tell,
            pages=bot.page_ids,
            sees_to_upkeep=False,
        )
        bot.join(
            Neighbour(
                follower=service.mirror,
                second_factor=service.passes,
                operations=shown,
                commands=self._commands(),
            )
        )
        return service

    def _serve(
        self,
        linking: Linking,
        store: SQLStore,
        settings: SiteSettings,
        *,
        tell: Callable[[Any], None],
        pages: Callable[[], Collection[str]],
        sees_to_upkeep: bool,
    ) -> Service:
        mirror = LinkMirror(settings.external_app, self._user_id_of)
        return Service(
            linking,
            store,
            mirror,
            settings,
            tell=tell,
            may_bind=self._may_bind,
            pages=pages,
            sees_to_upkeep=sees_to_upkeep,
        )

    def _commands(self) -> list[click.Command]:
        from bot_linking.external_account.commands import commands

        return commands(self._here)

    def _here(self) -> Service:
        """The service of the current app, or of the only one. Raises `ConfigurationError` in a command of an
        app that is not configured."""
        for problem in self._put_off.values():
            raise problem
        if self._services.sole is not None:
            return self._services.sole
        service = self._services.of(current_app._get_current_object()) if current_app else None  # type: ignore[attr-defined]
        if service is None:
            raise RuntimeError("this ExternalAccount is not registered with the current app")
        return service

    # For the site's own code

    def create_app(self, app_key: str) -> str:
        """Make an application. Returns its back end's token (`signin`, `bind`), which cannot be read again.

        Raises `AppKeyRefused` when the name is taken or not valid.
        """
        return self._here().create_app(app_key)

    def create_back_end_token(self, app_key: str) -> str:
        """Make another token for an application's back end, to replace one. Raises `AppKeyRefused`."""
        return self._here().create_token(app_key, None, tokens.BACK_END, expires_in=tokens.BACK_END_AGE_S)

    def create_token(
        self,
        app_key: str,
        user_id: int,
        scopes: Sequence[str] = tokens.USER,
        *,
        expires_in: int = tokens.USER_AGE_S,
    ) -> str:
        """Make a token that acts for a user, with scopes of `accounts`, `bind` and `signin`. It expires in
        `expires_in` seconds. Raises `AppKeyRefused`, and `ValueError` for another scope."""
        return self._here().create_token(app_key, user_id, tokens.read_scopes(scopes), expires_in=expires_in)

    def revoke_token(self, token: str) -> bool:
        """End a token, by its text or its id, in every process at once. False when there is no such token."""
        return self._here().revoke(token)

    def revoke_tokens(self, app_key: str, user_id: int | None = None) -> int:
        """End every token of a user in an application, or of the whole application, in every process at once.

        Call it when a user's password changes, beside `linking.drop_pending`. Returns the number of tokens.
        """
        return self._here().apps.revoke_tokens(app_key, user_id)

    def user_of(self, authorization: str | None, app_key: str) -> int | None:
        """The user of the token in an `Authorization` header, for the site's own API.

        None unless the token is good for this application now, has scope `accounts` and acts for a user.
        """
        service = self._here()
        token = service.find_token(tokens.bearer_of(authorization))
        if token is None or token.app_key != app_key or "accounts" not in token.scopes:
            return None
        return token.user_id

    def enable_two_factor(self, app_key: str, user_id: int, *, secret: str | None = None) -> Enrolment:
        """Turn two-factor sign-in on for a user, or replace their secret. Tokens of earlier sign-ins end.

        `secret`, in base 32, is one that the user's authenticator app has already. Show the `address` as a QR
        code, and the recovery codes once. Raises `ConfigurationError` without `BOT_LINKING_EXTERNAL_KEYS`,
        and `AppKeyRefused`.
        """
        return self._here().enable_two_factor(app_key, user_id, secret)

    def disable_two_factor(self, app_key: str, user_id: int) -> bool:
        """Turn two-factor sign-in off. Tokens of earlier sign-ins end. False when it was not on."""
        return self._here().second_factors.drop(app_key, user_id)

    def check_second_factor(self, app_key: str, user_id: int, code: str) -> None:
        """Check a code or a recovery code, as it was typed, in the site's own sign-in, by the same limits.

        Raises `SecondFactorRefused`, `SecondFactorLocked` and `TooManyAttempts`. Any code is accepted for a
        user without two-factor sign-in.
        """
        self._here().check_code(app_key, user_id, code)

    def is_two_factor_on(self, app_key: str, user_id: int) -> bool:
        """Whether a user has two-factor sign-in on in this application."""
        return app_key in self._here().second_factors.apps_of(user_id)


def _operations(prefix: str) -> Sequence[Operation]:
    from bot_linking.external_account.operations import operations

    return operations(prefix)


def _log_refusal(event: Any) -> None:
    reason = getattr(event, "reason", None)
    if reason:
        log_sparingly(_log, logging.WARNING, f"ExternalAccount refused {reason}", "refused: %s", reason)
