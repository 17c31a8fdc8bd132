"""The Graph API without the HTTP: who may call, and which node answers."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import replace

from .errors import GraphError
from .graph_call import (
    Fields,
    GraphAnswer,
    GraphRequest,
    Messenger,
    comma_separated,
    refuse_unknown_fields,
    unknown_path,
    without_nulls,
)
from .page_node import APP_ID, PageNode

_VERSION = re.compile(r"v\d+\.\d+")
_PROOF_SECONDS = 300


class Graph:
    """Answers calls about one page and its people."""

    def __init__(self, messenger: Messenger) -> None:
        self._messenger = messenger
        self._page = PageNode(messenger)

    def answer(self, call: GraphRequest) -> GraphAnswer:
        """Answer a call, be it with an error in Facebook's shape; never raises."""
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
        if parts and _VERSION.fullmatch(parts[0]):
            del parts[0]
        node, edge = ([*parts, "", ""])[:2]
        page = node in ("me", self._messenger.page_id)
        if node in ("app", APP_ID) and edge == "subscriptions":
            self._check_token(call, app_level=True)
            return self._app_subscriptions(call)
        self._check_token(call)
        if len(parts) > 2 or not node:
            raise unknown_path(call)
        if node in ("app", APP_ID) and not edge and call.method == "GET":
            return {"id": APP_ID, "name": "Simulator"}
        if page:
            return self._page.answer(call, edge)
        if edge or call.method != "GET":
            raise unknown_path(call)
        return self._profile_of(call, node)

    # --- who may call

    def _check_token(self, call: GraphRequest, *, app_level: bool = False) -> None:
        token = str(call.get("access_token") or call.bearer)
        if not token:
            raise GraphError(104, "An access token is required to request this resource.", status=401)
        good = [self._messenger.page_access_token]
        if app_level:
            good.append(f"{APP_ID}|{self._messenger.app_secret}")
        if not any(hmac.compare_digest(token.encode(), known.encode()) for known in good):
            raise GraphError(190, "Invalid OAuth access token - Cannot parse access token")
        if call.get("appsecret_proof") is not None:
            self._check_proof(call, token)

    def _check_proof(self, call: GraphRequest, token: str) -> None:
        signed = token
        stamp = call.get("appsecret_time")
        fresh = True
        if stamp is not None:  # the newer form: token|unixtime, good for five minutes
            signed = f"{token}|{stamp}"
            fresh = str(stamp).isdigit() and abs(self._messenger.clock() - int(stamp)) <= _PROOF_SECONDS
        right = hmac.new(self._messenger.app_secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
        if not fresh or not hmac.compare_digest(str(call.get("appsecret_proof")).encode(), right.encode()):
            message = "Invalid appsecret_proof provided in the API argument"
            raise GraphError(100, message, kind="GraphMethodException")

    # --- a person, and the app

    def _profile_of(self, call: GraphRequest, psid: str) -> Fields:
        person = self._messenger.person(psid)
        if person is None:
            message = f"Unsupported get request. Object with ID '{psid[:40]}' does not exist or can't be seen"
            raise GraphError(100, message, subcode=33, kind="GraphMethodException")
        known: Fields = {
            "id": person.psid,
            "name": person.name,
            "first_name": person.first_name,
            "last_name": person.last_name,
            "profile_pic": f"{self._messenger.url}/simulator/people/{person.psid}.svg",
            "locale": person.locale,
        }
        fields = comma_separated(call.get("fields")) or ["first_name", "last_name", "profile_pic"]
        refuse_unknown_fields(fields, known)
        return {name: known[name] for name in [*fields, "id"]}

    def _app_subscriptions(self, call: GraphRequest) -> Fields:
        if call.method != "GET":
            raise unknown_path(call)
        version = call.path.split("/")[0]
        version = version if _VERSION.fullmatch(version) else "v26.0"
        fields = [{"name": name, "version": version} for name in self._messenger.app_fields]
        page = {
            "object": "page",
            "callback_url": self._messenger.webhook_url,
            "active": True,
            "fields": fields,
        }
        return {"data": [page] if fields else []}
