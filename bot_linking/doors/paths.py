"""Adds routes for programs: in any letter case, with or without a last slash, and for every method.

Every method reaches the view, so that the door itself answers 405 in its own form.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, cast

from flask import Flask, Response
from werkzeug.routing import BaseConverter, PathConverter

from bot_linking.core.errors import BotLinkingError
from bot_linking.doors.body import NO_STORE

if TYPE_CHECKING:
    from flask.blueprints import BlueprintSetupState
    from werkzeug.routing import Map

WORD, BELOW = "bot_linking_word", "bot_linking_below"
RETRY_AFTER_S = 10  # for a refusal that does not say how long
MOST_WORDS = 16  # parts of a path
_WORDS = frozenset(f"word{at}" for at in range(MOST_WORDS))
View = Callable[..., Any]


class PathUnknown(BotLinkingError):
    """There is no call at this address."""

    slug: ClassVar[str] = "path_unknown"


class MethodRefused(BotLinkingError):
    """There is no call of this method at this address; `allowed` names the methods that there are."""

    slug: ClassVar[str] = "method_refused"

    def __init__(self, *allowed: str) -> None:
        super().__init__(f"this path takes {' and '.join(allowed)} only")
        self.allowed = ", ".join(allowed)


def allow(*methods: str) -> Response:
    """The answer to OPTIONS, where these methods are allowed."""
    return Response(status=204, headers={"Allow": ", ".join([*methods, "OPTIONS"]), **NO_STORE})


def with_hints(answer: Response, refusal: BotLinkingError) -> Response:
    """The answer to a refusal, with `Retry-After` for 429 and 503, and `Allow` for a wrong method."""
    if answer.status_code in {429, 503}:
        answer.headers["Retry-After"] = str(getattr(refusal, "retry_after", None) or RETRY_AFTER_S)
    if isinstance(refusal, MethodRefused):
        answer.headers["Allow"] = refusal.allowed
    return answer


class Word(BaseConverter):
    """One word of an address in any letter case. Its weight puts it before a host's variable at this
    place."""

    part_isolating = True
    weight = 50

    def __init__(self, map: Map, word: str) -> None:
        super().__init__(map)
        self.regex = f"(?ai:{re.escape(word)})"


class Below(PathConverter):
    """The rest of an address, also with line breaks, where Werkzeug's own converter stops."""

    regex = "(?s:[^/].*?)"


def any_case(path: str) -> str:
    """The rule for a path like `/ExternalAccount/<app_key>` in any letter case. Variables in angle brackets
    keep theirs."""
    parts = path.split("/")
    assert len(parts) <= MOST_WORDS, path
    return "/".join(
        each if not each or each.startswith("<") else f'<{WORD}("{each}"):word{at}>'
        for at, each in enumerate(parts)
    )


def add_door(state: BlueprintSetupState, path: str, endpoint: str, view: View) -> None:
    """Add a view at this path, in any letter case, with or without a last slash, for every method.

    The view is called with the variables of the path alone. `url_for` finds it under its endpoint.
    """
    call = _with_variables(view)
    # For `url_for` alone: where a plain word fits, Werkzeug takes a variable after it rather than go back.
    _add_rule(state, path, endpoint, call, build_only=True)
    for rule in (any_case(path), f"{any_case(path)}/"):
        _add_rule(state, rule, endpoint, call)


def add_below(state: BlueprintSetupState, path: str, endpoint: str, view: View) -> None:
    """Add a view for everything below this path that no other rule takes."""
    _add_rule(state, f"{any_case(path)}/<{BELOW}:below>", endpoint, lambda **_: view())


def _with_variables(view: View) -> View:
    def call(**found: Any) -> Any:
        return view(**{name: value for name, value in found.items() if name not in _WORDS})

    return call


def _add_rule(
    state: BlueprintSetupState, rule: str, endpoint: str, view: View, *, build_only: bool = False
) -> None:
    app = cast(Flask, state.app)
    app.url_map.converters |= {WORD: Word, BELOW: Below}
    endpoint = f"{state.name_prefix}.{state.name}.{endpoint}".lstrip(".")
    path = (state.url_prefix or "").rstrip("/") + rule
    # Not by add_url_rule, which needs a list of methods.
    made = app.url_rule_class(
        path,
        endpoint=endpoint,
        subdomain=state.subdomain,
        defaults=state.url_defaults,
        build_only=build_only,
    )
    app.url_map.add(made)
    app.view_functions[endpoint] = view
