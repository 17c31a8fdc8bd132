"""Where a site's account_link call comes in: check the key, read, judge, act, answer; in this order.

Every answer has the protocol's envelope.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from flask import Response, request

from bot_linking.account_link_api.codes import NO_KEY, Code, code_of
from bot_linking.account_link_api.keys import Keys
from bot_linking.account_link_api.refusals import CallRefused, ConflictRefused, KeyRefused, MessengerSilent
from bot_linking.config.settings import Settings
from bot_linking.core.errors import BotLinkingError, DeliveryFailed
from bot_linking.core.events import LinkingRefused
from bot_linking.core.linking import Linking
from bot_linking.core.log_throttle import log_sparingly
from bot_linking.core.ports import ApiKey, Tell
from bot_linking.doors.body import NO_STORE, address_by, answer_json, read_call, this_request
from bot_linking.doors.callers import Callers
from bot_linking.doors.paths import MethodRefused, PathUnknown, add_below, add_door, allow, with_hints
from bot_linking.doors.throttle import Limit, Throttle

if TYPE_CHECKING:
    from flask.blueprints import BlueprintSetupState

    from bot_linking.account_link_api.calls import Fields
    from bot_linking.doors.openapi import Operation

LARGEST_BODY = 64 * 1024

KnowsPerson = Callable[[str, str], bool]

_log = logging.getLogger("bot_linking.account_link_api")


class AccountLinkAPI:
    """The API of one app. `serves(page_id)` tells whether a page is the app's now. `knows(page_id, psid)`
    asks Messenger whether the person exists; None when Messenger is not to be asked."""

    def __init__(
        self,
        linking: Linking,
        settings: Settings,
        *,
        serves: Callable[[str], bool],
        prefix: str,
        tell: Tell,
        knows: KnowsPerson | None,
    ) -> None:
        self._linking = linking
        self._settings = settings
        self._prefix = prefix
        self._tell = tell
        self._knows = knows
        self._keys = Keys(linking)
        self._throttle = Throttle(linking.counters, linking.now)
        self._callers = Callers(linking.counters, linking.now, settings.trusted_proxies)
        self._by_address = Limit("api-key", settings.api_failure_limit, 60)
        self._serves = serves
        self._document: bytes | None = None
        self.neighbours: list[Callable[[], Sequence[Operation]]] = []  # other rooms' calls in the document

    def add_to(self, state: BlueprintSetupState) -> None:
        """Add the routes below the blueprint's prefix."""
        add_door(state, "/api", "account_link", self.answer)
        add_below(state, "/api", "account_link_below", self.answer_below)
        add_door(state, "/openapi.json", "openapi", self.show_document)

    def answer(self) -> Response:
        """Answer one call."""
        method = this_request().method
        if method == "OPTIONS":
            return allow("POST")
        if method != "POST":
            return self._refuse(MethodRefused("POST"), "")
        return self._call()

    def answer_below(self) -> Response:
        """Answer 404 below the address."""
        return self._refuse(PathUnknown(f"there is nothing here; the address is {self._prefix}/api"), "")

    def _call(self) -> Response:
        """Handle a POST. The body is read only after the key was found good."""
        request_id = ""
        try:
            key, page_id = self._authenticate()
            fields = self._read()
            request_id = _calls().request_id_of(fields)
            self._act(key, page_id, fields)
        except BotLinkingError as refusal:
            return self._refuse(refusal, request_id)
        return answer_json(
            200, {"request_id": request_id, "result": True, "error_code": 0, "error_message": ""}
        )

    # The key

    def _authenticate(self) -> tuple[ApiKey, str | None]:
        """The key, and the page that it is bound to, if any. Only failed calls count, by address, so a
        guesser cannot lock out the holder of a good key."""
        key = self._keys.find(this_request().headers.get("APIKEY", ""))
        if key is not None:
            page_id = self._page_of(key) if key.pages else None
            if page_id is None or self._may_act(key, page_id):
                return key, page_id
        address = address_by(self._callers)
        self._throttle.check(self._by_address, address)
        self._throttle.count(self._by_address, address)
        raise KeyRefused(NO_KEY)

    def _page_of(self, key: ApiKey) -> str:
        return key.pages[0] if len(key.pages) == 1 else self._linking.only_page()

    def _may_act(self, key: ApiKey, page_id: str) -> bool:
        return page_id in key.pages and self._serves(page_id)

    # The call

    def _read(self) -> Fields:
        body = read_call(LARGEST_BODY)
        fields: Fields = _calls().read_fields(this_request().headers.get("Content-Type"), body)
        return fields

    def _act(self, key: ApiKey, page_id: str | None, fields: Fields) -> None:
        calls = _calls()
        audit = calls.audit_of(fields, key.id)
        call = calls.judge(fields)
        if self._knows is not None and calls.is_about_a_valid_person(call):
            page_id = page_id or self._page_of(key)
            self._ask_messenger(self._knows, page_id, calls.psid_of(fields))
        if isinstance(call, BotLinkingError):
            raise call
        page_id = page_id or self._page_of(key)
        given = call.identifiers
        if given is None:
            self._linking.unlink(call.psid, page_id, source="api", audit=audit)
        else:
            outcome = self._linking.bind(call.psid, given, page_id, source="api", audit=audit)
            if isinstance(outcome, LinkingRefused):
                raise ConflictRefused("this person is linked to another account: unlink them first")

    def _ask_messenger(self, knows: KnowsPerson, page_id: str, psid: str) -> None:
        """Refuse a person who does not exist, with 13002. A linked person is not asked about: they may be
        unlinked in any case."""
        if self._linking.link_of(psid, page_id) is not None:
            return
        try:
            known = knows(page_id, psid)
        except DeliveryFailed as problem:
            text = "Messenger did not say whether a PSID exists: %s"
            log_sparingly(_log, logging.WARNING, f"psid {id(self)}", text, problem)
            raise MessengerSilent("Messenger did not say whether this Facebook user id exists") from None
        if not known:
            message = "Invalid Facebook user id: Messenger knows no such person on this page"
            raise CallRefused(Code.RECIPIENT_INVALID, message)

    # The answer

    def _refuse(self, refusal: BotLinkingError, request_id: str) -> Response:
        code = code_of(refusal)
        if code in _LOGGED:
            kind, text = f"account_link {id(self)} {code}", "account_link call not done: %s"
            log_sparingly(_log, logging.ERROR, kind, text, refusal, exc_info=code is Code.FAILED)
        elif code in _TOLD:
            self._tell(LinkingRefused(refusal.slug))
        message = str(refusal) if code not in _LOGGED else code.sentence
        return with_hints(answer_json(code.status, _envelope(code, message, request_id)), refusal)

    # The document

    def show_document(self) -> Response:
        """The OpenAPI document, made once for each process."""
        if request.method not in {"GET", "HEAD"}:
            return allow("GET") if request.method == "OPTIONS" else self._refuse(MethodRefused("GET"), "")
        if self._document is None:
            from bot_linking.account_link_api.operations import operations
            from bot_linking.doors.openapi import document

            shown = [*operations(self._prefix), *(each for more in self.neighbours for each in more())]
            made = document(shown, server=self._settings.public_url)
            self._document = json.dumps(made).encode()
        return Response(self._document, 200, NO_STORE, content_type="application/json")


_LOGGED = {Code.FAILED, Code.STORE_AWAY, Code.POLICY_FAILED}  # their own text is for the operator
_TOLD = {Code.KEY_NOT_VALID, Code.ACCOUNT_UNKNOWN, Code.PAGE_UNKNOWN, Code.MESSENGER_SILENT}


def _envelope(code: Code, message: str, request_id: str) -> dict[str, Any]:
    error = {
        "message": message,
        "type": code.kind,
        "code": code.number,
        "error_subcode": 0,
        "request_id": request_id,
    }
    return {
        "request_id": request_id,
        "result": False,
        "error_code": code.number,
        "error_message": message,
        "error": error,
    }


def _calls() -> Any:
    """The module `calls`, imported with the first call: pydantic is slow to load."""
    from bot_linking.account_link_api import calls

    return calls
