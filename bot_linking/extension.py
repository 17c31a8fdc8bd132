"""`AccountLinking`: from configuration to a store, from the store to the core, from the core to the doors."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Mapping
from functools import partial, wraps
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from flask import Blueprint, Flask, current_app
from flask.blueprints import BlueprintSetupState

from bot_linking import signals
from bot_linking.config.settings import Settings
from bot_linking.core.events import Happening, LoginCancelled, LoginPrompted
from bot_linking.core.history import Change
from bot_linking.core.hooks import (
    Authenticate,
    Confirmation,
    CreateAccount,
    CurrentAccount,
    Farewell,
    Hooks,
    MayLink,
    ResolveAccount,
)
from bot_linking.core.linking import Linking
from bot_linking.core.links import Account, Link
from bot_linking.core.ports import Clock
from bot_linking.delivery import Delivery
from bot_linking.doors import neighbour
from bot_linking.doors.redaction import guard_logs
from bot_linking.installation import Installation, install
from bot_linking.interrupted import Interrupted, call_of, person_of
from bot_linking.messenger import buttons
from bot_linking.messenger.buttons import Button, Message
from bot_linking.messenger.webhook import HANDSHAKE_METHODS

if TYPE_CHECKING:
    from bot_linking.stores.store import SQLStore

EXTENSION = "bot_linking"

View = TypeVar("View", bound=Callable[..., Any])
Handler = TypeVar("Handler", bound=Callable[..., Any])


class AccountLinking:
    """Joins the people in your bot's Messenger to the accounts of your site, as one Flask blueprint.

        linking = AccountLinking(authenticate=check_password)
        app.register_blueprint(linking.blueprint, url_prefix="/linking")

    Configuration describes: the `BOT_LINKING_*` keys of `app.config` or of the environment, listed in
    `bot_linking/config/README.md` and checked at registration (`ConfigurationError` names the key).
    Keyword arguments decide; `core.hooks.Hooks` says of each what it is given and what it answers:

    - `authenticate`, `current_account`, `create_account`: who a person is.
    - `may_link`, `resolve_account`: which account a person may be linked to.
    - `confirmation`, `farewell`, `bot`: what is said in the chat, and by which client.
    - `strict`, `confirmation_page`: the settings of these names, when code is where you want them.
    - `clock() -> seconds`: for tests.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        authenticate: Authenticate | None = None,
        current_account: CurrentAccount | None = None,
        create_account: CreateAccount | None = None,
        may_link: MayLink | None = None,
        resolve_account: ResolveAccount | None = None,
        confirmation: Confirmation | None = None,
        farewell: Farewell | None = None,
        bot: Any = None,
        strict: bool | None = None,
        confirmation_page: bool | None = None,
        clock: Clock = time.time,
    ) -> None:
        self._hooks = Hooks(
            authenticate=authenticate,
            current_account=current_account,
            create_account=create_account,
            may_link=may_link,
            resolve_account=resolve_account,
            confirmation=confirmation,
            farewell=farewell,
            bot=bot,
            clock=clock,
        )
        self._overrides = {"strict": strict, "confirmation_page": confirmation_page}
        self._message_handler: Callable[[dict[str, Any]], Any] | None = None
        self._interrupted = Interrupted()
        self._apps: dict[Flask, Installation] = {}
        self._sole: Installation | None = None
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
        from bot_linking.operators.cli import LinkingGroup
        from bot_linking.operators.commands import commands

        blueprint = Blueprint(
            EXTENSION, "bot_linking.webview", template_folder="templates", static_folder="static",
            static_url_path="/static", url_prefix="/linking", cli_group=neighbour.GROUP,
        )  # fmt: skip
        blueprint.cli = LinkingGroup(help="Commands for operators.")
        for command in commands(self._here):
            blueprint.cli.add_command(command)
        blueprint.record(self._install)
        return blueprint

    def _install(self, state: BlueprintSetupState) -> None:
        app = cast(Flask, state.app)
        if EXTENSION in app.extensions:
            raise RuntimeError("this app has an AccountLinking already: register it once")
        guard_logs()
        tell = partial(self._tell, weakref.ref(app))
        installation = install(
            app,
            state.url_prefix or "",
            hooks=self._hooks,
            interrupted=self._interrupted,
            tell=tell,
            overrides=self._overrides,
        )
        app.extensions[EXTENSION], app.extensions[neighbour.EXTENSION] = self, installation
        self._sole = installation if not self._apps else None
        self._apps[app] = installation
        for door in (installation.webview, installation.api):
            for rule, endpoint, view, methods in door.routes():
                state.add_url_rule(rule, endpoint, view, methods=methods)
        state.add_url_rule("/webhook", "webhook", self._own_webhook, methods=["GET", "POST"])
        if "csrf" in app.extensions:  # Flask-WTF would turn Messenger away; our forms have their own tickets
            app.extensions["csrf"].exempt(self.blueprint)
        installation.start_delivery()

    def _here(self) -> Installation:
        """The installation of the current app, or of the only one."""
        if self._sole is not None:
            return self._sole
        if not self._apps:
            raise RuntimeError("this AccountLinking is not registered with any app yet")
        installation = self._apps.get(current_app._get_current_object())  # type: ignore[attr-defined]
        if installation is None:
            raise RuntimeError("this AccountLinking is not registered with the current app")
        return installation

    @property
    def settings(self) -> Settings:
        """What was configured, as it was read."""
        return self._here().settings

    @property
    def delivery(self) -> Delivery:
        """The outbox's worker; `drain()` delivers what is due, which is what tests want."""
        return self._here().delivery

    @property
    def store(self) -> SQLStore:
        return self._here().store

    @property
    def core(self) -> Linking:
        """The verbs under the other methods, for commands and tests."""
        return self._here().linking

    def now(self) -> int:
        """Milliseconds since the epoch, by the clock in use."""
        return self._here().linking.now()

    # Four ways into a bot

    def webhook(self, view: View) -> View:
        """Decorates the webhook view that your bot has already, below its route decorator.

        Verifies the signature, takes the account linking events, and calls the view with everything
        else; answers Messenger's GET handshake. Answers 403, 413, 400 or 503 itself where that is due.
        """

        run = _runnable(view)

        @wraps(view)
        def webhook(*args: Any, **kwargs: Any) -> Any:
            return self._here().webhook.serve(run, args, kwargs)

        webhook.required_methods = HANDSHAKE_METHODS  # type: ignore[attr-defined]  # Flask adds them to the rule
        return webhook  # type: ignore[return-value]

    def events(self) -> list[dict[str, Any]]:
        """For a view under `webhook`: each event of this request that is not account linking, in order.

        Every entry is looked through. What is not of the shape that Messenger sends is left out, so that no
        body whatever fails the view: parts (`message`, `postback`, ...) are dicts, `message["text"]` is text,
        and a message has a sender and a recipient. `RuntimeError` where nothing verified the request.
        """
        return self._here().webhook.events()

    def attach(self, app: Flask, endpoint: str) -> None:
        """The same as `webhook` for a view that can't be edited: by its endpoint's name."""
        if endpoint not in app.view_functions:
            raise LookupError(f"the app has no endpoint {endpoint!r}")
        app.view_functions[endpoint] = self.webhook(app.view_functions[endpoint])
        paths = {rule.rule for rule in app.url_map.iter_rules(endpoint)}
        for path in paths:
            methods = {m for r in app.url_map.iter_rules() if r.rule == path for m in r.methods or ()}
            if "GET" not in methods:
                app.add_url_rule(path, f"{endpoint}_handshake", self._handshake)

    def _handshake(self, **_: Any) -> Any:
        return self._here().webhook.handshake()

    def receive(self, body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
        """For a bot without Flask: acts on the linking events in these raw bytes.

        The payload comes back without them, for the bot to go on with. Raises `SignatureRefused`,
        `PayloadTooLarge`, `PayloadUnreadable` (answer 403, 413, 400) or `StoreUnavailable` (answer 503,
        so that Messenger sends it again).
        """
        return self._here().webhook.receive(body, headers)

    def on_message(self, handler: Handler) -> Handler:
        """For a bot with no webhook of its own: the blueprint's `/webhook` calls the handler with each
        event (a dict) that is not account linking. What it raises is logged."""
        self._message_handler = _runnable(handler)
        return handler

    def _own_webhook(self) -> Any:
        return self._here().webhook.route(self._message_handler)

    # Buttons and messages

    def login_button(self) -> Button:
        """`{"type": "account_link", "url": ...}`, for any template of your own."""
        return buttons.login_button(self._here().login_url)

    def logout_button(self) -> Button:
        """`{"type": "account_unlink"}`."""
        return buttons.logout_button()

    def login_message(
        self,
        text: str | None = None,
        *,
        title: str | None = None,
        subtitle: str | None = None,
        image_url: str | None = None,
    ) -> Message:
        """A `message` object with a Log In button, for any client's send call.

        A button template, or a generic template when there is a title, subtitle or picture. `ValueError`
        at once for what Messenger would refuse: text over 640, title or subtitle over 80 characters, an
        address that is not https.
        """
        here = self._here()
        text = text or here.messages.login_prompt(here.settings.locale)
        return buttons.message_with(
            self.login_button(), text, title=title, subtitle=subtitle, image_url=image_url
        )

    def logout_message(
        self,
        text: str | None = None,
        *,
        title: str | None = None,
        subtitle: str | None = None,
        image_url: str | None = None,
    ) -> Message:
        """The same with a Log Out button."""
        here = self._here()
        text = text or here.messages.logout_prompt(here.settings.locale)
        return buttons.message_with(
            self.logout_button(), text, title=title, subtitle=subtitle, image_url=image_url
        )

    @property
    def bot(self) -> Any:
        """The pymessenger Bot of the only page: yours, or one made from the configuration."""
        return self.bot_of()

    def bot_of(self, page_id: str | None = None) -> Any:
        """The pymessenger Bot of a page, with time-outs, one pooled connection, and `GraphError`."""
        return self._here().bots.of(page_id)

    def prompt_login(
        self, psid: str, text: str | None = None, *, resume: Any = None, page_id: str | None = None
    ) -> None:
        """Send a message with a Log In button. Raises `GraphError` when Messenger does not take it.

        `resume`, any JSON value, comes back as `event.resume` of the linked event, within an hour.
        """
        here = self._here()
        text = text or here.messages.login_prompt(here.locale_of(page_id, psid))
        message = self.login_message(text)
        if resume is not None:
            here.linking.remember(psid, resume, page_id)
        from bot_linking.messenger.send import send_with

        send_with(here.bots.of(page_id), psid, message)
        self._tell(weakref.ref(here.app), LoginPrompted(page_id or here.linking.page_id, psid))

    @overload
    def login_required(self, handler: Callable[..., Any]) -> Callable[..., Any]: ...
    @overload
    def login_required(
        self, *, text: str | None = None, cancelled: Callable[..., Any] | None = None
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]: ...
    def login_required(
        self,
        handler: Callable[..., Any] | None = None,
        *,
        text: str | None = None,
        cancelled: Callable[..., Any] | None = None,
    ) -> Any:
        """On a handler of events: runs it with the link, or prompts for a login and runs it afterwards.

            @linking.login_required(text="Log in to see your orders.")
            def orders(event, link): ...

        The handler is called as `handler(event, link, *args, **kwargs)`; `event` is a webhook event or a
        PSID, and the rest are JSON values. After linking it runs by itself, from the outbox: at least once,
        in the process that delivers. `cancelled(event, *args, **kwargs)` is told when the person declines.
        """

        def decorate(handler: Callable[..., Any]) -> Callable[..., Any]:
            runs = _runnable(handler)
            name = self._interrupted.add(handler, runs, cancelled)

            @wraps(handler)
            def guarded(event: Any, *args: Any, **kwargs: Any) -> Any:
                psid, page_id = person_of(event)
                link = self.link_of(psid, page_id)
                if link is not None:
                    return runs(event, link, *args, **kwargs)
                resume = call_of(name, event, args, kwargs)
                return self.prompt_login(psid, text, resume=resume, page_id=page_id)

            return guarded

        return decorate if handler is None else decorate(handler)

    # The verbs

    def link_of(self, psid: str, page_id: str | None = None) -> Link | None:
        """The person's link, or None. One indexed read: ask on every message.

        `page_id` is only needed with several pages. Raises `PageUnknown` when it would have to guess, and
        `StoreUnavailable`.
        """
        return self._here().linking.link_of(psid, page_id)

    def links_of(self, account_id: str) -> list[Link]:
        """Every link of an account: a person may have several phones or write to several pages."""
        return self._here().linking.links_of(account_id)

    def history_of(self, psid: str, page_id: str | None = None) -> list[Change]:
        """Every change of a person's links, oldest first: what, when, and through which door. Kept for 400
        days, or until `erase`."""
        return self._here().linking.history_of(psid, page_id)

    def unlink(self, psid: str, page_id: str | None = None) -> bool:
        """Unlink here at once, and at Messenger as soon as it answers (tried until it works).

        False when there was no link. The person gets a short farewell.
        """
        return self._here().linking.unlink(psid, page_id)

    def erase(self, psid: str, page_id: str | None = None) -> int:
        """Remove everything about a person, from every table. The number of rows that went."""
        return self._here().linking.erase(psid, page_id)

    def drop_pending(self, account_id: str) -> None:
        """End logins of an account that are under way: when its password changes or it is disabled."""
        self._here().linking.drop_pending(account_id)

    def unlink_account(self, account_id: str) -> int:
        """End every link of an account and its logins under way: when it is deleted, locked or recovered.

        Each person gets a short farewell. The number of links that ended. Tokens of the ExternalAccount
        module that came from the links end with them; `ExternalAccount.revoke_tokens` ends all others.
        """
        return self._here().linking.unlink_account(account_id)

    # Telling

    def _tell(self, app: weakref.ref[Flask], event: Happening) -> None:
        if isinstance(event, LoginCancelled):
            self._interrupted.cancel(event.resume)
        signals.tell(app(), event)


def _runnable(view: Callable[..., Any]) -> Callable[..., Any]:
    """The view itself; one that is `async` is run in the app's own way."""
    return partial(_run_async, view) if iscoroutinefunction(view) else view


def _run_async(view: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return current_app.ensure_sync(view)(*args, **kwargs)


__all__ = ["Account", "AccountLinking", "Link"]
