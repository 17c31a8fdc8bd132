"""Where an application's calls come in: check the token, read, judge, act, answer; in this order.

Every answer has the protocol's envelope, whose code is the HTTP status. The models of the bodies are imported
with the first call, since pydantic is slow to load.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from flask import Response, request

from bot_linking.core.errors import BotLinkingError, StoreUnavailable
from bot_linking.core.log_throttle import log_sparingly
from bot_linking.core.reading import read_id
from bot_linking.doors.body import address_by, answer_json, read_call, this_request
from bot_linking.doors.paths import MethodRefused, PathUnknown, add_below, add_door, allow, with_hints
from bot_linking.external_account.accounts import NO_ACCOUNT
from bot_linking.external_account.errors import ExternalAccountUnknown, FieldRefused
from bot_linking.external_account.service import Service
from bot_linking.external_account.tokens import Token

if TYPE_CHECKING:
    from flask.blueprints import BlueprintSetupState

    from bot_linking.doors.openapi import Operation
    from bot_linking.external_account.bodies import Model

ROOT = "/ExternalAccount"
NOT_DONE = 500  # for a slug that STATUS lacks

STATUS = {
    "field_refused": 400,
    "payload_unreadable": 400,
    "token_refused": 401,
    "second_factor_missing": 401,
    "second_factor_refused": 401,
    "scope_missing": 403,
    "bind_refused": 403,
    "link_decides": 403,
    "external_account_disabled": 403,
    "second_factor_locked": 403,
    "external_account_unknown": 404,
    "path_unknown": 404,
    "method_refused": 405,
    "bound_to_another": 409,
    "payload_too_large": 413,
    "content_type_refused": 415,
    "charset_refused": 415,
    "too_many_attempts": 429,
    "store_unavailable": 503,
    "second_factor_unreadable": 503,
}

Path = Mapping[str, str]
Call = Callable[[Path], Any]
Operations = Callable[[], "Sequence[Operation]"]

_log = logging.getLogger("bot_linking.external_account")


class Endpoint:
    """The door of one app. `shown` returns its calls for the OpenAPI document. With `has_document` it serves
    that document itself: an app with a bot has one already."""

    def __init__(self, service: Service, shown: Operations, *, has_document: bool) -> None:
        self._service = service
        self._shown = shown
        self._has_document = has_document

    def add_to(self, state: BlueprintSetupState) -> None:
        """Add the routes below the blueprint's prefix."""
        of_app, one = f"{ROOT}/<app_key>", f"{ROOT}/<app_key>/<account_id>"
        if self._has_document:
            add_door(state, f"{ROOT}/openapi.json", "openapi", self._document)
        add_door(state, f"{of_app}/SignIn", "sign_in", _view({"POST": (self._sign_in, None)}))
        add_door(state, of_app, "accounts", _view({"GET": (self._list, []), "POST": (self._bind, False)}))
        add_door(
            state, one, "account", _view({"PUT": (self._update, False), "DELETE": (self._unbind, False)})
        )
        add_door(state, ROOT, "no_app", _nothing_here)
        add_below(state, ROOT, "nothing_here", _nothing_here)

    def _list(self, path: Path) -> list[dict[str, Any]]:
        return self._service.logins_of(self._token(path), _asked_page())

    def _bind(self, path: Path) -> bool:
        from bot_linking.external_account.models import BindRequest

        token = self._token(path)
        user_id = token.needs_user("bind")
        self._service.bind(token, user_id, _read(BindRequest))
        return True

    def _update(self, path: Path) -> bool:
        from bot_linking.external_account.models import UpdateRequest

        token = self._token(path)
        user_id, account_id = token.needs_user("accounts"), _account_id(path)
        changes = _read(UpdateRequest).changes()
        self._service.accounts.update(token.app_key, user_id, account_id, self._service.now(), **changes)
        return True

    def _unbind(self, path: Path) -> bool:
        token = self._token(path)
        self._service.accounts.unbind(token.app_key, token.needs_user("accounts"), _account_id(path))
        return True

    def _sign_in(self, path: Path) -> dict[str, Any]:
        from bot_linking.external_account.models import SignInRequest

        address = address_by(self._service.callers)
        header = request.headers.get("Authorization")
        text, expires_in = self._service.sign_in(
            path["app_key"], header, address, partial(_read, SignInRequest)
        )
        return {"access_token": text, "token_type": "Bearer", "expires_in": expires_in}

    def _token(self, path: Path) -> Token:
        return self._service.token_for(path["app_key"], this_request().headers.get("Authorization"))

    def _document(self) -> Response:
        """The OpenAPI document of a site without a bot."""
        from bot_linking.doors.openapi import document

        if request.method not in {"GET", "HEAD"}:
            return allow("GET") if request.method == "OPTIONS" else _refuse(MethodRefused("GET"), None)
        return answer_json(200, document(self._shown(), server=request.root_url.rstrip("/")))


def _view(calls: Mapping[str, tuple[Call, Any]]) -> Callable[..., Response]:
    """The view of one path. By method: the call, and the `data` of a call that is refused."""

    def answer(**path: str) -> Response:
        method = this_request().method
        if method == "OPTIONS":
            return allow(*calls)
        method = "GET" if method == "HEAD" else method
        if method not in calls:
            return _refuse(MethodRefused(*calls), None)
        call, empty = calls[method]
        try:
            return _envelope(200, call(path), "")
        except BotLinkingError as refusal:
            return _refuse(refusal, empty)

    return answer


def _nothing_here() -> Response:
    return _refuse(PathUnknown(f"there is no call here; calls are below {ROOT}/{{appKey}}"), None)


def _asked_page() -> str | None:
    """The page id in the query, if there is one. Raises `FieldRefused`."""
    if not this_request().query_string:
        return None
    named = [text for text in request.args.getlist("pageID") if text]
    if not named:
        return None
    page_id = read_id(named[0])
    if len(named) > 1 or page_id is None:
        from bot_linking.external_account.models import RULES

        raise FieldRefused(f"pageID {RULES['pageID']}")
    return page_id


def _account_id(path: Path) -> int:
    """The account's id in the path. Raises `ExternalAccountUnknown` for anything but a number."""
    text = path["account_id"]
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise ExternalAccountUnknown(NO_ACCOUNT)
    return int(text)


def _read(model: type[Model]) -> Model:
    from bot_linking.external_account.bodies import LARGEST_BODY, read_as

    return read_as(model, request.headers.get("Content-Type"), read_call(LARGEST_BODY))


def _refuse(refusal: BotLinkingError, nothing: Any) -> Response:
    status, message = STATUS.get(refusal.slug, NOT_DONE), str(refusal)
    if isinstance(refusal, StoreUnavailable) or status == NOT_DONE:
        kind, text = f"ExternalAccount {refusal.slug}", "ExternalAccount call not done: %s"
        log_sparingly(_log, logging.ERROR, kind, text, refusal, exc_info=status == NOT_DONE)
        message = "the service is not available"  # the error's own text is for the operator
    response = with_hints(_envelope(status, nothing, message), refusal)
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _envelope(code: int, value: Any, error: str) -> Response:
    return answer_json(code, {"code": code, "data": value, "error": error})
