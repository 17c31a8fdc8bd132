"""Is everything set up? One finding for each thing that linking needs, with the way to mend it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from bot_linking.config.pages import Page
from bot_linking.config.settings import Settings
from bot_linking.core.errors import StoreUnavailable
from bot_linking.messenger.graph import Graph, GraphError

if TYPE_CHECKING:
    from bot_linking.messenger.host import Host
    from bot_linking.stores.store import SQLStore

FIELD = "messaging_account_linking"
LATE_S = 300


class Finding(NamedTuple):
    """`ok`, `wrong`, or `note` where it may be meant so."""

    state: Literal["ok", "wrong", "note"]
    what: str


def checkup(settings: Settings, store: SQLStore, now: int) -> Iterator[Finding]:
    """Configuration, store, outbox, and what Graph says of each page."""
    yield Finding("ok", "the configuration is complete")
    yield from _address(settings)
    yield from _store(store, now)
    yield from _counters(settings, store)
    for page in settings.pages:
        graph = Graph(
            page.access_token, page.app_secret, url=settings.graph_url, version=settings.graph_version
        )
        yield from _page(graph, page)


def about_host(host: Host) -> Iterator[Finding]:
    """The host's own views and extensions: does everything that Messenger posts come to us, and through?"""
    return (Finding(*remark) for remark in host.remarks())


def _address(settings: Settings) -> Iterator[Finding]:
    if settings.is_https:
        yield Finding("ok", f"the linking page is at {settings.public_url}, https")
    else:
        problem = "is plain http, which Messenger does not open: use an https address outside this machine"
        yield Finding("note", f"BOT_LINKING_PUBLIC_URL {problem}")


def _store(store: SQLStore, now: int) -> Iterator[Finding]:
    try:
        store.check()
        outbox = store.outbox_depth()
    except StoreUnavailable as problem:
        yield Finding("wrong", f"{problem}: check BOT_LINKING_DATABASE, the disk and the file's permissions")
        return
    yield Finding("ok", "the store reads and writes")
    late = (now - outbox["oldest"]) / 1000 if outbox["oldest"] else 0
    if late > LATE_S:
        oldest = f"the oldest of {outbox['depth']} waiting messages is {late / 60:.0f} min late"
        yield Finding("wrong", f"{oldest}: is a web process or `flask linking deliver` running?")
    else:
        yield Finding("ok", f"the outbox holds {outbox['depth']} message(s)")
    if outbox["held"]:
        yield Finding("wrong", f"{outbox['held']} message(s) wait for another page token: replace it")
    if outbox["dead"]:
        yield Finding("note", f"{outbox['dead']} dead letter(s): see `flask linking dead-letters`")


def _counters(settings: Settings, store: SQLStore) -> Iterator[Finding]:
    if settings.throttle is None:
        return
    from bot_linking.stores.redis_counters import RedisCounters

    if problem := RedisCounters(settings.throttle, store).check():
        text = f"Redis does not answer ({problem}), the database counts attempts: check BOT_LINKING_THROTTLE"
        yield Finding("wrong", text)
    else:
        yield Finding("ok", "Redis counts attempts")


def _page(graph: Graph, page: Page) -> Iterator[Finding]:
    try:
        page_id = graph.page_id()
    except GraphError as problem:
        yield Finding("wrong", f"{problem}: check BOT_LINKING_PAGE_ACCESS_TOKEN and BOT_LINKING_GRAPH_URL")
        return
    yield Finding("ok", f"Graph answers, and the token is page {page_id}'s")
    if page.id not in (None, page_id):
        yield Finding(
            "wrong", f"the configured page is {page.id}: set BOT_LINKING_PAGE_ID or its token right"
        )
    yield from _subscribed_page(graph)
    yield from _subscribed_app(graph, page)
    yield from _profile(graph)


def _subscribed_page(graph: Graph) -> Iterator[Finding]:
    try:
        apps = _rows(graph.get("me/subscribed_apps", fields="id,subscribed_fields"))
    except GraphError as problem:
        yield Finding("wrong", f"the page's subscriptions cannot be read: {problem}")
        return
    if any(FIELD in (app.get("subscribed_fields") or ()) for app in apps):
        yield Finding("ok", f"the page is subscribed to {FIELD}")
    else:
        yield Finding(
            "wrong",
            f"the page is not subscribed to {FIELD}: POST me/subscribed_apps with it in subscribed_fields",
        )


def _subscribed_app(graph: Graph, page: Page) -> Iterator[Finding]:
    try:
        app_id = str(graph.get("app", fields="id").get("id"))
        rows = _rows(graph.as_app(app_id, page.app_secret).get(f"{app_id}/subscriptions"))
    except GraphError as problem:
        yield Finding("note", f"the app's subscriptions cannot be read: {problem}")
        return
    fields = {
        each.get("name") if isinstance(each, dict) else each
        for row in rows
        if row.get("object") == "page"
        for each in row.get("fields") or ()
    }
    if FIELD in fields:
        yield Finding("ok", f"the app is subscribed to {FIELD}")
    else:
        yield Finding(
            "wrong", f"the app's webhook is not subscribed to {FIELD}: tick it in the app's dashboard"
        )


def _profile(graph: Graph) -> Iterator[Finding]:
    try:
        (profile,) = _rows(
            graph.get("me/messenger_profile", fields="account_linking_url,subject_to_new_eu_privacy_rules")
        ) or [{}]
    except (GraphError, ValueError):
        return
    if profile.get("subject_to_new_eu_privacy_rules"):
        yield Finding(
            "wrong", "the page is under the European rules, where Messenger offers no account linking"
        )
    if not profile.get("account_linking_url"):
        yield Finding("note", "the profile's account_linking_url is not set; the buttons work without it")


def _rows(answer: dict[str, Any]) -> list[dict[str, Any]]:
    rows = answer.get("data")
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
