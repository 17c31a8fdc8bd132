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
from bot_linking.operators.outbox_checks import TO_MEND

if TYPE_CHECKING:
    from bot_linking.config.pages import Page

FIELDS = ("messages", "messaging_postbacks", "messaging_account_linking", "messaging_referrals")
PROFILE = "account_linking_url,get_started,whitelisted_domains,persistent_menu"
GET_STARTED = {"payload": "GET_STARTED"}
MOST_PARTS = 50  # pages of one list of Graph's
_PERMISSION = re.compile(r"\b(?:pages|business)_[a-z_]+\b")
_OF_A_ROLE = re.compile(r"permission|\badmin|\brole\b|not authorized", re.IGNORECASE)
_LIMITS = {4, 17, 32, 341, 613, 80001, 80006}
_BAD_TOKENS = {102, 104, 190, 210, 2500}
_NO_HANDSHAKE = 2200
_BLOCKED = 368
_DASHBOARD = "in the app's dashboard"
_SETTINGS = f"Messenger > Messenger API Settings {_DASHBOARD}"
_BAD_APP = f"the app's id or its secret is wrong: compare both under App settings > Basic {_DASHBOARD}"
_BAD_TOKEN = f"the page's access token is not good: make a new one under {_SETTINGS}, Generate access tokens"
_UNANSWERED = (
    "the webhook did not answer Messenger's handshake: the bot must run, and its BOT_LINKING_VERIFY_TOKEN be"
    f" the one under {_SETTINGS}, Webhooks"
)


class Step(NamedTuple):
    """One thing that must be set at Messenger: `ok` (it was), `added`, `missing` (a dry run writes
    nothing), or `wrong`, where `what` says why."""

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


def apps_of_page(graph: Graph, app_id: str | None) -> list[dict[str, Any]]:
    """Graph's rows about our app's subscription to the page; where our app's id is unknown, the rows of
    every app."""
    apps = _list(graph, "me/subscribed_apps", fields="id,subscribed_fields")
    if app_id is None or not app_id.isdecimal():
        return apps
    return [app for app in apps if str(app.get("id", app_id)) == app_id]


def _page_fields(graph: Graph, app_id: str | None) -> list[str]:
    """The fields that the page sends to our app. Where our app's id is unknown, the fields of every app."""
    ours = apps_of_page(graph, app_id)
    return list(dict.fromkeys(name for app in ours for name in _names(app.get("subscribed_fields"))))


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
    rows = _list(graph, f"{app_id}/subscriptions")
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
    rows = _list(graph, "me/messenger_profile", fields=PROFILE)
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
    known = _objects(menus) or [{"locale": "default", "call_to_actions": []}]
    return [_menu_with(menu, item) for menu in known]


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
    code, text = problem.code, str(problem)
    if code in _LIMITS:
        return "Graph's limit of calls is reached; run it again in ten minutes"
    if code == _BLOCKED or problem.cause == "restriction":
        return f"{TO_MEND['restriction']}, and Alerts {_DASHBOARD}"
    if problem.cause == "secret" or "appsecret_proof" in text:
        return _BAD_APP
    if code == _NO_HANDSHAKE:
        return _UNANSWERED
    if code not in _BAD_TOKENS and (code in (3, 10) or 200 <= (code or 0) <= 299):
        return _missing_permission(problem, what)
    return _remedy_by_words(problem, what)


def _remedy_by_words(problem: GraphError, what: str) -> str:
    """The remedy for a refusal whose code alone does not say what is wrong."""
    if problem.code in _BAD_TOKENS or (problem.code and "access token" in str(problem).replace("_", " ")):
        return _BAD_APP if what.startswith("the app") else _BAD_TOKEN
    if problem.transient:
        silent = problem.code is None or problem.status is None or problem.status >= 500
        return f"Graph {'did not answer' if silent else 'cannot do it now'}; run it again later"
    if _OF_A_ROLE.search(str(problem)):
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


def _list(graph: Graph, path: str, **query: str) -> list[dict[str, Any]]:
    """A whole list of Graph's, with every further page of it. Raises `GraphError`, also for a list that
    cannot be read: writing it back would lose what is in it."""
    rows, after = list[dict[str, Any]](), dict[str, str]()
    for _ in range(MOST_PARTS):
        answer = graph.get(path, **query, **after)
        rows += _objects(answer.get("data", ()))
        paging = answer.get("paging")
        cursors = paging.get("cursors") if isinstance(paging, dict) and paging.get("next") else None
        if not isinstance(cursors, dict) or not cursors.get("after"):
            return rows
        after = {"after": str(cursors["after"])}
    raise _unreadable()


def _objects(values: object) -> list[dict[str, Any]]:
    if values is None:
        return []
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise _unreadable()
    return values


def _names(values: object) -> list[str]:
    """Names of fields, which Graph gives as text or as objects. Raises `GraphError` for anything but a
    list of them."""
    if values is None:
        return []
    if not isinstance(values, list):
        raise _unreadable()
    names = [value.get("name") if isinstance(value, dict) else value for value in values]
    if any(not isinstance(name, str) for name in names):
        raise _unreadable()
    return [str(name) for name in names]


def _unreadable() -> GraphError:
    return GraphError(
        "Graph's list is of another shape than it documents, so nothing was written", status=200
    )


def rows_of(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The objects in `data` of an answer of Graph's; none where it has another shape."""
    rows = answer.get("data")
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
