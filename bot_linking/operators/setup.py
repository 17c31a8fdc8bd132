"""What `setup` mends at Messenger: each page's subscription and profile, and the app's subscription.

Graph replaces lists, so each is read, merged, written and read again. Nothing is ever removed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import urlsplit

from bot_linking.messenger.graph import Graph, GraphError

if TYPE_CHECKING:
    from bot_linking.config.pages import Page

FIELDS = ("messages", "messaging_postbacks", "messaging_account_linking", "messaging_referrals")
PROFILE = "account_linking_url,get_started,whitelisted_domains,persistent_menu"
GET_STARTED = {"payload": "GET_STARTED"}
_PERMISSION = re.compile(r"\b(?:pages|business)_[a-z_]+\b")
_LIMITS = {4, 17, 32, 341, 613, 80001, 80006}
_BAD_TOKENS = {102, 104, 190, 210, 2500}
_NO_HANDSHAKE = 2200
_DASHBOARD = "in the app's dashboard"
_SETTINGS = f"Messenger > Messenger API Settings {_DASHBOARD}"
_BAD_APP = f"the app's id or its secret is wrong: compare both under App settings > Basic {_DASHBOARD}"
_BAD_TOKEN = f"the page's access token is not good: make a new one under {_SETTINGS}, Generate access tokens"
_UNANSWERED = (
    "the webhook did not answer Messenger's handshake: the bot must run, and its BOT_LINKING_VERIFY_TOKEN be"
    f" the one under {_SETTINGS}, Webhooks"
)


class Step(NamedTuple):
    """One thing that must be set at Messenger. `state`: `ok` it was set, `added`, `missing` in a dry run,
    which writes nothing, or `wrong`, and `what` says why."""

    state: Literal["ok", "added", "missing", "wrong"]
    what: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be set: the address of the linking pages, the domain that may use Messenger Extensions and
    the item of the menu (None leaves either as it is). With `dry_run` nothing is written."""

    login_url: str
    domain: str | None
    menu_item: Mapping[str, Any] | None
    dry_run: bool


def origin_of_pages(login_url: str) -> str:
    """The origin of the linking pages."""
    parts = urlsplit(login_url)
    return f"{parts.scheme}://{parts.netloc}"


def set_up_page(graph: Graph, app_id: str | None, plan: Plan) -> Iterator[Step]:
    """One page: its subscription, then its profile, in three of the ten calls that Graph allows in ten
    minutes."""
    yield from _explained("the page's subscription", lambda: _subscribe_page(graph, app_id, plan))
    yield from _explained("the page's profile", lambda: _fill_profile(graph, plan))


def set_up_app(graph: Graph, app_id: str, page: Page, plan: Plan) -> Iterator[Step]:
    """The app's subscription to its pages; its callback address stays."""
    as_app = graph.as_app(app_id, page.app_secret)
    yield from _explained("the app's subscription", lambda: _subscribe_app(as_app, app_id, page, plan))


def app_of(graph: Graph) -> str | None:
    """The app that the page's token was made for; None where Graph does not say."""
    try:
        return str(graph.get("app", fields="id").get("id") or "") or None
    except GraphError:
        return None


def _subscribe_page(graph: Graph, app_id: str | None, plan: Plan) -> list[Step]:
    fields = _page_fields(graph, app_id)
    missing = [field for field in FIELDS if field not in fields]
    if missing and not plan.dry_run:
        graph.post("me/subscribed_apps", {"subscribed_fields": ",".join([*fields, *missing])})
        fields = _page_fields(graph, app_id)
    return _steps("the page is subscribed to", FIELDS, missing, fields, plan)


def _page_fields(graph: Graph, app_id: str | None) -> list[str]:
    """The fields that the page sends to our app. Where our app's id is unknown, the fields of every app."""
    apps = rows_of(graph.get("me/subscribed_apps", fields="id,subscribed_fields"))
    ours = [app for app in apps if str(app.get("id")) == app_id] or (apps if app_id is None else [])
    return [name for app in ours for name in _names(app.get("subscribed_fields"))]


def _subscribe_app(graph: Graph, app_id: str, page: Page, plan: Plan) -> list[Step]:
    found = _app_subscription(graph, app_id)
    callback = found.get("callback_url")
    if not callback:
        what = "the app has no webhook for pages: set its address and verify token"
        return [Step("wrong", f"{what} {_DASHBOARD}, Messenger > Messenger API Settings > Webhooks")]
    fields = _names(found.get("fields"))
    missing = [field for field in FIELDS if field not in fields]
    if missing and not plan.dry_run:
        body = {"object": "page", "callback_url": callback, "fields": ",".join([*fields, *missing])}
        graph.post(f"{app_id}/subscriptions", body | {"verify_token": page.verify_tokens[0]})
        fields = _names(_app_subscription(graph, app_id).get("fields"))
    return _steps("the app is subscribed to", FIELDS, missing, fields, plan)


def _app_subscription(graph: Graph, app_id: str) -> dict[str, Any]:
    rows = rows_of(graph.get(f"{app_id}/subscriptions"))
    return next((row for row in rows if row.get("object") == "page"), {})


def _fill_profile(graph: Graph, plan: Plan) -> list[Step]:
    before = _profile(graph)
    wanted = _wanted(before, plan)
    missing = [name for name, value in wanted.items() if before.get(name) != value]
    after = before
    if missing and not plan.dry_run:
        graph.post("me/messenger_profile", {name: wanted[name] for name in missing})
        after = _profile(graph)
    right = [name for name, value in wanted.items() if after.get(name) == value]
    return _steps("the profile has", wanted, missing, right, plan)


def _profile(graph: Graph) -> dict[str, Any]:
    rows = rows_of(graph.get("me/messenger_profile", fields=PROFILE))
    return rows[0] if rows else {}


def _wanted(before: Mapping[str, Any], plan: Plan) -> dict[str, Any]:
    """Each property as it should be, with everything that it has now."""
    wanted: dict[str, Any] = {
        "account_linking_url": plan.login_url,
        "get_started": before.get("get_started") or GET_STARTED,
    }
    if plan.domain is not None:
        wanted["whitelisted_domains"] = _with_domain(before.get("whitelisted_domains"), plan.domain)
    if plan.menu_item is not None:
        wanted["persistent_menu"] = _with_item(before.get("persistent_menu"), plan.menu_item)
    return wanted


def _with_domain(domains: object, ours: str) -> list[str]:
    known = _names(domains)
    return known if ours in {each.rstrip("/") for each in known} else [*known, ours]


def _with_item(menus: object, item: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each language's menu with our item at its end, unless it is there."""
    known = [menu for menu in menus if isinstance(menu, dict)] if isinstance(menus, list) else []
    return [_menu_with(menu, item) for menu in known or [{"locale": "default", "call_to_actions": []}]]


def _menu_with(menu: dict[str, Any], item: Mapping[str, Any]) -> dict[str, Any]:
    entries = menu.get("call_to_actions") or []
    if any(isinstance(entry, dict) and entry.get("url") == item["url"] for entry in entries):
        return menu
    return menu | {"call_to_actions": [*entries, dict(item)]}


def _steps(
    what: str, wanted: Iterable[str], missing: Sequence[str], now: Sequence[str], plan: Plan
) -> list[Step]:
    return [_step(f"{what} {name}", name, missing, now, plan) for name in wanted]


def _step(what: str, name: str, missing: Sequence[str], now: Sequence[str], plan: Plan) -> Step:
    if name not in missing:
        return Step("ok", what)
    if plan.dry_run:
        return Step("missing", f"not so yet: {what}")
    if name in now:
        return Step("added", what)
    return Step("wrong", f"Graph took it and does not show it: {what}; run `flask linking setup` again")


def _explained(what: str, work: Callable[[], list[Step]]) -> list[Step]:
    try:
        return work()
    except GraphError as problem:
        return [Step("wrong", f"{what}: {_remedy(problem, what)} ({problem})")]


def _remedy(problem: GraphError, what: str) -> str:
    """Which role, permission or token is missing, and where in the dashboard to mend it."""
    code, of_app = problem.code, what.startswith("the app")
    if code in _LIMITS:
        return "Graph's limit of calls is reached; run it again in ten minutes"
    if problem.transient:
        return "Graph did not answer; run it again later"
    if problem.cause == "secret" or "appsecret_proof" in str(problem):
        return _BAD_APP
    if code in _BAD_TOKENS:
        return _BAD_APP if of_app else _BAD_TOKEN
    if code == _NO_HANDSHAKE:
        return _UNANSWERED
    if code in (3, 10) or 200 <= (code or 0) <= 299:
        return _missing_permission(problem, what)
    return f"Graph refuses it: see {_SETTINGS}"


def _missing_permission(problem: GraphError, what: str) -> str:
    named = _PERMISSION.findall(str(problem))
    permission = named[0] if named else "pages_messaging" if "profile" in what else "pages_manage_metadata"
    return (
        f"the token lacks the permission {permission}, or its maker is no administrator of the page: ask for"
        f" it under App Review > Permissions and features {_DASHBOARD}, see to the role under Page access in"
        " the page's settings, and make the token anew"
    )


def _names(values: object) -> list[str]:
    """Names of fields, however Graph spells them."""
    if not isinstance(values, list):
        return []
    names = (value.get("name") if isinstance(value, dict) else value for value in values)
    return [name for name in names if isinstance(name, str)]


def rows_of(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The objects in `data` of an answer of Graph's; none where it has another shape."""
    rows = answer.get("data")
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
