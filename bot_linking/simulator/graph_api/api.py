"""The Graph API without HTTP: who may call, and which node answers."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import replace

from .call import VERSION, Fields, GraphAnswer, GraphRequest, Messenger, unknown_path, without_nulls
from .errors import GraphError
from .page import PageNode
from .people import PeopleNodes
from .subscriptions import Subscriptions

_PROOF_SECONDS = 300
_UNIX_TIME = re.compile(r"[0-9]{1,12}")


class Graph:
    """Answers calls about one page, its people and its app."""

    def __init__(self, messenger: Messenger) -> None:
        self._messenger = messenger
        self._subscriptions = Subscriptions(messenger)
        self._page = PageNode(messenger, self._subscriptions)
        self._people = PeopleNodes(messenger)

    def answer(self, call: GraphRequest) -> GraphAnswer:
        """Answer a call; a refusal is an error in Facebook's shape. Never raises."""
        call = replace(call, body=without_nulls(call.body))
        try:
            self._refuse_by_switch()
            return GraphAnswer(200, self._route(call), {})
        except GraphError as error:
            headers = {"Retry-After": str(error.retry_after)} if error.retry_after else {}
            return GraphAnswer(error.status, error.as_dict(), headers)

    def _refuse_by_switch(self) -> None:
        switches = self._messenger.switches
        if switches.graph_down:
            message = "(#2) Service temporarily unavailable"
            raise GraphError(2, message, status=503, transient=True)
        if switches.rate_limited:
            raise GraphError(613, "(#613) Calls to this api have exceeded the rate limit.", retry_after=1)
        if switches.expired_token:
            message = "Error validating access token: Session has expired."
            raise GraphError(190, message, subcode=463, status=401)

    def _route(self, call: GraphRequest) -> Fields:
        """Find the node and the edge: ``/me/messages``, ``/v26.0/<page id>/messages`` and the like."""
        parts = [part for part in call.path.split("/") if part]
        version = parts.pop(0) if parts and VERSION.fullmatch(parts[0]) else "v26.0"
        node, edge = ([*parts, "", ""])[:2]
        if node in ("app", self._messenger.app_id):
            return self._answer_app(call, edge, version=version)
        if edge == "ids_for_pages":
            self._check_token(call, app_level=True, page_level=False)
            return self._people.ids_for_pages(call, node)
        self._check_token(call)
        if len(parts) > 2 or not node:
            raise unknown_path(call)
        if node in ("me", self._messenger.page_id):
            return self._page.answer(call, edge)
        if edge or call.method != "GET":
            raise unknown_path(call)
        return self._people.profile(call, node)

    def _answer_app(self, call: GraphRequest, edge: str, *, version: str) -> Fields:
        if edge == "subscriptions":
            self._check_token(call, app_level=True, page_level=call.method == "GET")
            return self._subscriptions.answer_app(call, version)
        self._check_token(call)
        if edge or call.method != "GET":
            raise unknown_path(call)
        return {"id": self._messenger.app_id, "name": "Simulator"}

    def _check_token(self, call: GraphRequest, *, app_level: bool = False, page_level: bool = True) -> None:
        if not call.token:
            raise GraphError(104, "An access token is required to request this resource.", status=401)
        messenger = self._messenger
        good = [messenger.page_access_token] if page_level else []
        if app_level:
            good.append(f"{messenger.app_id}|{messenger.app_secret}")
        if not any(_are_equal(call.token, known) for known in good):
            raise GraphError(190, "Invalid OAuth access token - Cannot parse access token")
        if call.get("appsecret_proof") is not None:
            self._check_proof(call)

    def _check_proof(self, call: GraphRequest) -> None:
        signed, stamp, fresh = call.token, call.get("appsecret_time"), True
        if stamp is not None:  # with a time the proof is of token|unixtime, and good for five minutes
            signed = f"{signed}|{stamp}"
            is_time = _UNIX_TIME.fullmatch(str(stamp)) is not None
            fresh = is_time and abs(self._messenger.clock() - int(stamp)) <= _PROOF_SECONDS
        right = hmac.new(self._messenger.app_secret.encode(), _bytes(signed), hashlib.sha256).hexdigest()
        if not fresh or not _are_equal(str(call.get("appsecret_proof")), right):
            message = "Invalid appsecret_proof provided in the API argument"
            raise GraphError(100, message, kind="GraphMethodException")


def _are_equal(given: str, right: str) -> bool:
    return hmac.compare_digest(_bytes(given), _bytes(right))


def _bytes(text: str) -> bytes:
    """Encode any text, also half a surrogate pair, which JSON may hold."""
    return text.encode("utf-8", "surrogatepass")
