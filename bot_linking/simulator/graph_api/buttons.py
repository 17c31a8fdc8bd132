"""Buttons as Messenger documents them: those of a message, and the items of a persistent menu."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..safety import is_web_address, origin_of
from .errors import refused
from .shapes import listing, mapping, one_of, text

BUTTONS_LIMIT = 3
BUTTON_TITLE_LIMIT = 20
MENU_TITLE_LIMIT = 30
PAYLOAD_LIMIT = 1000
HEIGHTS = ("compact", "tall", "full")


def check_buttons(buttons: object) -> None:
    """Raise ``GraphError`` unless these are one to three buttons that a template may have."""
    for entry in listing("buttons", buttons, 1, BUTTONS_LIMIT):
        _check(mapping("button", entry), _OF_A_MESSAGE)


def check_menu_item(entry: object) -> None:
    """Raise ``GraphError`` unless a persistent menu may have this item. Log In and Log Out it may not
    have."""
    _check(mapping("menu item", entry), _OF_A_MENU)


def buttons_of(message: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the buttons of a message that the rules accept, of any template."""
    payload = message.get("attachment", {}).get("payload", {})
    yield from payload.get("buttons", ())
    for element in payload.get("elements", ()):
        yield from element.get("buttons", ())


def check_whitelisted(url: str, profile: Mapping[str, Any]) -> None:
    """Raise ``GraphError`` unless the origin of ``url`` is among the ``whitelisted_domains``."""
    known = {origin_of(domain) for domain in profile.get("whitelisted_domains", ())}
    if origin_of(url) not in known:
        raise refused("The domain of a messenger_extensions button must be in whitelisted_domains")


Rule = Callable[[Mapping[str, Any]], None]


def _check(button: Mapping[str, Any], rules: Mapping[str, Rule]) -> None:
    kind = button.get("type")
    if not isinstance(kind, str) or kind not in rules:
        raise refused(f"Button type must be one of {', '.join(rules)}, not {kind!r}")
    rules[kind](button)


def _check_account_link(button: Mapping[str, Any]) -> None:
    extra = sorted(set(button) - {"type", "url"})
    if extra:
        raise refused(f"An account_link button has only type and url; not allowed: {', '.join(extra)}")
    if not is_web_address(button.get("url")):
        raise refused("The url of an account_link button must be https")


def _check_account_unlink(button: Mapping[str, Any]) -> None:
    extra = sorted(set(button) - {"type"})
    if extra:
        raise refused(f"An account_unlink button has only type; not allowed: {', '.join(extra)}")


def _check_postback(button: Mapping[str, Any], limit: int = BUTTON_TITLE_LIMIT) -> None:
    text("title of a button", button.get("title"), limit)
    text("payload of a button", button.get("payload"), PAYLOAD_LIMIT)


def _check_web_url(button: Mapping[str, Any], limit: int = BUTTON_TITLE_LIMIT) -> None:
    text("title of a button", button.get("title"), limit)
    url = button.get("url")
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        raise refused("The url of a web_url button must be http or https")
    if "webview_height_ratio" in button:
        one_of("webview_height_ratio", button["webview_height_ratio"], HEIGHTS)
    if button.get("messenger_extensions") is True and not is_web_address(url):
        raise refused("The url of a messenger_extensions button must be https")


_OF_A_MESSAGE: dict[str, Rule] = {
    "account_link": _check_account_link,
    "account_unlink": _check_account_unlink,
    "postback": _check_postback,
    "web_url": _check_web_url,
}
_OF_A_MENU: dict[str, Rule] = {
    "postback": lambda item: _check_postback(item, MENU_TITLE_LIMIT),
    "web_url": lambda item: _check_web_url(item, MENU_TITLE_LIMIT),
}
