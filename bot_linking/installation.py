"""What one app gets: from its configuration a store, from the store the core, from the core the doors."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot_linking import signals
from bot_linking.account_link_api.endpoint import AccountLinkAPI
from bot_linking.config.settings import Settings, default_database, is_loopback_address, read_settings
from bot_linking.core.errors import ConfigurationError, StoreUnavailable
from bot_linking.core.identifiers import ResolveAccount
from bot_linking.core.linking import Linking
from bot_linking.core.ports import Clock, Tell
from bot_linking.delivery import Delivery
from bot_linking.interrupted import Interrupted
from bot_linking.messenger.bots import Bots, owners_of_secrets
from bot_linking.messenger.buttons import login_button
from bot_linking.messenger.deliveries import Confirmation, Errands, Farewell
from bot_linking.messenger.messages import Messages
from bot_linking.messenger.webhook import Webhook
from bot_linking.stores import open_counters, open_store
from bot_linking.stores.store import SQLStore
from bot_linking.webview.views import Authenticate, CreateAccount, CurrentAccount, Webview

if TYPE_CHECKING:
    from flask import Flask


@dataclass(frozen=True, kw_only=True)
class Deciders:
    """What the host decides, as `AccountLinking` was given it."""

    authenticate: Authenticate | None
    current_account: CurrentAccount | None
    create_account: CreateAccount | None
    may_link: Callable[[str], bool] | None
    resolve_account: ResolveAccount | None
    confirmation: Confirmation | None
    farewell: Farewell | None
    bot: Any
    clock: Clock


@dataclass(frozen=True)
class Installation:
    """Everything of one app."""

    app: Flask
    settings: Settings
    store: SQLStore
    linking: Linking
    bots: Bots
    messages: Messages
    login_url: str
    webhook: Webhook
    webview: Webview
    api: AccountLinkAPI
    delivery: Delivery
    tell: Tell

    def locale_of(self, page_id: str | None, psid: str) -> str:
        """The language to write to a person in."""
        page_id = page_id or self.linking.page_id
        known = self.store.locale_of(page_id, psid) if page_id else None
        return known or self.settings.locale


def install(
    app: Flask,
    prefix: str,
    deciders: Deciders,
    interrupted: Interrupted,
    tell: Tell,
    overrides: Mapping[str, Any],
) -> Installation:
    """Build everything for one app. Raises `ConfigurationError`."""
    settings = _read_settings(app, deciders, overrides)
    store, bots = _open(settings), Bots(settings, deciders.bot, tell=tell)
    if deciders.resolve_account is not None:
        store.restore_named_ids()
    is_single = len(settings.pages) == 1
    linking = Linking(
        store, tell=tell, wake=lambda: delivery.wake(), clock=deciders.clock,
        page_id=settings.pages[0].id if is_single else None,
        code_max_age=settings.code_max_age, may_link=deciders.may_link,
        resolve_account=deciders.resolve_account, ask_page=bots.graphs[0].page_id if is_single else None,
        counters=open_counters(settings.throttle, store),
    )  # fmt: skip
    login_url = f"{settings.public_url}{prefix.rstrip('/')}/login"
    messages = Messages(
        brand_name=settings.brand_name, login_button=login_button(login_url), next_step=settings.next_step
    )
    errands = Errands(
        linking, bots, messages, interrupted, locale=settings.locale,
        confirmation=deciders.confirmation, farewell=deciders.farewell,
    )  # fmt: skip
    delivery = Delivery(
        store, errands.handlers(), tell=tell, tokens=bots.token_name, all_tokens=bots.token_names(),
        clock=deciders.clock, context=app.app_context,
    )  # fmt: skip
    webhook = Webhook(
        linking, secrets=owners_of_secrets(settings), tell=tell,
        verify_tokens=[page.verify_token for page in settings.pages],
        listeners=signals.webhook_received.receivers,
    )  # fmt: skip
    webview = Webview(
        linking, settings, login_url=login_url, graphs=bots.graphs, tell=tell,
        authenticate=deciders.authenticate, current_account=deciders.current_account,
        create_account=deciders.create_account,
    )  # fmt: skip
    knows = bots.knows if settings.verify_psid else None
    api = AccountLinkAPI(linking, settings, prefix=prefix, tell=tell, knows=knows)
    return Installation(
        app, settings, store, linking, bots, messages, login_url, webhook, webview, api, delivery, tell
    )


def _read_settings(app: Flask, deciders: Deciders, overrides: Mapping[str, Any]) -> Settings:
    defaults: dict[str, Any] = {"database": default_database(app.instance_path)}
    public_url = app.config.get("BOT_LINKING_PUBLIC_URL") or os.environ.get("BOT_LINKING_PUBLIC_URL")
    if app.secret_key:
        defaults["secret_key"] = [app.secret_key, *(app.config.get("SECRET_KEY_FALLBACKS") or [])]
    elif is_loopback_address(public_url):
        defaults["secret_key"] = secrets.token_hex(32)  # for a try on this machine, until the next start
    given = {f"BOT_LINKING_{name.upper()}": each for name, each in overrides.items() if each is not None}
    settings = read_settings({**app.config, **given}, os.environ, defaults)
    if deciders.bot is not None and len(settings.pages) > 1:
        raise ConfigurationError("AccountLinking(bot=...)", "serves one page only: leave it out with PAGES")
    if settings.login_url and not deciders.current_account:
        raise ConfigurationError("BOT_LINKING_LOGIN_URL", "needs current_account= to tell who came back")
    return settings


def _open(settings: Settings) -> SQLStore:
    try:
        return open_store(settings.database)
    except StoreUnavailable as problem:
        raise ConfigurationError("BOT_LINKING_DATABASE", f"cannot be used: {problem}") from None
