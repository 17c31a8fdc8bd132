"""Looks at the host's app: which views are under linking, which view answers a GET, what refuses Messenger.

A host may register its views and extensions before ours or after. So this room looks when the set-up is over:
at the first request, and in `flask linking check`.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from types import FunctionType
from typing import TYPE_CHECKING, Any

from bot_linking.doors.findings import Finding

if TYPE_CHECKING:
    from flask import Blueprint, Flask
    from werkzeug.routing import Rule

MARK = "_is_under_bot_linking"  # functools.wraps hands it on to decorators above ours
_VARIABLE = re.compile(r"<(?:([^<>:]*):)?[^<>]+>")
_log = logging.getLogger("bot_linking.webhook")

View = Callable[..., Any]


class AddedMethod(str):
    """A method that a route takes for Messenger's handshake only, marked by its class.

    The mark survives where Flask and Werkzeug put methods into sets and upper case. A view's own method of
    the same name takes its place.
    """

    def upper(self) -> str:
        return self


HANDSHAKE_METHODS = frozenset({AddedMethod("GET"), "POST"})


class Host:
    """One app. `has_handler` tells whether the blueprint's own `/webhook` has a handler. `decorated` names
    the views that were put under linking, whether the app calls the decorated function or the bare one."""

    def __init__(
        self, app: Flask, blueprint: Blueprint, *, has_handler: Callable[[], bool], decorated: list[str]
    ) -> None:
        self._app = app
        self._blueprint = blueprint
        self._has_handler = has_handler
        self._decorated = decorated

    def watch(self) -> None:
        """Look at the app at its first request."""
        self._app.wsgi_app = _AtFirstRequest(self._app, self._begin)  # type: ignore[method-assign]

    def _begin(self) -> None:
        self.settle()
        for remark in self._about_views():
            if remark.state != "ok" and remark.what != _NO_POST:
                _log.warning("%s", remark.what)

    def settle(self) -> None:
        """Give GET back to the host's views, and exempt our pages from Flask-WTF. Call it when every view and
        extension is registered; a second call changes nothing."""
        self._take_hidden_gets()
        _leave_get_to_the_host(self._app)
        if csrf := self._app.extensions.get("csrf"):  # our forms have tickets of their own
            csrf.exempt(self._blueprint)

    def _take_hidden_gets(self) -> None:
        """Take the handshake's GET where Flask does not see our mark: above it stands a decorator that did
        not hand it on, or it is a method's of a class."""
        for endpoint in self._endpoints_under():
            view = self._app.view_functions[endpoint]
            if _lends_its_class_get(view) if hasattr(view, "view_class") else hides_linking(view):
                take_get(self._app, endpoint)

    def remarks(self) -> Iterator[Finding]:
        """What `flask linking check` says about the webhook, and about extensions that refuse Messenger."""
        self.settle()
        yield from self._about_views()
        yield from self._about_csrf()
        yield from self._about_limits()

    def webhook_paths(self) -> list[str]:
        """The paths of the host's views that are under linking."""
        return sorted({rule.rule for rule in self._rules_under()})

    def _about_views(self) -> Iterator[Finding]:
        if paths := self.webhook_paths():
            yield Finding("ok", f"the webhook is at {', '.join(paths)}")
        elif self._has_handler():
            yield Finding("ok", "the webhook is the blueprint's own, with on_message")
        elif not any(self._rules_of_others("POST")):
            yield Finding("note", _NO_POST)
        elif self._decorated:
            yield Finding("wrong", _BARE.format(", ".join(self._decorated)))
        else:
            yield Finding("note", _NONE)

    def _about_csrf(self) -> Iterator[Finding]:
        csrf, config = self._app.extensions.get("csrf"), self._app.config
        if csrf is None or not (config.get("WTF_CSRF_ENABLED") and config.get("WTF_CSRF_CHECK_DEFAULT")):
            return
        exempt = getattr(csrf, "_exempt_views", ())
        blueprints = getattr(csrf, "_exempt_blueprints", ())
        for endpoint in self._endpoints_under():
            view = self._app.view_functions[endpoint]
            name, blueprint = _name_of(view), self._blueprint_of(endpoint)
            if name not in exempt and not {blueprint, getattr(blueprint, "name", "")} & {*blueprints}:
                yield Finding("wrong", _CSRF.format(view.__name__))

    def _about_limits(self) -> Iterator[Finding]:
        for limiter in self._app.extensions.get("limiter", ()):
            limits = getattr(limiter, "limit_manager", None)
            if limits is None or not getattr(limiter, "enabled", True):
                continue
            if not (limits.default_limits or limits.application_limits):
                continue
            for endpoint in self._endpoints_under():
                blueprint = endpoint.rpartition(".")[0] or None
                if not limits.exemption_scope(self._app, endpoint, blueprint):
                    yield Finding("wrong", _LIMIT.format(self._app.view_functions[endpoint].__name__))
            if not limits.exemption_scope(self._app, None, self._blueprint.name):
                yield Finding("note", _LIMIT_OF_PAGES)

    def _rules_under(self) -> list[Rule]:
        """Those whose views show our mark; only where none does, those that may have hidden it."""
        views = self._app.view_functions
        rules = list(self._app.url_map.iter_rules())
        marked = [rule for rule in rules if is_under_linking(views.get(rule.endpoint))]
        return marked or [
            rule for rule in rules if hides_linking(views.get(rule.endpoint), apart=views.values())
        ]

    def _endpoints_under(self) -> list[str]:
        return sorted({rule.endpoint for rule in self._rules_under()})

    def _rules_of_others(self, method: str) -> Iterator[Rule]:
        for rule in self._app.url_map.iter_rules():
            view = self._app.view_functions.get(rule.endpoint)
            if method in (rule.methods or ()) and not _name_of(view).startswith("bot_linking."):
                yield rule

    def _blueprint_of(self, endpoint: str) -> Any:
        return self._app.blueprints.get(endpoint.rpartition(".")[0])


_BARE = (
    "{} is decorated with @linking.webhook, but the app calls the bare function: unsigned POSTs run the bot, "
    "and nobody is ever linked. Put @linking.webhook below the route's decorator"
)
_NONE = (
    "no view is under @linking.webhook, linking.attach or @linking.on_message: unsigned POSTs run the bot, "
    "and nobody is ever linked. Put @linking.webhook below the route's decorator of the webhook's view"
)
_NO_POST = (
    "this app has no view for Messenger's POSTs: right for a bot without Flask that calls linking.answer or "
    "linking.receive, and where <prefix>/webhook shall take linking events only"
)
_CSRF = "Flask-WTF refuses Messenger's POSTs to {0}: csrf.exempt({0})"
_LIMIT = "Flask-Limiter counts Messenger as one caller, so it refuses busy hours of {0}: limiter.exempt({0})"
_LIMIT_OF_PAGES = (
    "Flask-Limiter counts the linking pages, which have limits of their own: "
    "limiter.exempt(linking.blueprint)"
)


def is_under_linking(view: Any) -> bool:
    """Whether a view, a function that it wraps, or a method of its class is under `linking.webhook`."""
    while view is not None:
        its_class = getattr(view, "view_class", None)
        methods = vars(its_class).values() if its_class is not None else ()
        if hasattr(view, MARK) or any(hasattr(method, MARK) for method in methods):
            return True
        view = getattr(view, "__wrapped__", None)
    return False


def hides_linking(view: Any, *, apart: Collection[View] = ()) -> bool:
    """Whether a view holds one that is under linking, as a decorator does that goes without
    `functools.wraps`. One whose bare function is among `apart` does not count: what is called there is the
    bare one."""
    held = filter(is_under_linking, _functions_within(view))
    return any(not any(bare in apart for bare in _wrapped_by(each)) for each in held)


def _wrapped_by(view: Any) -> Iterator[View]:
    while (view := getattr(view, "__wrapped__", None)) is not None:
        yield view


def _functions_within(view: Any) -> Iterator[FunctionType]:
    """The functions in the closure of a view, in theirs, and so on, each once: helpers of a factory call each
    other in circles."""
    left, met = [view], {id(view)}
    while left:
        for cell in getattr(left.pop(), "__closure__", None) or ():
            with suppress(ValueError):  # of a cell that is still empty
                held = cell.cell_contents
                if isinstance(held, FunctionType) and id(held) not in met:
                    met.add(id(held))
                    left.append(held)
                    yield held


def _lends_its_class_get(view: Any) -> bool:
    """Whether a decorated method of the view's class also answers GET, as the class has none for that."""
    its_class = view.view_class
    marked = next((method for method in vars(its_class).values() if hasattr(method, MARK)), None)
    if marked is not None and not hasattr(its_class, "get"):
        its_class.get = marked
    return marked is not None and vars(its_class).get("get") is marked


def take_get(app: Flask, endpoint: str) -> None:
    """Let the endpoint's rules take the handshake's GET, where they take no GET of their own."""
    for rule in app.url_map.iter_rules(endpoint):
        if rule.methods is not None and "GET" not in rule.methods:
            rule.methods |= {AddedMethod("GET"), "HEAD"}


def is_added(rule: Rule | None) -> bool:
    """Whether the rule takes GET for our handshake only."""
    methods = (rule and rule.methods) or ()
    return any(isinstance(each, AddedMethod) for each in methods)


def _leave_get_to_the_host(app: Flask) -> None:
    """Take the added GET away where the host has a GET view at the same path, in any order of registering."""
    rules = list(app.url_map.iter_rules())
    theirs = {_place_of(rule) for rule in rules if "GET" in (rule.methods or ()) and not is_added(rule)}
    for rule in rules:
        if rule.methods is not None and is_added(rule) and _place_of(rule) in theirs:
            rule.methods -= {"GET", "HEAD"}


def _place_of(rule: Rule) -> tuple[str | None, str | None, str]:
    """Where a rule applies. The names of its variables do not count."""
    return rule.subdomain, rule.host, _VARIABLE.sub(r"<\1>", rule.rule)


def _name_of(view: Any) -> str:
    return f"{getattr(view, '__module__', '')}.{getattr(view, '__name__', '')}"


class _AtFirstRequest:
    """The app's WSGI callable until the first request has come."""

    def __init__(self, app: Flask, begin: Callable[[], None]) -> None:
        self._app, self._inner, self._begin = app, app.wsgi_app, begin
        self._turn = threading.Lock()
        self._has_begun = False

    def __call__(self, environ: Any, start_response: Any) -> Any:
        if not self._has_begun:
            with self._turn:
                self._begin_once()
        return self._inner(environ, start_response)

    def _begin_once(self) -> None:
        if self._has_begun:
            return
        try:
            self._begin()
        except Exception:
            _log.exception("the host's views could not be looked through")
        self._has_begun = True
        if self._app.wsgi_app is self:
            self._app.wsgi_app = self._inner  # type: ignore[method-assign]
