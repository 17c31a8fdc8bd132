"""What the Send API accepts, by its documentation; anything else is refused with code 100.

The real API accepts some of these mistakes and the chat shows nothing (of a Log In button with a title, for
one). Here they are refused, so that they are found on the laptop.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..safety import is_web_address
from .buttons import BUTTON_TITLE_LIMIT, PAYLOAD_LIMIT, check_buttons
from .errors import refused
from .shapes import listing, mapping, one_of, text

TEXT_LIMIT = 2000
BUTTON_TEXT_LIMIT = 640
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
        one_of("sender_action", body["sender_action"], SENDER_ACTIONS)
        return
    if "message" not in body:
        raise refused("The parameter message or sender_action is required")
    if messaging_type_required or "messaging_type" in body:
        one_of("messaging_type", body.get("messaging_type"), MESSAGING_TYPES)
    if body.get("messaging_type") == "MESSAGE_TAG" and body.get("tag") != "HUMAN_AGENT":
        raise refused("The tag is unknown or deprecated; HUMAN_AGENT is left")
    if body.get("messaging_type") == "UTILITY":
        check_template(mapping("message", body["message"]))
    else:
        check_message(body["message"])


def check_message(message: object) -> None:
    """Raise ``GraphError`` unless ``message`` is text or an attachment, with or without quick replies."""
    content = mapping("message", message)
    if ("text" in content) == ("attachment" in content):
        raise refused("message must have either text or attachment")
    if "text" in content:
        text("message.text", content["text"], TEXT_LIMIT)
    else:
        _check_attachment(mapping("attachment", content["attachment"]))
    if "quick_replies" in content:
        _check_quick_replies(content["quick_replies"])


def check_template(message: Mapping[str, Any]) -> None:
    """Raise ``GraphError`` unless ``message`` is one utility template: its name, language and parameters."""
    template = mapping("message.template", message.get("template"))
    if set(message) - {"template", "metadata"}:
        raise refused("A utility message has a template, and neither text nor attachment")
    text("name of a template", template.get("name"), TEMPLATE_NAME_LIMIT)
    text("language.code of a template", mapping("language", template.get("language")).get("code"), 10)
    for component in listing("components", template.get("components", []), 0, COMPONENTS_LIMIT):
        parameters = mapping("component", component).get("parameters", [])
        for parameter in listing("parameters", parameters, 0, PARAMETERS_LIMIT):
            mapping("parameter", parameter)


def _check_attachment(attachment: Mapping[str, Any]) -> None:
    kind = attachment.get("type")
    payload = mapping("attachment.payload", attachment.get("payload"))
    if kind != "template":
        one_of("attachment.type", kind, _MEDIA)
        return
    templates = {
        "button": _check_button_template,
        "generic": _check_generic_template,
        "media": _check_media_template,
    }
    one_of("template_type", payload.get("template_type"), tuple(templates))
    templates[str(payload["template_type"])](payload)


def _check_button_template(payload: Mapping[str, Any]) -> None:
    text("text of a button template", payload.get("text"), BUTTON_TEXT_LIMIT)
    check_buttons(payload.get("buttons"))


def _check_generic_template(payload: Mapping[str, Any]) -> None:
    for element in listing("elements", payload.get("elements"), 1, ELEMENTS_LIMIT):
        _check_element(mapping("element", element))


def _check_element(element: Mapping[str, Any]) -> None:
    text("title of an element", element.get("title"), ELEMENT_TEXT_LIMIT)
    if set(element) <= {"title"}:
        raise refused("An element needs at least one more property besides title")
    if element.get("subtitle"):
        text("subtitle of an element", element["subtitle"], ELEMENT_TEXT_LIMIT)
    if element.get("image_url") and not is_web_address(element["image_url"]):
        raise refused("image_url must be an https address")
    if "buttons" in element:
        check_buttons(element["buttons"])


def _check_media_template(payload: Mapping[str, Any]) -> None:
    for entry in listing("elements", payload.get("elements"), 1, 1):
        element = mapping("element", entry)
        one_of("media_type", element.get("media_type"), ("image", "video"))
        if ("url" in element) == ("attachment_id" in element):
            raise refused("A media element has either url or attachment_id")
        if "buttons" in element:
            check_buttons(element["buttons"])


def _check_quick_replies(replies: object) -> None:
    for entry in listing("quick_replies", replies, 1, QUICK_REPLIES_LIMIT):
        reply = mapping("quick reply", entry)
        one_of("content_type", reply.get("content_type"), ("text", "user_email", "user_phone_number"))
        if reply["content_type"] == "text":
            text("title of a quick reply", reply.get("title"), BUTTON_TITLE_LIMIT)
            text("payload of a quick reply", reply.get("payload"), PAYLOAD_LIMIT)
