"""The Messenger Profile of the page: greeting, Get Started, menu, whitelisted domains and the like."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from ..safety import is_web_address
from .buttons import PAYLOAD_LIMIT, check_menu_item, check_whitelisted
from .call import AUTH_FIELDS, Fields, GraphRequest, Messenger, comma_separated, refuse_unknown_fields
from .errors import GraphError, refused
from .shapes import listing, mapping, text
from .subscriptions import refuse_without_permission

PROPERTIES = (
    "account_linking_url",
    "commands",
    "get_started",
    "greeting",
    "ice_breakers",
    "persistent_menu",
    "whitelisted_domains",
)
_READ_ONLY = "subject_to_new_eu_privacy_rules"
#: Graph allows so many calls of any kind within so many seconds, for each page.
CALLS, SECONDS = 10, 600


class MessengerProfile:
    """Answers calls to the edge ``messenger_profile``."""

    def __init__(self, messenger: Messenger) -> None:
        self._messenger = messenger
        self._calls: deque[float] = deque(maxlen=CALLS)

    def read(self, call: GraphRequest) -> Fields:
        """Return the properties that are asked for and set."""
        self._count()
        fields = comma_separated(call.get("fields"))
        if not fields:
            raise refused("The parameter fields is required")
        known = {**self._messenger.profile, _READ_ONLY: self._messenger.switches.european_page}
        refuse_unknown_fields(fields, [*PROPERTIES, _READ_ONLY])
        found = {name: known[name] for name in fields if name in known}
        return {"data": [found] if found else []}

    def write(self, call: GraphRequest) -> Fields:
        """Replace properties."""
        self._count()
        refuse_without_permission(self._messenger)
        given = {name: value for name, value in call.body.items() if name not in AUTH_FIELDS}
        if not given:
            raise refused("At least one property of the Messenger Profile is required")
        refuse_unknown_fields(given, PROPERTIES)
        for name, check in _CHECKS.items():
            if name in given:
                check(given[name], {**self._messenger.profile, **given})
        self._messenger.profile.update(given)
        return {"result": "success"}

    def clear(self, call: GraphRequest) -> Fields:
        """Delete properties."""
        self._count()
        refuse_without_permission(self._messenger)
        fields = comma_separated(call.get("fields"))
        if not fields:
            raise refused("The parameter fields is required")
        refuse_unknown_fields(fields, PROPERTIES)
        if "get_started" in fields and "persistent_menu" in set(self._messenger.profile) - set(fields):
            raise refused("A persistent menu needs Get Started: delete the menu first")
        for name in fields:
            self._messenger.profile.pop(name, None)
        return {"result": "success"}

    def _count(self) -> None:
        now = self._messenger.clock()
        if len(self._calls) == CALLS and now - self._calls[0] < SECONDS:
            raise GraphError(613, "(#613) Calls to this api have exceeded the rate limit.")
        self._calls.append(now)


def _check_linking_url(value: object, profile: Mapping[str, Any]) -> None:
    if not is_web_address(value):
        raise refused("account_linking_url must be https")


def _check_get_started(value: object, profile: Mapping[str, Any]) -> None:
    text("payload of get_started", mapping("get_started", value).get("payload"), PAYLOAD_LIMIT)


def _check_domains(value: object, profile: Mapping[str, Any]) -> None:
    for domain in listing("whitelisted_domains", value, 1, 50):
        if not is_web_address(domain):
            raise refused("A whitelisted domain must be https")


def _check_menu(value: object, profile: Mapping[str, Any]) -> None:
    if "get_started" not in profile:
        raise refused("A persistent menu needs Get Started: set get_started first")
    menus = [mapping("menu", each) for each in listing("persistent_menu", value, 1, 50)]
    if "default" not in [menu.get("locale") for menu in menus]:
        raise refused("One of the menus must have the locale default")
    for menu in menus:
        for entry in listing("call_to_actions", menu.get("call_to_actions"), 1, 20):
            check_menu_item(entry)
            if entry.get("messenger_extensions") is True:
                check_whitelisted(entry["url"], profile)


_CHECKS: dict[str, Callable[[object, Mapping[str, Any]], None]] = {
    "account_linking_url": _check_linking_url,
    "get_started": _check_get_started,
    "whitelisted_domains": _check_domains,
    "persistent_menu": _check_menu,
}
