"""The host's app around the webhook: which views are under it, whose a GET is, and what stands in its way.

A host may register its views, and extensions that judge every request, before us or after us. So this is
looked at when the set-up is over: at the first request, and by `flask linking check`.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from flask import Blueprint, Flask
    from werkzeug.routing import Rule

MARK = "_is_under_bot_linking"  # functools.wraps hands it on to decorators above ours
_VARIABLE = re.compile(r"<(?:([^<>:]*):)?[^<>]+>")
_log = logging.getLogger("bot_linking.webhook")

View = Callable[..., Any]


class Remark(NamedTuple):
    """Something about the host that its author should know; `state` as in `flask linking check`."""

    state: Literal["ok", "wrong", "note"]
    what: str


class AddedMethod(str):
    """A method that a route has for Messenger's handshake only. It stays itself where Flask and Werkzeug put
    methods into sets and upper case, and gives way to the same method of the view's own."""

    def upper(self) -> str:
        return self


HANDSHAKE_METHODS = frozenset({AddedMethod("GET"), "POST"})


class Host:
    """One app. `has_handler` tells whether the blueprint's own `/webhook` leads anywhere; `decorated` names
    the views that were put under linking, whether the app knows of it or not."""

    def __init__(
        self, app: Flask, blueprint: Blueprint, *, has_handler: Callable[[], bool], decorated: list[str]
    ) -> None:
        self._app = app
        self._blueprint = blueprint
        self._has_handler = has_handler
        self._decorated = decorated

    def watch(self) -> None:
        """Settle at the first request."""
        self._app.wsgi_app = _AtFirstRequest(self._app, self._begin)  # type: ignore[method-assign]

    def _begin(self) -> None:
        self.settle()
        for remark in self._about_views():
            if remark.state != "ok" and remark.what != _NO_POST:
                _log.warning("%s", remark.what)

    def settle(self) -> None:
        """What can only be done when every view and extension is there. Doing it again changes nothing."""
        _leave_get_to_the_host(self._app)
        if csrf := self._app.extensions.get("csrf"):  # our forms have tickets of their own
            csrf.exempt(self._blueprint)

    def remarks(self) -> Iterator[Remark]:
        """Is the webhook there, and does everything let Messenger through?"""
        self.settle()
        yield from self._about_views()
        yield from self._about_csrf()
        yield from self._about_limits()

    def webhook_paths(self) -> list[str]:
        """Where the host's own webhooks are."""
        return sorted({rule.rule for rule in self._rules_under()})

    def _about_views(self) -> Iterator[Remark]:
        if paths := self.webhook_paths():
            yield Remark("ok", f"the webhook is at {', '.join(paths)}")
        elif self._has_handler():
            yield Remark("ok", "the webhook is the blueprint's own, with on_message")
        elif not any(self._rules_of_others("POST")):
            yield Remark("note", _NO_POST)
        elif self._decorated:
            yield Remark("wrong", _BARE.format(", ".join(self._decorated)))
        else:
            yield Remark("note", _NONE)

    def _about_csrf(self) -> Iterator[Remark]:
        csrf, config = self._app.extensions.get("csrf"), self._app.config
        if csrf is None or not (config.get("WTF_CSRF_ENABLED") and config.get("WTF_CSRF_CHECK_DEFAULT")):
            return
        exempt = getattr(csrf, "_exempt_views", ())
        blueprints = getattr(csrf, "_exempt_blueprints", ())
        for endpoint in self._endpoints_under():
            view = self._app.view_functions[endpoint]
            name, blueprint = _name_of(view), self._blueprint_of(endpoint)
            if name not in exempt and not {blueprint, getattr(blueprint, "name", "")} & {*blueprints}:
                yield Remark("wrong", _CSRF.format(view.__name__))

    def _about_limits(self) -> Iterator[Remark]:
        for limiter in self._app.extensions.get("limiter", ()):
            limits = getattr(limiter, "limit_manager", None)
            if limits is None or not getattr(limiter, "enabled", True):
                continue
            if not (limits.default_limits or limits.application_limits):
                continue
            for endpoint in self._endpoints_under():
                blueprint = endpoint.rpartition(".")[0] or None
                if not limits.exemption_scope(self._app, endpoint, blueprint):
                    yield Remark("wrong", _LIMIT.format(self._app.view_functions[endpoint].__name__))
            if not limits.exemption_scope(self._app, None, self._blueprint.name):
                yield Remark("note", _LIMIT_OF_PAGES)

    def _rules_under(self) -> Iterator[Rule]:
        for rule in self._app.url_map.iter_rules():
            if is_under_linking(self._app.view_functions.get(rule.endpoint)):
                yield rule

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
    """Whether a view function, or one that it wraps, or a method of its class, is under `linking.webhook`."""
    while view is not None:
        methods = vars(getattr(view, "view_class", object)).values()
        if hasattr(view, MARK) or any(hasattr(method, MARK) for method in methods):
            return True
        view = getattr(view, "__wrapped__", None)
    return False


def take_get(app: Flask, endpoint: str) -> None:
    """Let the endpoint's rules answer the handshake, where they take no GET of their own."""
    for rule in app.url_map.iter_rules(endpoint):
        if rule.methods is not None and "GET" not in rule.methods:
            rule.methods |= {AddedMethod("GET"), "HEAD"}


def is_added(rule: Rule | None) -> bool:
    """Whether the rule takes GET for our handshake only."""
    methods = (rule and rule.methods) or ()
    return any(isinstance(each, AddedMethod) for each in methods)


def _leave_get_to_the_host(app: Flask) -> None:
    """A GET view at the same path is the host's own, whichever of the two was registered first."""
    rules = list(app.url_map.iter_rules())
    theirs = {_place_of(rule) for rule in rules if "GET" in (rule.methods or ()) and not is_added(rule)}
    for rule in rules:
        if rule.methods is not None and is_added(rule) and _place_of(rule) in theirs:
            rule.methods -= {"GET", "HEAD"}


def _place_of(rule: Rule) -> tuple[str | None, str | None, str]:
    """Where a rule applies, under any names of its variables."""
    return rule.subdomain, rule.host, _VARIABLE.sub(r"<\1>", rule.rule)


def _name_of(view: Any) -> str:
    return f"{getattr(view, '__module__', '')}.{getattr(view, '__name__', '')}"


class _AtFirstRequest:
    """In front of an app until its first request has come."""

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
