"""Log In and Log Out buttons, and the messages that carry them.

Sources: Messenger's button reference pages for login and logout, its button and generic templates. A Log In
button has exactly a type and a url: Messenger drops a message whose Log In button has a title. Wrong
arguments raise `ValueError` here, before Messenger drops the message.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bot_linking.core.addresses import is_guarded
from bot_linking.core.links import LOGIN
from bot_linking.core.ways import OUT
from bot_linking.translations import translate

Message = dict[str, Any]
Button = dict[str, str]
ButtonOf = Callable[[str | None], Button]  # the Log In button of a page, by its id

LONGEST_TEXT = 640
LONGEST_TITLE = 80


def login_button(url: str) -> Button:
    """A button that opens the linking page. Messenger labels it in the person's language."""
    return {"type": "account_link", "url": _https(url, "url")}


def logout_button() -> Button:
    """A button that unlinks on Messenger's side, which then sends an `unlinked` event."""
    return {"type": "account_unlink"}


def way_out(source: str, locale: str) -> Button:
    """The Log Out button for a link of this source. Messenger's own button is for a link by the Log In
    button. A link of another source gets a postback, which we handle."""
    if source == LOGIN:
        return logout_button()
    return {"type": "postback", "title": translate(locale, "Log Out"), "payload": OUT}


def message_with(
    button: Button,
    text: str,
    *,
    title: str | None = None,
    subtitle: str | None = None,
    image_url: str | None = None,
) -> Message:
    """A `message` object for any client's send call.

    A button template of `text` (640 characters at most, in UTF-16 units); with a `title`, `subtitle` (80
    each) or `image_url` a generic template, whose title is `title` or else `text`.
    """
    if title is None and subtitle is None and image_url is None:
        return _template(
            {"template_type": "button", "text": _text(text, "text", LONGEST_TEXT), "buttons": [button]}
        )
    element: dict[str, Any] = {"title": _text(title or text, "title", LONGEST_TITLE), "buttons": [button]}
    if subtitle is not None or title is not None:
        element["subtitle"] = _text(subtitle or text, "subtitle", LONGEST_TITLE)
    if image_url is not None:
        element["image_url"] = _https(image_url, "image_url")
    return _template({"template_type": "generic", "elements": [element]})


def length_of(text: str) -> int:
    """The text's length in UTF-16 units, which Messenger's clients count in. Messenger's documentation names
    no unit; code points would count less."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def shortened(text: str, longest: int = LONGEST_TEXT) -> str:
    """The text, cut to the longest that Messenger takes, between two characters."""
    return text.encode("utf-16-le", "surrogatepass")[: 2 * longest].decode("utf-16-le", "ignore")


def _template(payload: dict[str, Any]) -> Message:
    return {"attachment": {"type": "template", "payload": payload}}


def _text(value: str, name: str, longest: int) -> str:
    if not value.strip():
        raise ValueError(f"{name} is empty")
    if length_of(value) > longest:
        raise ValueError(f"{name} is longer than {longest} characters (an emoji counts as two or more)")
    return value


def _https(url: str, name: str) -> str:
    if not is_guarded(url):
        raise ValueError(f"{name} is not https")
    return url
