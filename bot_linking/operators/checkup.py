"""What `check` looks at: one finding for each thing that linking needs, with the way to mend it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bot_linking.config.pages import Page
from bot_linking.config.reading import strange_graph
from bot_linking.config.settings import Settings
from bot_linking.core.errors import ConfigurationError, StoreUnavailable
from bot_linking.doors.callers import UNHEEDED, UNHEEDED_WINDOW_MS
from bot_linking.doors.findings import Finding
from bot_linking.messenger.graph import Graph
from bot_linking.operators.address_checks import check_handshake
from bot_linking.operators.ends_checks import check_version
from bot_linking.operators.file_checks import check_file
from bot_linking.operators.outbox_checks import check_outbox
from bot_linking.operators.page_checks import check_pages

if TYPE_CHECKING:
    from bot_linking.core.linking import Linking
    from bot_linking.installation import Installation
    from bot_linking.stores.store import SQLStore


def checkup(
    here: Callable[[], Installation], *, tell_left: Callable[[int], None] = lambda left: None
) -> Iterator[Finding]:
    """Check the configuration, the store, the outbox, and what Graph says of each page. `tell_left` is called
    with the number of pages that are left to ask about."""
    try:
        bot = here()
    except ConfigurationError as problem:
        yield from (Finding("wrong", sentence) for sentence in problem.problems)
        return
    settings = bot.settings
    yield Finding("ok", "the configuration is complete")
    yield from _addresses(settings)
    yield from check_file(settings.database, is_for_real=settings.is_https)
    yield from _store(bot)
    yield from _counters(settings, bot.store)
    yield from _proxies(settings, bot.linking)
    yield from _accounts(bot.store, bot.linking)
    yield from bot.host.remarks()

    yield from _kept_pages(bot)
    yield from check_handshake(bot)
    yield from check_version(settings.graph_version, datetime.now(UTC).date())

    def graph_of(page: Page) -> Graph:
        return Graph(
            page.access_token, page.app_secret, url=settings.graph_url, version=settings.graph_version
        )

    yield from check_pages(
        bot.pages.all(),
        graph_of,
        configured=bot.pages.configured,
        app_id=settings.app_id,
        tell_left=tell_left,
    )


def _addresses(settings: Settings) -> Iterator[Finding]:
    if settings.is_https:
        yield Finding("ok", f"the linking page is at {settings.public_url}, https")
    else:
        problem = "is plain http, which Messenger does not open: use an https address outside this machine"
        yield Finding("note", f"BOT_LINKING_PUBLIC_URL {problem}")
    if strange := strange_graph(settings):
        yield Finding("note", strange)


def _accounts(store: SQLStore, linking: Linking) -> Iterator[Finding]:
    """Without `resolve_account`, a sign-in and an API call give the same account two different ids."""
    if not linking.knows_accounts_twice:
        return
    with suppress(StoreUnavailable):
        if any(key.revoked_at is None for key in store.list_api_keys()):
            problem = "there are API keys and no resolve_account: whom a call links is known as username:...,"
            yield Finding("note", f"{problem} never by the account that they sign in to")


def _proxies(settings: Settings, linking: Linking) -> Iterator[Finding]:
    """An X-Forwarded-For that was ignored shows that a proxy stands in front."""
    if settings.trusted_proxies:
        return
    try:
        seen, _ = linking.counters.find_limit(UNHEEDED, linking.now(), UNHEEDED_WINDOW_MS)
    except StoreUnavailable:
        return
    if seen:
        problem = (
            "X-Forwarded-For arrived and was passed over, so all people behind your proxy share one address"
            " and its limits: set BOT_LINKING_TRUSTED_PROXIES to the number of proxies"
        )
        yield Finding("wrong", problem)


def _store(bot: Installation) -> Iterator[Finding]:
    try:
        bot.store.check()
        outbox = list(check_outbox(bot.store, bot.pages, bot.linking.now()))
    except StoreUnavailable as problem:
        yield Finding("wrong", f"{problem}: check BOT_LINKING_DATABASE, the disk and the file's permissions")
        return
    yield Finding("ok", "the store reads and writes")
    for step in bot.store.engine.opening.unknown:
        yield Finding(
            "note", f"the store is of a newer release, which made {step}: bring this one up to date"
        )
    yield from outbox


def _kept_pages(bot: Installation) -> Iterator[Finding]:
    """A finding for each page of the store that no configured key decrypts."""
    try:
        unread = [page.page_id for page in bot.runtime_pages.list() if not page.access_tokens]
    except StoreUnavailable:
        return
    for page_id in unread:
        problem = f"page {page_id} of the store is not served: no key of BOT_LINKING_PAGE_KEYS opens it"
        yield Finding("wrong", problem)


def _counters(settings: Settings, store: SQLStore) -> Iterator[Finding]:
    if settings.throttle is None:
        return
    from bot_linking.stores.redis_counters import RedisCounters

    if problem := RedisCounters(settings.throttle, store).check():
        text = f"Redis does not answer ({problem}), the database counts attempts: check BOT_LINKING_THROTTLE"
        yield Finding("wrong", text)
    else:
        yield Finding("ok", "Redis counts attempts")
