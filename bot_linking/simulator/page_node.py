"""The page and its edges: sending, unlinking, the Messenger Profile, the page's subscription."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from . import rules
from .errors import GraphError, refused
from .graph_call import (
    Fields,
    GraphRequest,
    Messenger,
    comma_separated,
    refuse_unknown_fields,
    unknown_path,
    with_objects_parsed,
)
from .person import Person
from .tokens import TokenState
from .window import check_window

APP_ID = "908070605040302"
_PROFILE_FIELDS = (
    "account_linking_url",
    "commands",
    "get_started",
    "greeting",
    "ice_breakers",
    "persistent_menu",
    "whitelisted_domains",
)
_READ_ONLY_FIELD = "subject_to_new_eu_privacy_rules"
_AUTH_FIELDS = ("access_token", "appsecret_proof", "appsecret_time")


class PageNode:
    """Answers calls to ``/me`` and ``/<page id>``."""

    def __init__(self, messenger: Messenger) -> None:
        self._messenger = messenger

    def answer(self, call: GraphRequest, edge: str) -> Fields:
        """Answer a call to one edge, the empty one being the page itself; raises ``GraphError``."""
        doors: dict[tuple[str, str], Callable[[GraphRequest], Fields]] = {
            ("GET", ""): self._read_page,
            ("POST", "messages"): self._send,
            ("POST", "unlink_accounts"): self._unlink,
            ("GET", "messenger_profile"): self._read_profile,
            ("POST", "messenger_profile"): self._write_profile,
            ("DELETE", "messenger_profile"): self._clear_profile,
            ("GET", "subscribed_apps"): self._read_subscription,
            ("POST", "subscribed_apps"): self._subscribe,
            ("DELETE", "subscribed_apps"): self._unsubscribe,
        }
        door = doors.get((call.method, edge))
        if door is None:
            raise unknown_path(call)
        return door(call)

    # --- the page

    def _read_page(self, call: GraphRequest) -> Fields:
        fields = comma_separated(call.get("fields")) or ["id", "name"]
        known: Fields = {"id": self._messenger.page_id, "name": self._messenger.page_name}
        if "recipient" in fields:
            known["recipient"] = self._recipient(str(call.get("account_linking_token") or ""))
        refuse_unknown_fields(fields, known)
        return {name: known[name] for name in dict.fromkeys(["id", *fields])}

    def _recipient(self, token: str) -> str:
        state, psid = self._messenger.tokens.look_up(token)
        if state is not TokenState.LIVE or self._messenger.switches.expired_linking_token:
            raise GraphError(10303, "(#10303) Invalid account_linking_token")
        return psid

    def _send(self, call: GraphRequest) -> Fields:
        body = with_objects_parsed(call.body, ("recipient", "message"))
        recipient = body.get("recipient")
        psid = recipient.get("id") if isinstance(recipient, Mapping) else None
        if psid is None:
            raise refused("The parameter recipient.id is required")
        rules.check_send(body, messaging_type_required=self._messenger.messaging_type_required)
        self._existing(str(psid))
        self._check_window(str(psid), body)
        mid = self._messenger.receive(str(psid), body)
        return {"recipient_id": str(psid)} | ({"message_id": mid} if mid else {})

    def _check_window(self, psid: str, body: Mapping[str, Any]) -> None:
        switches = self._messenger.switches
        if body.get("messaging_type") == "UTILITY" and switches.utility_refused:
            raise refused("The template does not exist, or is not approved")
        if "message" in body:
            check_window(
                body, silent_for=math.inf if switches.outside_window else self._messenger.silent_for(psid)
            )

    def _unlink(self, call: GraphRequest) -> Fields:
        psid = str(call.get("psid") or "")
        self._existing(psid)
        self._messenger.unlink(psid)
        return {"result": "unlink account success"}

    def _existing(self, psid: str) -> Person:
        person = self._messenger.person(psid)
        if person is None:
            raise refused("No matching user found", 2018001)
        return person

    # --- the Messenger Profile

    def _read_profile(self, call: GraphRequest) -> Fields:
        fields = comma_separated(call.get("fields"))
        if not fields:
            raise refused("The parameter fields is required")
        known = {**self._messenger.profile, _READ_ONLY_FIELD: False}
        refuse_unknown_fields(fields, [*_PROFILE_FIELDS, _READ_ONLY_FIELD])
        found = {name: known[name] for name in fields if name in known}
        return {"data": [found] if found else []}

    def _write_profile(self, call: GraphRequest) -> Fields:
        given = {name: value for name, value in call.body.items() if name not in _AUTH_FIELDS}
        if not given:
            raise refused("At least one property of the Messenger Profile is required")
        refuse_unknown_fields(given, _PROFILE_FIELDS)
        if "account_linking_url" in given and not rules.is_web_address(given["account_linking_url"]):
            raise refused("account_linking_url must be https")
        self._messenger.profile.update(given)
        return {"result": "success"}

    def _clear_profile(self, call: GraphRequest) -> Fields:
        fields = comma_separated(call.get("fields"))
        if not fields:
            raise refused("The parameter fields is required")
        refuse_unknown_fields(fields, _PROFILE_FIELDS)
        for name in fields:
            self._messenger.profile.pop(name, None)
        return {"result": "success"}

    # --- subscriptions: only a field subscribed at both levels is delivered

    def _read_subscription(self, call: GraphRequest) -> Fields:
        fields = self._messenger.page_fields
        app = {
            "category": "Business",
            "name": "Simulated app",
            "id": APP_ID,
            "subscribed_fields": list(fields),
        }
        return {"data": [app] if fields else []}

    def _subscribe(self, call: GraphRequest) -> Fields:
        fields = comma_separated(call.get("subscribed_fields"))
        if not fields:
            raise refused("The parameter subscribed_fields is required")
        self._messenger.page_fields = list(dict.fromkeys(fields))  # replaces: Facebook does not merge
        return {"success": True}

    def _unsubscribe(self, call: GraphRequest) -> Fields:
        self._messenger.page_fields = []
        return {"success": True}
