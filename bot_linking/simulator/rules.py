"""What the Send API accepts, written down from its documentation; anything else is refused with code 100.

A real page shows nothing at all for some of these mistakes (a Log In button with a title, for one); here
they are refused aloud, so that they are found on the laptop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from .errors import refused
from .safety import is_loopback

TEXT_LIMIT = 2000
BUTTON_TEXT_LIMIT = 640
BUTTONS_LIMIT = 3
BUTTON_TITLE_LIMIT = 20
PAYLOAD_LIMIT = 1000
ELEMENTS_LIMIT = 10
ELEMENT_TEXT_LIMIT = 80
QUICK_REPLIES_LIMIT = 13
TEMPLATE_NAME_LIMIT = 512
COMPONENTS_LIMIT = 10
PARAMETERS_LIMIT = 100
SENDER_ACTIONS = ("typing_on", "typing_off", "mark_seen", "react", "unreact")
MESSAGING_TYPES = ("RESPONSE", "UPDATE", "MESSAGE_TAG", "UTILITY")
_MEDIA = ("image", "audio", "video", "file")


def check_send(body: Mapping[str, Any], *, messaging_type_required: bool = True) -> None:
    """Raise ``GraphError`` unless ``body`` is a message, or a sender action, that Messenger would take."""
    if "sender_action" in body:
        if "message" in body:
            raise refused("The message and the sender_action parameters can't be sent together", 2018014)
        _one_of("sender_action", body["sender_action"], SENDER_ACTIONS)
        return
    if "message" not in body:
        raise refused("The parameter message or sender_action is required")
    if messaging_type_required or "messaging_type" in body:
        _one_of("messaging_type", body.get("messaging_type"), MESSAGING_TYPES)
    if body.get("messaging_type") == "MESSAGE_TAG" and body.get("tag") != "HUMAN_AGENT":
        raise refused("The tag is unknown or deprecated; HUMAN_AGENT is left")
    if body.get("messaging_type") == "UTILITY":
        check_template(_mapping("message", body["message"]))
    else:
        check_message(body["message"])


def check_message(message: object) -> None:
    """Raise ``GraphError`` unless ``message`` is text or an attachment, with or without quick replies."""
    content = _mapping("message", message)
    if ("text" in content) == ("attachment" in content):
        raise refused("message must have either text or attachment")
    if "text" in content:
        _text("message.text", content["text"], TEXT_LIMIT)
    else:
        _check_attachment(_mapping("attachment", content["attachment"]))
    if "quick_replies" in content:
        _check_quick_replies(content["quick_replies"])


def check_template(message: Mapping[str, Any]) -> None:
    """Raise ``GraphError`` unless ``message`` is one utility template: its name, language and parameters."""
    template = _mapping("message.template", message.get("template"))
    if set(message) - {"template", "metadata"}:
        raise refused("A utility message has a template, and neither text nor attachment")
    _text("name of a template", template.get("name"), TEMPLATE_NAME_LIMIT)
    _text("language.code of a template", _mapping("language", template.get("language")).get("code"), 10)
    for component in _listing("components", template.get("components", []), 0, COMPONENTS_LIMIT):
        parameters = _mapping("component", component).get("parameters", [])
        for parameter in _listing("parameters", parameters, 0, PARAMETERS_LIMIT):
            _mapping("parameter", parameter)


def is_web_address(url: object) -> bool:
    """Tell whether Messenger would open ``url``: https, or http on this machine."""
    if not isinstance(url, str):
        return False
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))


def _check_attachment(attachment: Mapping[str, Any]) -> None:
    kind = attachment.get("type")
    payload = _mapping("attachment.payload", attachment.get("payload"))
    if kind == "template":
        templates = {"button": _check_button_template, "generic": _check_generic_template}
        _one_of("template_type", payload.get("template_type"), tuple(templates))
        templates[str(payload["template_type"])](payload)
    else:
        _one_of("attachment.type", kind, _MEDIA)


def _check_button_template(payload: Mapping[str, Any]) -> None:
    _text("text of a button template", payload.get("text"), BUTTON_TEXT_LIMIT)
    _check_buttons(payload.get("buttons"), at_least=1)


def _check_generic_template(payload: Mapping[str, Any]) -> None:
    for element in _listing("elements", payload.get("elements"), 1, ELEMENTS_LIMIT):
        _check_element(_mapping("element", element))


def _check_element(element: Mapping[str, Any]) -> None:
    _text("title of an element", element.get("title"), ELEMENT_TEXT_LIMIT)
    if set(element) <= {"title"}:
        raise refused("An element needs at least one more property besides title")
    if element.get("subtitle"):
        _text("subtitle of an element", element["subtitle"], ELEMENT_TEXT_LIMIT)
    if element.get("image_url") and not is_web_address(element["image_url"]):
        raise refused("image_url must be an https address")
    if "buttons" in element:
        _check_buttons(element["buttons"], at_least=1)


def _check_buttons(buttons: object, *, at_least: int) -> None:
    for entry in _listing("buttons", buttons, at_least, BUTTONS_LIMIT):
        button = _mapping("button", entry)
        kind = button.get("type")
        if not isinstance(kind, str) or kind not in _BUTTON_RULES:
            raise refused(f"Button type must be one of {', '.join(_BUTTON_RULES)}, not {kind!r}")
        _BUTTON_RULES[kind](button)


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


def _check_postback(button: Mapping[str, Any]) -> None:
    _text("title of a button", button.get("title"), BUTTON_TITLE_LIMIT)
    _text("payload of a button", button.get("payload"), PAYLOAD_LIMIT)


def _check_web_url(button: Mapping[str, Any]) -> None:
    _text("title of a button", button.get("title"), BUTTON_TITLE_LIMIT)
    url = button.get("url")
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        raise refused("The url of a web_url button must be http or https")


_BUTTON_RULES: dict[str, Callable[[Mapping[str, Any]], None]] = {
    "account_link": _check_account_link,
    "account_unlink": _check_account_unlink,
    "postback": _check_postback,
    "web_url": _check_web_url,
}


def _check_quick_replies(replies: object) -> None:
    for entry in _listing("quick_replies", replies, 1, QUICK_REPLIES_LIMIT):
        reply = _mapping("quick reply", entry)
        _one_of("content_type", reply.get("content_type"), ("text", "user_email", "user_phone_number"))
        if reply["content_type"] == "text":
            _text("title of a quick reply", reply.get("title"), BUTTON_TITLE_LIMIT)
            _text("payload of a quick reply", reply.get("payload"), PAYLOAD_LIMIT)


def _mapping(name: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise refused(f"{name} must be an object")
    return value


def _listing(name: str, value: object, at_least: int, at_most: int) -> list[Any]:
    if not isinstance(value, list) or not at_least <= len(value) <= at_most:
        raise refused(f"{name} must be a list of {at_least} to {at_most}")
    return value


def _text(name: str, value: object, limit: int) -> None:
    if not isinstance(value, str) or not value:
        raise refused(f"The {name} must be a text that is not empty")
    if len(value) > limit:
        raise refused(f"The {name} has {len(value)} characters; {limit} are allowed")


def _one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise refused(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
