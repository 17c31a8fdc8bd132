"""`AccountLinking`, the Flask extension: it takes the host's callables and installs itself into each app."""

from __future__ import annotations

import time
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from flask import Blueprint, Flask
from flask.blueprints import BlueprintSetupState

from bot_linking.core.conflicts import OnConflict
from bot_linking.core.errors import ConfigurationError
from bot_linking.core.hooks import (
    Authenticate,
    Confirmation,
    CreateAccount,
    CurrentAccount,
    Farewell,
    FindByEmail,
    Hooks,
    MayLink,
    NotifyOwner,
    Operator,
    PsidsOf,
    ResolveAccount,
    SendCode,
)
from bot_linking.core.ports import Clock
from bot_linking.doors import neighbour, unconfigured
from bot_linking.doors.redaction import guard_logs
from bot_linking.installation import Installation, install
from bot_linking.messenger.host import Host
from bot_linking.oidc import OIDC
from bot_linking.verbs.chat import Chat
from bot_linking.verbs.ways import LinkWays
from bot_linking.verbs.ways_in import WaysIn
from bot_linking.webview.not_found import show_not_found, show_not_found_below

if TYPE_CHECKING:
    import click

EXTENSION = "bot_linking"


class AccountLinking(WaysIn, Chat, LinkWays):
    """Joins the people in your bot's Messenger to the accounts of your site, as one Flask blueprint.

        linking = AccountLinking(authenticate=check_password)
        app.register_blueprint(linking.blueprint, url_prefix="/linking")

    Settings are the `BOT_LINKING_*` keys of `app.config` or of the environment. They are listed in
    `bot_linking/config/README.md` and checked at registration: `ConfigurationError` names the key.

    The keyword arguments are the host's own code. `core.hooks.Hooks` says what each is given and returns:

    - `authenticate`, `current_account`, `create_account`: who a person is.
    - `find_by_email` and `send_code`: who a person is, by a code in an e-mail.
    - `oidc`: who a person is, as an identity provider says.
    - `may_link`, `resolve_account`: which account a person may be linked to.
    - `on_conflict`, `notify_owner`, `psids_of`: what the account's owner decides, hears and may have deleted.
    - `operator`: who may open the operator's page, `/operator` below the prefix.
    - `confirmation`, `farewell`, `bot`: what is said in the chat, and by which client.
    - `strict`, `confirmation_page`: the settings of these names, given in code.
    - `clock() -> seconds`: for tests.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        authenticate: Authenticate | None = None,
        current_account: CurrentAccount | None = None,
        create_account: CreateAccount | None = None,
        find_by_email: FindByEmail | None = None,
        send_code: SendCode | None = None,
        oidc: OIDC | None = None,
        may_link: MayLink | None = None,
        resolve_account: ResolveAccount | None = None,
        confirmation: Confirmation | None = None,
        farewell: Farewell | None = None,
        on_conflict: OnConflict = "move",
        notify_owner: NotifyOwner | None = None,
        psids_of: PsidsOf | None = None,
        operator: Operator | None = None,
        bot: Any = None,
        strict: bool | None = None,
        confirmation_page: bool | None = None,
        clock: Clock = time.time,
    ) -> None:
        super().__init__()
        self._hooks = Hooks(
            authenticate=authenticate,
            current_account=current_account,
            create_account=create_account,
            find_by_email=find_by_email,
            send_code=send_code,
            oidc=oidc,
            may_link=may_link,
            resolve_account=resolve_account,
            confirmation=confirmation,
            farewell=farewell,
            on_conflict=on_conflict,
            notify_owner=notify_owner,
            psids_of=psids_of,
            operator=operator,
            bot=bot,
            clock=clock,
        )
        self._overrides = {"strict": strict, "confirmation_page": confirmation_page}
        self.blueprint = self._make_blueprint()
        if app is not None:
            self.init_app(app)

    def __repr__(self) -> str:
        return f"<AccountLinking in {len(self._apps)} app(s)>"

    # Set-up

    def init_app(self, app: Flask, url_prefix: str = "/linking") -> None:
        """The same as `app.register_blueprint(linking.blueprint, url_prefix=...)`."""
        app.register_blueprint(self.blueprint, url_prefix=url_prefix)

    def _make_blueprint(self) -> Blueprint:
        from bot_linking.operators.cli import Commands, LinkingGroup

        blueprint = Blueprint(
            EXTENSION,
            "bot_linking.webview",
            template_folder="templates",
            static_folder="static",
            static_url_path="/static",
            url_prefix="/linking",
            cli_group=neighbour.GROUP,
        )
        blueprint.cli = LinkingGroup(help="Commands for operators.", commands=Commands(self._commands))
        blueprint.register_error_handler(
            404, lambda problem: show_not_found(self._here().webview.pages, problem)
        )
        blueprint.record(self._install)
        return blueprint

    def _commands(self) -> list[click.Command]:
        from bot_linking.operators.commands import commands

        return commands(self._here)

    def _install(self, state: BlueprintSetupState) -> None:
        app = cast(Flask, state.app)
        if EXTENSION in app.extensions:
            raise RuntimeError("this app has an AccountLinking already: register it once")
        guard_logs(app.name)
        try:
            installation = install(
                app,
                state.url_prefix or "",
                hooks=self._hooks,
                interrupted=self._interrupted,
                tell=partial(self._tell, weakref.ref(app)),
                overrides=self._overrides,
                host=self._host_of(app),
            )
        except ConfigurationError as problem:
            unconfigured.put_off(app, problem)
            app.extensions[EXTENSION], self._put_off = self, problem
            state.add_url_rule("/<path:path>", "not_configured", unconfigured.not_configured)
            return
        app.extensions[EXTENSION] = self
        self._apps.add(app, installation)
        for door in installation.doors():
            for rule, endpoint, view, methods in door.routes():
                state.add_url_rule(rule, endpoint, view, methods=methods)
        if self._hooks.operator is not None:
            self._add_desk(state, installation, self._hooks.operator)
        installation.api.add_to(state)
        state.add_url_rule("/health", "health", installation.health.show, methods=["GET"])
        state.add_url_rule("/webhook", "webhook", self._own_webhook, methods=["GET", "POST"])
        show_not_found_below(state.url_prefix or "", app, installation.webview.pages)
        installation.host.watch()
        installation.start_delivery()

    def _add_desk(self, state: BlueprintSetupState, installation: Installation, operator: Operator) -> None:
        from bot_linking.operators.desk.door import Desk

        for rule, endpoint, view, methods in Desk(installation, operator).routes():
            # A redirect from a doubled slash would tell a stranger that the page exists.
            state.add_url_rule(rule, endpoint, view, methods=methods, merge_slashes=False)

    def _host_of(self, app: Flask) -> Host:
        return Host(
            app,
            self.blueprint,
            has_handler=lambda: self._message_handler is not None,
            decorated=self._decorated,
        )
