"""What one app gets: from its configuration a store, from the store the core, from the core the doors."""

from __future__ import annotations

import atexit
import logging
import os
import secrets
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from flask import Flask

from bot_linking import signals
from bot_linking.account_link_api.endpoint import AccountLinkAPI
from bot_linking.config.reading import default_database, key_of, read_settings, strange_graph
from bot_linking.config.settings import Settings
from bot_linking.core.addresses import is_loopback
from bot_linking.core.errors import ConfigurationError
from bot_linking.core.hooks import Hooks
from bot_linking.core.linking import Linking
from bot_linking.core.ports import Tell
from bot_linking.core.text import safe_name
from bot_linking.core.ways import Ways
from bot_linking.delivery import Delivery
from bot_linking.doors.neighbour import Neighbour, add_commands
from bot_linking.doors.unconfigured import is_command
from bot_linking.interrupted import Interrupted
from bot_linking.messenger.bots import Bots, Pages
from bot_linking.messenger.buttons import login_button
from bot_linking.messenger.callbacks import Callbacks
from bot_linking.messenger.chat import Chat
from bot_linking.messenger.deliveries import Errands
from bot_linking.messenger.erasure import Erasure
from bot_linking.messenger.host import Host
from bot_linking.messenger.inbox import Inbox
from bot_linking.messenger.messages import Messages
from bot_linking.messenger.prompts import Prompts
from bot_linking.messenger.replies import Replies
from bot_linking.messenger.requests import OwnersDeliveries
from bot_linking.messenger.webhook import Webhook
from bot_linking.stores import open_counters, open_store
from bot_linking.stores.notices import Notices
from bot_linking.stores.store import SQLStore
from bot_linking.webview.owner_views import OwnerPages
from bot_linking.webview.views import Webview
from bot_linking.webview.way_views import WayPages

_log = logging.getLogger("bot_linking")


@dataclass(frozen=True, kw_only=True)
class Installation:
    """Everything of one app."""

    app: Flask
    settings: Settings
    store: SQLStore
    linking: Linking
    pages: Pages
    bots: Bots
    messages: Messages
    prompts: Prompts
    login_url: str
    webhook: Webhook
    webview: Webview
    owner_pages: OwnerPages
    way_pages: WayPages
    callbacks: Callbacks
    api: AccountLinkAPI
    delivery: Delivery
    tell: Tell
    host: Host
    ways: Ways
    base_url: str

    def name_of_page(self, page_id: str) -> str:
        """What a page is called in an m.me address: its user name, else its id."""
        return name_of_page(self.pages, self.settings, page_id)

    def doors(self) -> tuple[Webview | WayPages | OwnerPages | Callbacks, ...]:
        """Every room with routes of its own beside the two APIs."""
        return (self.webview, self.way_pages, self.owner_pages, self.callbacks)

    def start_delivery(self) -> None:
        """Deliver from this process, where it is configured so and the process answers requests."""
        if self.settings.delivery == "thread" and not (self.app.testing or is_command()):
            self.delivery.start()
            atexit.register(_stop_quietly, weakref.ref(self.delivery))

    def join(self, neighbour: Neighbour) -> None:
        """Take an optional room in, with all that it brings. Only while the app is being set up."""
        if neighbour.follower is not None:
            self.store.followers.append(neighbour.follower)
        if neighbour.second_factor is not None:
            self.webview.second_factor = neighbour.second_factor
        if neighbour.operations is not None:
            self.api.neighbours.append(neighbour.operations)
        add_commands(self.app, neighbour.commands)


def name_of_page(pages: Pages, settings: Settings, page_id: str) -> str:
    """What a page is called in an m.me address: its user name, else its id."""
    own = settings.page_username if len(pages.all()) == 1 else None
    return pages.page(page_id).username or own or page_id


def install(
    app: Flask,
    prefix: str,
    *,
    hooks: Hooks,
    interrupted: Interrupted,
    tell: Tell,
    overrides: Mapping[str, Any],
    host: Host,
) -> Installation:
    """Build everything for one app. Raises `ConfigurationError`."""
    settings = _read_settings(app, hooks, overrides)
    store = open_store(settings.database, create=settings.create_database, only_look=is_command())
    pages = Pages(settings.pages)
    if hooks.resolve_account is not None:
        store.engine.opening.afterwards(store.restore_named_ids)
    bots = Bots(pages, url=settings.graph_url, version=settings.graph_version, own=hooks.bot, tell=tell)
    is_single = len(settings.pages) == 1
    linking = Linking(
        store, tell=tell, wake=lambda: delivery.wake(), hooks=hooks,
        page_id=settings.pages[0].id if is_single else None,
        code_max_age=settings.code_max_age, ask_page=bots.graphs[0].page_id if is_single else None,
        counters=open_counters(settings.throttle, store),
    )  # fmt: skip
    login_url = f"{settings.public_url}{prefix.rstrip('/')}/login"
    messages = Messages(
        brand_name=settings.brand_name, login_button=login_button(login_url), next_step=settings.next_step
    )
    prompts = Prompts(linking, bots, messages, locale=settings.locale, tell=tell)
    in_request = partial(app.test_request_context, base_url=settings.public_url)
    errands = Errands(
        linking, bots, messages, interrupted, locale=settings.locale, hooks=hooks, in_request=in_request
    )
    base_url = f"{settings.public_url}{prefix.rstrip('/')}"
    for_owners = OwnersDeliveries(
        linking, bots, hooks=hooks, app_id=settings.app_id, undo_url=f"{base_url}/undo/"
    )
    if hooks.notify_owner is not None:
        store.followers.append(Notices())
    replies = Replies(
        bots,
        brand_name=safe_name(settings.brand_name),
        language_of=lambda page_id, psid: store.locale_of(page_id, psid) or settings.locale,
    )
    callbacks = Callbacks(linking, pages, status_url=f"{base_url}/deletion/")
    delivery = Delivery(
        store,
        errands.handlers() | for_owners.handlers() | replies.handlers() | {prompts.kind: prompts.deliver},
        tell=tell,
        tokens=pages.token_name,
        all_tokens=pages.token_names(),
        clock=hooks.clock,
        context=app.app_context,
    )
    ways = Ways(linking)
    inbox = Inbox(
        linking, pages=pages, tell=tell, chat=Chat(ways, Erasure(linking)),
        listeners=signals.webhook_received.receivers,
    )  # fmt: skip
    webview = Webview(linking, settings, login_url=login_url, bots=bots, tell=tell, hooks=hooks)
    way_pages = WayPages(
        linking, settings, webview=webview, ways=ways, hooks=hooks, tell=tell, served=pages,
        base_url=base_url, name_of_page=partial(name_of_page, pages, settings),
    )  # fmt: skip
    for_owner = OwnerPages(
        linking, settings, pages=webview.pages, browser=webview.browser, hooks=hooks, bots=bots,
        base_url=base_url,
    )  # fmt: skip
    knows = bots.knows if settings.verify_psid else None
    api = AccountLinkAPI(linking, settings, prefix=prefix, tell=tell, knows=knows)
    return Installation(
        app=app, settings=settings, store=store, linking=linking, pages=pages, bots=bots, prompts=prompts,
        messages=messages, login_url=login_url, webhook=Webhook(inbox), webview=webview,
        owner_pages=for_owner, way_pages=way_pages, callbacks=callbacks, api=api,
        delivery=delivery, tell=tell, host=host, ways=ways, base_url=base_url,
    )  # fmt: skip


def _read_settings(app: Flask, hooks: Hooks, overrides: Mapping[str, Any]) -> Settings:
    defaults: dict[str, Any] = {"database": default_database(app.instance_path)}
    public_url = app.config.get("BOT_LINKING_PUBLIC_URL") or os.environ.get("BOT_LINKING_PUBLIC_URL")
    if app.secret_key:
        defaults["secret_key"] = [app.secret_key, *(app.config.get("SECRET_KEY_FALLBACKS") or [])]
    elif is_loopback(public_url):
        defaults["secret_key"] = secrets.token_hex(32)  # for a try on this machine, until the next start
    given = {key_of(name): each for name, each in overrides.items() if each is not None}
    settings = read_settings({**app.config, **given}, os.environ, defaults)
    if hooks.bot is not None and len(settings.pages) > 1:
        raise ConfigurationError("AccountLinking(bot=...)", "serves one page only: leave it out with PAGES")
    if problem := strange_graph(settings):
        _log.warning("%s", problem)
    if settings.login_url and not hooks.current_account:
        raise ConfigurationError("BOT_LINKING_LOGIN_URL", "needs current_account= to tell who came back")
    return settings


def _stop_quietly(delivery: weakref.ref[Delivery]) -> None:
    if (still := delivery()) is not None:
        still.stop(timeout=2.0)
