"""Where an application's calls come in: the token first, then read, judge, act, answer.

Every answer is the protocol's envelope with the same code as the HTTP status.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from flask import Blueprint, Flask, Response, current_app, request
from flask.blueprints import BlueprintSetupState

from bot_linking.config.reading import default_database, read
from bot_linking.config.settings import SiteSettings
from bot_linking.core.errors import BotLinkingError, ConfigurationError, StoreUnavailable
from bot_linking.core.hooks import Hooks
from bot_linking.core.linking import Linking
from bot_linking.core.ports import Clock
from bot_linking.doors import unconfigured
from bot_linking.doors.body import UNKEPT, answer_json, read_body, this_request
from bot_linking.doors.neighbour import Bot, Joinable, Neighbour, add_commands, bot_in
from bot_linking.doors.redaction import guard_logs
from bot_linking.doors.unconfigured import is_command
from bot_linking.external_account import models, tokens
from bot_linking.external_account.accounts import Accounts
from bot_linking.external_account.errors import ExternalAccountUnknown, MethodRefused
from bot_linking.external_account.following import Following, UserIdOf, decimal_user_id
from bot_linking.external_account.service import MayBind, Service
from bot_linking.external_account.two_factor import Enrolment, Vault
from bot_linking.stores import open_store

if TYPE_CHECKING:
    import click

    from bot_linking.doors.openapi import Operation
    from bot_linking.stores.store import SQLStore

EXTENSION = "bot_linking_external_account"
RETRY_AFTER_S = 10
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "TRACE", "OPTIONS"]

STATUS = {
    "field_refused": 400,
    "payload_unreadable": 400,
    "token_refused": 401,
    "scope_missing": 403,
    "bind_refused": 403,
    "external_account_disabled": 403,
    "second_factor_refused": 403,
    "second_factor_locked": 403,
    "external_account_unknown": 404,
    "method_refused": 405,
    "bound_to_another": 409,
    "payload_too_large": 413,
    "content_type_refused": 415,
    "too_many_attempts": 429,
    "store_unavailable": 503,
    "second_factor_unreadable": 503,
}

Call = Callable[[Service, Any], Any]
Operations = Callable[[], "Sequence[Operation]"]

_log = logging.getLogger("bot_linking.external_account")


class ExternalAccount:
    """Lets applications manage the third-party accounts of their users, and sign users in with them.

        external = ExternalAccount(linking)          # or ExternalAccount(app) for a site with no bot
        app.register_blueprint(external.blueprint)   # routes at /ExternalAccount/...

    Register it after the AccountLinking that it stands beside. Its settings are the `BOT_LINKING_EXTERNAL_*`
    keys and `BOT_LINKING_DATABASE`, `BOT_LINKING_TRUSTED_PROXIES`, `BOT_LINKING_BRAND_NAME`; its tables are
    made when it is registered. Keyword arguments decide:

    - `may_bind(app_key, user_id, platform, union_id) -> bool`: asked before a call binds an account.
    - `user_id_of(account) -> int | None`: the number by which applications know an account of the site;
      None binds nothing. By default the account's id, when it is a decimal number. It is called inside the
      transaction of the link: let it only look at what it is given.
    - `clock() -> seconds`: for tests of a site with no bot.
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
        self._services: dict[Flask, Service] = {}
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
            service = self._alone(app, state, shown) if bot is None else self._beside(bot, shown)
        except ConfigurationError as problem:
            unconfigured.put_off(app, problem)
            self._do_without(app, state, problem)
            return
        app.extensions[EXTENSION] = self
        self._services[app] = service
        for rule, endpoint, calls in self._routes():
            state.add_url_rule(rule, endpoint, _view(service, calls), methods=METHODS)
        if "csrf" in app.extensions:  # Flask-WTF would turn calls away; a Bearer token comes from no form
            app.extensions["csrf"].exempt(self.blueprint)

    def _do_without(self, app: Flask, state: BlueprintSetupState, problem: ConfigurationError) -> None:
        """Only the commands, which say what is missing in the configuration."""
        self._put_off[app] = problem
        state.add_url_rule("/ExternalAccount/<path:path>", "not_configured", unconfigured.not_configured)
        add_commands(app, self._commands())

    def _alone(self, app: Flask, state: BlueprintSetupState, shown: Operations) -> Service:
        """For a site with no bot: a store, commands and a document of its own."""
        defaults = {"database": default_database(app.instance_path)}
        settings = read(SiteSettings, app.config, os.environ, defaults=defaults)
        store = open_store(settings.database, create=settings.create_database, only_look=is_command())
        linking = Linking(store, tell=lambda event: None, hooks=Hooks(clock=self._clock))
        service = self._serve(linking, store, settings, _log_refusal, sees_to_upkeep=True)
        store.followers.append(service.following)
        add_commands(app, self._commands())
        state.add_url_rule("/ExternalAccount/openapi.json", "openapi", partial(_show_document, shown))
        return service

    def _beside(self, bot: Joinable, shown: Operations) -> Service:
        """Beside a bot: its store, its settings, its document."""
        service = self._serve(bot.linking, bot.store, bot.settings, bot.tell, sees_to_upkeep=False)
        bot.join(
            Neighbour(
                follower=service.following,
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
        tell: Callable[[Any], None],
        *,
        sees_to_upkeep: bool,
    ) -> Service:
        kept = Accounts(store.engine, Vault(settings.external_keys))
        following = Following(settings.external_app, self._user_id_of)
        return Service(
            linking, store, kept, following, settings, tell=tell, may_bind=self._may_bind,
            sees_to_upkeep=sees_to_upkeep,
        )  # fmt: skip

    def _commands(self) -> list[click.Command]:
        from bot_linking.external_account.commands import commands

        return commands(self._here)

    def _here(self) -> Service:
        """The service of the current app, or of the only one. Raises `ConfigurationError` in a command of an
        app that is not configured."""
        for problem in self._put_off.values():
            raise problem
        if len(self._services) == 1:
            return next(iter(self._services.values()))
        service = self._services.get(current_app._get_current_object()) if current_app else None  # type: ignore[attr-defined]
        if service is None:
            raise RuntimeError("this ExternalAccount is not registered with the current app")
        return service

    # For the site's own code

    def create_app(self, app_key: str) -> str:
        """A new application; the token of its back end (`signin`, `bind`), which can't be read again.

        Raises `AppKeyRefused` when there is one of this name.
        """
        return self._here().create_app(app_key)

    def create_back_end_token(self, app_key: str) -> str:
        """Another token for an application's back end, to replace one. Raises `AppKeyRefused`."""
        return self._here().create_token(
            app_key, None, tokens.BACK_END, expires_in=tokens.BACK_END_AGE_S
        )  # fmt: skip

    def create_token(
        self,
        app_key: str,
        user_id: int,
        scopes: Sequence[str] = tokens.USER,
        *,
        expires_in: int = tokens.USER_AGE_S,
    ) -> str:
        """A token that acts for a user. Scopes are of `accounts`, `bind` and `signin`; seconds to live."""
        return self._here().create_token(app_key, user_id, tokens.read_scopes(scopes), expires_in=expires_in)

    def revoke_token(self, token: str) -> bool:
        """End a token, given itself or its id, everywhere at once. False when there is no such token."""
        return self._here().revoke(token)

    def user_of(self, authorization: str | None, app_key: str) -> int | None:
        """Whose token of scope `accounts` this `Authorization` header holds, for the site's own API.

        None unless it is good for this application now.
        """
        service = self._here()
        token = service.find_token(tokens.bearer_of(authorization))
        if token is None or token.app_key != app_key or "accounts" not in token.scopes:
            return None
        return token.user_id

    def enable_two_factor(self, app_key: str, user_id: int, *, secret: str | None = None) -> Enrolment:
        """Turn two-factor sign-in on for a user, or give them a new secret; tokens by earlier sign-ins end.

        `secret`, in base 32, is one that they have in their authenticator app already. Show the `address`
        as a QR code and the recovery codes once. Raises `ConfigurationError` without
        `BOT_LINKING_EXTERNAL_KEYS`, and `AppKeyRefused`.
        """
        return self._here().enable_two_factor(app_key, user_id, secret)

    def disable_two_factor(self, app_key: str, user_id: int) -> bool:
        """Turn it off; tokens by earlier sign-ins end. False when it was not on."""
        return self._here().accounts.drop_second_factor(app_key, user_id)

    def check_second_factor(self, app_key: str, user_id: int, code: str) -> None:
        """For a sign-in of the site's own: pass with a code or a recovery code, by the same limits.

        Raises `SecondFactorRefused`, `SecondFactorLocked`, `TooManyAttempts`; who has none passes.
        """
        self._here().check_code(app_key, user_id, code)

    def is_two_factor_on(self, app_key: str, user_id: int) -> bool:
        return app_key in self._here().accounts.apps_with_second_factor(user_id)

    # The calls

    def _routes(self) -> list[tuple[str, str, dict[str, Call]]]:
        """Rule, endpoint, and the call of each method."""
        return [
            ("/ExternalAccount/<app_key>", "accounts", {"GET": _list, "POST": _bind}),
            ("/ExternalAccount/<app_key>/SignIn", "sign_in", {"POST": _sign_in}),
            ("/ExternalAccount/<app_key>/<account_id>", "account", {"PUT": _update, "DELETE": _unbind}),
        ]


def _view(service: Service, calls: dict[str, Call]) -> Callable[..., Response]:
    """One path's calls: what each returns, or what it refuses, in the envelope."""

    def answer(**path: str) -> Response:
        method = request.method
        if method == "OPTIONS":
            return Response(status=204, headers={"Allow": ", ".join([*calls, "OPTIONS"]), **UNKEPT})
        call = calls.get("GET" if method == "HEAD" else method)
        try:
            if call is None:
                raise MethodRefused(f"this path takes {' and '.join(calls)} only")
            return _envelope(200, call(service, path), "")
        except BotLinkingError as refusal:
            response = _refuse(refusal, _NOTHING.get(call))
        if call is None:
            response.headers["Allow"] = ", ".join(calls)
        return response

    return answer


def _operations(prefix: str) -> Sequence[Operation]:
    from bot_linking.external_account.operations import operations

    return operations(prefix)


def _list(service: Service, path: dict[str, str]) -> list[dict[str, Any]]:
    token = _token(service, path)
    return service.accounts.logins_of(token.app_key, token.needs_user("accounts"))


def _bind(service: Service, path: dict[str, str]) -> bool:
    token = _token(service, path)
    user_id = token.needs_user("bind")
    service.bind(token, user_id, _read(models.BindRequest))
    return True


def _update(service: Service, path: dict[str, str]) -> bool:
    token = _token(service, path)
    user_id = token.needs_user("accounts")
    given = _read(models.UpdateRequest).model_dump(exclude_unset=True)
    service.accounts.update(token.app_key, user_id, _account_id(path), service.now(), **given)
    return True


def _unbind(service: Service, path: dict[str, str]) -> bool:
    token = _token(service, path)
    service.accounts.unbind(token.app_key, token.needs_user("accounts"), _account_id(path))
    return True


def _sign_in(service: Service, path: dict[str, str]) -> dict[str, Any]:
    """Counted by address first: also guesses at tokens are."""
    forwarded_for = request.headers.getlist("X-Forwarded-For")
    service.admit_address(service.callers.address_of(request.remote_addr, forwarded_for))
    token = _token(service, path)
    token.needs("signin")
    service.admit_app(token.app_key)
    text, expires_in = service.sign_in(token.app_key, _read(models.SignInRequest))
    return {"access_token": text, "token_type": "Bearer", "expires_in": expires_in}


_NOTHING: dict[Call | None, Any] = {_list: [], _bind: False, _update: False, _unbind: False}


def _token(service: Service, path: dict[str, str]) -> tokens.Token:
    return service.token_for(path["app_key"], request.headers.get("Authorization"))


def _account_id(path: dict[str, str]) -> int:
    """The id in the path; what is no number is no account."""
    text = path["account_id"]
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise ExternalAccountUnknown("there is no account with this id")
    return int(text)


def _read(model: type[models.Model]) -> models.Model:
    body = read_body(this_request(), models.LARGEST_BODY)
    return models.read_body(model, request.headers.get("Content-Type"), body)


def _refuse(refusal: BotLinkingError, nothing: Any) -> Response:
    status, message = STATUS[refusal.slug], str(refusal)
    if isinstance(refusal, StoreUnavailable):
        _log.error("ExternalAccount call not done: %s", refusal)
        message = "the service is not available"  # its own text names files and settings
    response = _envelope(status, nothing, message)
    if status in {429, 503}:
        response.headers["Retry-After"] = str(getattr(refusal, "retry_after", RETRY_AFTER_S))
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _envelope(code: int, value: Any, error: str) -> Response:
    return answer_json(code, {"code": code, "data": value, "error": error})


def _show_document(shown: Operations) -> Response:
    """For a site with no bot; beside one, the calls stand in the bot's own document."""
    from bot_linking.doors.openapi import document

    server = request.root_url.rstrip("/")
    return answer_json(200, document(shown(), server=server))


def _log_refusal(event: Any) -> None:
    reason = getattr(event, "reason", None)
    if reason:
        _log.warning("refused: %s", reason)
