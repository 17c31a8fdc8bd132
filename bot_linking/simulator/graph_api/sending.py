"""The Send API: to whom a page may write, and when. And ``unlink_accounts``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..person import Person
from . import rules
from .buttons import buttons_of, check_whitelisted
from .call import Fields, GraphRequest, Messenger, with_objects_parsed
from .errors import GraphError, refused
from .window import check_window


class Sending:
    """Answers calls to the edges ``messages`` and ``unlink_accounts``."""

    def __init__(self, messenger: Messenger) -> None:
        self._messenger = messenger

    def send(self, call: GraphRequest) -> Fields:
        """Show a message to the person, or a sender action."""
        body = with_objects_parsed(call.body, ("recipient", "message"))
        recipient = body.get("recipient")
        psid = recipient.get("id") if isinstance(recipient, Mapping) else None
        if psid is None:
            raise refused("The parameter recipient.id is required")
        rules.check_send(body, messaging_type_required=self._messenger.messaging_type_required)
        person = self._existing(str(psid))
        if "message" in body:
            self._check_buttons(person, body["message"])
            self._check_moment(person, body)
        mid = self._messenger.receive(person.psid, body)
        return {"recipient_id": person.psid} | ({"message_id": mid} if mid else {})

    def unlink(self, call: GraphRequest) -> Fields:
        """Unlink a person; also one who is not linked gets a success."""
        self._messenger.unlink(self._existing(str(call.get("psid") or "")).psid)
        return {"result": "unlink account success"}

    def _existing(self, psid: str) -> Person:
        person = self._messenger.person(psid)
        if person is None:
            raise refused("No matching user found", 2018001)
        return person

    def _check_moment(self, person: Person, body: Mapping[str, Any]) -> None:
        switches = self._messenger.switches
        if body.get("messaging_type") == "UTILITY" and switches.utility_refused:
            raise refused("The template does not exist, or is not approved")
        silent_for = math.inf if switches.outside_window else self._messenger.silent_for(person.psid)
        check_window(body, silent_for=silent_for)

    def _check_buttons(self, person: Person, message: Mapping[str, Any]) -> None:
        """Refuse Log In under the European rules, and a Messenger Extensions page of an unlisted domain."""
        european = person.european or self._messenger.switches.european_page
        for button in buttons_of(message):
            if button["type"] == "account_link" and european:
                text = "(#10) This feature is not available for people or pages in this region."
                raise GraphError(10, text, subcode=2018336)
            if button.get("messenger_extensions") is True:
                check_whitelisted(button["url"], self._messenger.profile)
