"""What Graph says of each page: its token, its subscriptions, its profile. Pages are asked in parallel."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from bot_linking.config.pages import Page
from bot_linking.doors.findings import Finding
from bot_linking.messenger.graph import Graph, GraphError
from bot_linking.operators.ends_checks import check_token
from bot_linking.operators.setup import app_of, apps_of_page, rows_of

FIELD = "messaging_account_linking"
AT_ONCE = 16

GraphOf = Callable[[Page], Graph]


def check_pages(
    pages: Sequence[Page],
    graph_of: GraphOf,
    *,
    configured: Collection[str | None],
    app_id: str | None,
    tell_left: Callable[[int], None],
) -> Iterator[Finding]:
    """The findings of every page, then of every app. `tell_left` is called with the number of pages left.
    Where there are several, a page without fault is one line. Without `app_id` Graph is asked whose app each
    token is. `configured` are the pages of the configuration: the others were added by a command."""
    apps = list({page.app_secret: page for page in reversed(pages)}.values())[::-1]  # one page of each app
    with ThreadPoolExecutor(AT_ONCE, "bot_linking check") as pool:
        try:
            found = pool.map(lambda page: app_id or app_of(graph_of(page)), apps)
            ids = dict(zip((page.app_secret for page in apps), found, strict=True))

            def findings_of(page: Page) -> list[Finding]:
                return list(
                    _page(graph_of(page), page, ids[page.app_secret], is_added=page.id not in configured)
                )

            each = pool.map(findings_of, pages)
            for left, (page, findings) in enumerate(zip(pages, each, strict=True), 1 - len(pages)):
                tell_left(-left)
                yield from findings if len(pages) == 1 else _named(page, findings)
            each = pool.map(lambda page: list(_app(graph_of(page), page, ids[page.app_secret])), apps)
            for page, findings in zip(apps, each, strict=True):
                yield from findings if len(apps) == 1 else _of_app(page, findings)
        finally:
            pool.shutdown(cancel_futures=True)


def _named(page: Page, findings: Sequence[Finding]) -> Iterator[Finding]:
    """The findings of one page of several."""
    bad = [finding for finding in findings if finding.state != "ok"]
    if not bad:
        yield Finding("ok", f"page {page.id}: the token is good and the page subscribed")
    for state, what in bad:
        yield Finding(state, f"page {page.id}: {what}")


def _of_app(page: Page, findings: Sequence[Finding]) -> Iterator[Finding]:
    """The findings of one app of several; `page` is one of its pages."""
    for state, what in findings:
        yield Finding(state, f"page {page.id}'s app: {what}")


def _page(graph: Graph, page: Page, app_id: str | None, *, is_added: bool) -> Iterator[Finding]:
    rotate = f"flask linking page rotate {page.id}"
    try:
        page_id = graph.page_id()
    except GraphError as problem:
        settings = "BOT_LINKING_PAGE_ACCESS_TOKEN, BOT_LINKING_APP_SECRET and BOT_LINKING_GRAPH_URL"
        if is_added:
            settings = "BOT_LINKING_GRAPH_URL"
        mend = f"run {rotate}" if is_added and problem.cause in ("token", "secret") else f"check {settings}"
        yield Finding("wrong", f"{problem}: {mend}")
        return
    yield Finding("ok", f"Graph answers, and the token is page {page_id}'s")
    if page.id not in (None, page_id):
        ours = f"the configured page is {page.id}: set BOT_LINKING_PAGE_ID or its token right"
        yield Finding("wrong", f"the token is another page's: run {rotate}" if is_added else ours)
    yield from _subscribed_page(graph, app_id)
    yield from _profile(graph)
    asking = graph if app_id is None else graph.as_app(app_id, page.app_secret)
    yield from check_token(asking, page.access_token, datetime.now(UTC))


def _subscribed_page(graph: Graph, app_id: str | None) -> Iterator[Finding]:
    try:
        apps = apps_of_page(graph, app_id)
    except GraphError as problem:
        yield Finding("wrong", f"the page's subscriptions cannot be read: {problem}")
        return
    if any(FIELD in (app.get("subscribed_fields") or ()) for app in apps):
        yield Finding("ok", f"the page is subscribed to {FIELD}")
    else:
        yield Finding(
            "wrong",
            f"the page is not subscribed to {FIELD}: run flask linking setup",
        )


def _app(graph: Graph, page: Page, app_id: str | None) -> Iterator[Finding]:
    if app_id is None:
        yield Finding("note", "the app's subscriptions cannot be read: Graph does not say which app it is")
        return
    try:
        rows = rows_of(graph.as_app(app_id, page.app_secret).get(f"{app_id}/subscriptions"))
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
            "wrong",
            f"the app's webhook is not subscribed to {FIELD}: run flask linking setup, or tick it in the"
            " app's dashboard",
        )


def _profile(graph: Graph) -> Iterator[Finding]:
    try:
        (profile,) = rows_of(
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
