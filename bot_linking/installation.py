"""What `AccountLinking` builds for one app: settings, store, core, doors and delivery."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from flask import Flask

from bot_linking import signals
from bot_linking.account_link_api.endpoint import AccountLinkAPI
from bot_linking.config.of_app import settings_of
from bot_linking.config.reading import judge_page, key_of
from bot_linking.config.settings import Settings
from bot_linking.core.errors import ConfigurationError
from bot_linking.core.events import Happening
from bot_linking.core.funnel import Funnel
from bot_linking.core.hooks import Hooks
from bot_linking.core.linking import Linking
from bot_linking.core.ports import Tell
from bot_linking.core.text import safe_name
from bot_linking.core.ways import Ways
from bot_linking.delivery import Delivery
from bot_linking.delivery.ends import stop_at_the_end
from bot_linking.delivery.handlers import Handler, handlers_of
from bot_linking.doors.commands import open_store_of
from bot_linking.doors.contexts import LoggedTeardown
from bot_linking.doors.health import Health
from bot_linking.doors.neighbour import Neighbour, add_commands
from bot_linking.doors.unconfigured import is_serving
from bot_linking.interrupted import Interrupted
from bot_linking.messenger.bots import Bots
from bot_linking.messenger.buttons import Button, ButtonOf, login_button
from bot_linking.messenger.callbacks import Callbacks
from bot_linking.messenger.chat import Chat
from bot_linking.messenger.choice import Choice
from bot_linking.messenger.deliveries import Deliveries
from bot_linking.messenger.erasure import Erasure
from bot_linking.messenger.host import Host
from bot_linking.messenger.inbox import Inbox
from bot_linking.messenger.kept_pages import RuntimePages
from bot_linking.messenger.m_me import chat_of, name_of_page
from bot_linking.messenger.messages import Messages
from bot_linking.messenger.owner_deliveries import OwnerDeliveries
from bot_linking.messenger.pages import Pages
from bot_linking.messenger.prompts import Prompts
from bot_linking.messenger.replies import Replies
from bot_linking.messenger.webhook import Webhook
from bot_linking.stores import open_counters
from bot_linking.stores.notices import Notices
from bot_linking.stores.page_keeper import Keeper
from bot_linking.stores.store import SQLStore
from bot_linking.translations import add_folder
from bot_linking.webview.owner_views import OwnerPages
from bot_linking.webview.sign_ins import CodePages, ProviderPages, sign_in_pages
from bot_linking.webview.views import Webview
from bot_linking.webview.visitor import Visitor
from bot_linking.webview.way_views import WayPages

_log = logging.getLogger("bot_linking")

START_DELAY_S = 1.0  # by then Werkzeug's reloader is loaded, whose parent process must not deliver


@dataclass(frozen=True, kw_only=True)
class Installation:
    """The parts of one app, all built."""

    app: Flask
    settings: Settings
    store: SQLStore
    linking: Linking
    pages: Pages
    runtime_pages: RuntimePages
    bots: Bots
    messages: Messages
    prompts: Prompts
    choice: Choice
    login_url: str
    login_button: ButtonOf
    webhook: Webhook
    webview: Webview
    sign_in_pages: tuple[CodePages, ProviderPages]
    owner_pages: OwnerPages
    way_pages: WayPages
    callbacks: Callbacks
    api: AccountLinkAPI
    delivery: Delivery
    health: Health
    tell: Tell
    host: Host
    ways: Ways
    funnel: Funnel
    base_url: str

    def name_of_page(self, page_id: str) -> str:
        """The page's name in an m.me address: its user name, else its id."""
        return name_of_page(self.pages, page_id, settings=self.settings)

    def doors(self) -> tuple[Webview | CodePages | ProviderPages | WayPages | OwnerPages | Callbacks, ...]:
        """Every door that the blueprint gives routes, beside the API."""
        return (self.webview, *self.sign_in_pages, self.way_pages, self.owner_pages, self.callbacks)

    def start_delivery(self) -> None:
        """Start delivery if `BOT_LINKING_DELIVERY` is `thread` and this process answers requests."""
        if self.settings.delivery == "thread" and is_serving(self.app):
            self.delivery.start(after=START_DELAY_S)
            stop_at_the_end(self.delivery)

    def page_ids(self) -> list[str]:
        """The ids of the pages that this bot serves. A page that is configured without an id is left out."""
        return [page.id for page in self.pages.all() if page.id is not None]

    def join(self, neighbour: Neighbour) -> None:
        """Connect an optional room. Call it only while the app is being set up."""
        if neighbour.follower is not None:
            self.store.followers.append(neighbour.follower)
        if neighbour.second_factor is not None:
            self.webview.attempts.second_factor = neighbour.second_factor
        if neighbour.operations is not None:
            self.api.neighbours.append(neighbour.operations)
        add_commands(self.app, neighbour.commands)


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
    """Build every part for one app. Raises `ConfigurationError`."""
    settings = settings_of(app, hooks, overrides)
    if settings.translations is not None:
        _take_translations(Path(app.root_path, settings.translations))
    parts = _Parts(app, prefix, hooks, interrupted, _tell=tell, settings=settings, host=host)
    if hooks.resolve_account is not None:
        parts.store.engine.opening.afterwards(parts.store.restore_named_ids)
    if hooks.notify_owner is not None:
        parts.store.followers.append(Notices())
    built = {each.name: getattr(parts, each.name) for each in fields(Installation)}
    return Installation(**built)


@dataclass(eq=False)
class _Parts:
    """Every part of an installation, made when another part first asks for it."""

    app: Flask
    prefix: str
    hooks: Hooks
    interrupted: Interrupted
    _tell: Tell
    settings: Settings
    host: Host

    def __post_init__(self) -> None:
        self.base_url = f"{self.settings.public_url}{self.prefix.rstrip('/')}"
        self.login_url = f"{self.base_url}/login"

    def tell(self, event: Happening) -> None:
        """The funnel counts an event before the receivers get it."""
        self.funnel.hear(event)
        self._tell(event)

    @cached_property
    def funnel(self) -> Funnel:
        clock, pages = self.hooks.clock, self.pages
        return Funnel(
            self.store,
            tell=self._tell,
            now=lambda: int(clock() * 1000),
            sole_page=pages.sole_id,
            listeners=signals.stage_reached.receivers,
        )

    def _in_request(self) -> LoggedTeardown:
        """The context for the host's callables outside of a request, where `url_for` must work, too."""
        return LoggedTeardown(self.app.test_request_context(base_url=self.settings.public_url))

    @cached_property
    def store(self) -> SQLStore:
        return open_store_of(self.app, self.settings)

    @cached_property
    def keeper(self) -> Keeper:
        return Keeper(self.store, self.settings.page_keys)

    @cached_property
    def pages(self) -> Pages:
        return Pages(self.settings.pages, self.keeper if self.settings.page_keys else None)

    @cached_property
    def runtime_pages(self) -> RuntimePages:
        judge = partial(judge_page, self.settings)
        return RuntimePages(self.pages, self.keeper, self.store, judge=judge, now=self.linking.now)

    @cached_property
    def bots(self) -> Bots:
        return Bots(
            self.pages,
            url=self.settings.graph_url,
            version=self.settings.graph_version,
            own=self.hooks.bot,
            tell=self.tell,
            on_usage=lambda page_id, percent: self.delivery.pace.heard(page_id, percent),
        )

    @cached_property
    def linking(self) -> Linking:
        return Linking(
            self.store,
            tell=self.tell,
            wake=lambda: self.delivery.wake(),
            hooks=self.hooks,
            sole_page=self.bots,
            code_max_age=self.settings.code_max_age,
            counters=open_counters(self.settings.throttle, self.store),
        )

    def login_button(self, page_id: str | None = None) -> Button:
        """The Log In button of a page. Where there are several pages its address names the page, so that the
        login asks only that page's Graph whose login it is."""
        hint = "" if page_id is None or self.pages.is_one() else f"?page={quote(page_id, safe='')}"
        return login_button(f"{self.login_url}{hint}")

    @cached_property
    def messages(self) -> Messages:
        settings = self.settings
        return Messages(
            brand_name=settings.brand_name, login_button=self.login_button, next_step=settings.next_step
        )

    @cached_property
    def prompts(self) -> Prompts:
        return Prompts(
            self.linking,
            self.choice,
            self.messages,
            locale=self.settings.locale,
            tell=self.tell,
            funnel=self.funnel,
        )

    @cached_property
    def choice(self) -> Choice:
        return Choice(
            self.bots,
            self.ways,
            base_url=self.base_url,
            login_button=self.login_button,
            preferred=self.settings.ways,
            offers_web=self.settings.offer_web,
            now=self.linking.now,
        )

    @cached_property
    def delivery(self) -> Delivery:
        return Delivery(
            self.store,
            self._handlers(),
            tell=self.tell,
            keys=self.pages.token_name,
            clock=self.hooks.clock,
            context=lambda: LoggedTeardown(self.app.app_context()),
            threads=self.settings.delivery_threads,
        )

    def _handlers(self) -> dict[str, Handler]:
        """The handler of each kind of outbox entry."""
        settings, hooks = self.settings, self.hooks
        deliveries = Deliveries(
            self.linking,
            self.bots,
            self.messages,
            self.interrupted,
            locale=settings.locale,
            hooks=hooks,
            in_request=self._in_request,
            utility_template=settings.utility_template,
            message_limit=settings.message_limit,
            funnel=self.funnel,
        )
        for_owners = OwnerDeliveries(
            self.linking, self.bots, hooks=hooks, app_id=settings.app_id, undo_url=f"{self.base_url}/undo/"
        )
        replies = Replies(self.bots, brand_name=safe_name(settings.brand_name), language_of=self._language_of)
        return handlers_of(deliveries, for_owners, replies, self.prompts)

    def _language_of(self, page_id: str, psid: str) -> str:
        return self.store.contact_of(page_id, psid).locale or self.settings.locale

    @cached_property
    def webhook(self) -> Webhook:
        inbox = Inbox(
            self.linking,
            pages=self.pages,
            tell=self.tell,
            chat=Chat(self.ways, Erasure(self.linking)),
            listeners=signals.webhook_received.receivers,
            waiting=self.delivery.waiting,
        )
        return Webhook(inbox)

    @cached_property
    def ways(self) -> Ways:
        return Ways(self.linking, self.funnel)

    @cached_property
    def webview(self) -> Webview:
        webview = Webview(
            self.linking,
            self.settings,
            login_url=self.login_url,
            bots=self.bots,
            tell=self.tell,
            hooks=self.hooks,
            funnel=self.funnel,
        )
        webview.pages.chat_of = partial(chat_of, self.pages, settings=self.settings)
        return webview

    @cached_property
    def visitor(self) -> Visitor:
        return Visitor(
            self.webview, self.settings, linking=self.linking, hooks=self.hooks, base_url=self.base_url
        )

    @cached_property
    def sign_in_pages(self) -> tuple[CodePages, ProviderPages]:
        return sign_in_pages(
            self.linking,
            webview=self.webview,
            hooks=self.hooks,
            keys=self.settings.secret_key,
            in_context=self._in_request,
            base_url=self.base_url,
        )

    @cached_property
    def owner_pages(self) -> OwnerPages:
        return OwnerPages(
            self.linking,
            self.settings,
            pages=self.webview.pages,
            browser=self.webview.browser,
            visitor=self.visitor,
            bots=self.bots,
        )

    @cached_property
    def health(self) -> Health:
        return Health(store=lambda: self.store.pages_revision(), pages=self.pages.require_all)

    @cached_property
    def way_pages(self) -> WayPages:
        return WayPages(
            self.linking,
            self.settings,
            webview=self.webview,
            ways=self.ways,
            visitor=self.visitor,
            tell=self.tell,
            served=self.pages,
            name_of_page=partial(name_of_page, self.pages, settings=self.settings),
        )

    @cached_property
    def callbacks(self) -> Callbacks:
        return Callbacks(self.linking, self.pages, status_url=f"{self.base_url}/deletion/")

    @cached_property
    def api(self) -> AccountLinkAPI:
        knows = self.bots.knows if self.settings.verify_psid else None
        return AccountLinkAPI(
            self.linking,
            self.settings,
            serves=self.pages.serves,
            prefix=self.prefix,
            tell=self.tell,
            knows=knows,
        )


def _take_translations(folder: Path) -> None:
    try:
        add_folder(folder)
    except ValueError as problem:
        raise ConfigurationError(key_of("translations"), str(problem)) from None
