"""Where a site's account_link call comes in: the key first, then read, judge, act, answer.

Everything is answered in the protocol's own envelope, also what its code table does not know.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from flask import Response, request

from bot_linking.account_link_api.codes import MESSAGES, Code
from bot_linking.account_link_api.keys import Keys
from bot_linking.config.settings import Settings
from bot_linking.core.errors import BotLinkingError, DeliveryFailed, StoreUnavailable
from bot_linking.core.events import LinkingRefused
from bot_linking.core.linking import Linking
from bot_linking.core.ports import ApiKey, Tell
from bot_linking.doors.body import UNKEPT, answer_json, read_body, this_request
from bot_linking.doors.callers import Callers
from bot_linking.doors.throttle import Limit, Throttle

if TYPE_CHECKING:
    from bot_linking.account_link_api.payload import Fields
    from bot_linking.doors.openapi import Operation

LARGEST_BODY = 64 * 1024
RETRY_AFTER_S = 10

# What the protocol has no code for answers with the HTTP status as its code.
STATUS = {
    "page_unknown": 503,
    "store_unavailable": 503,
    "messenger_silent": 503,
    "account_unknown": 404,
    "payload_too_large": 413,
    "payload_unreadable": 400,
    "content_type_unknown": 415,
    "too_many_attempts": 429,
}
KINDS = {
    Code.KEY_NOT_VALID: "OAuthException",
    404: "NotFoundException",
    429: "TooManyRequestsException",
    503: "ServiceUnavailableException",
}

KnowsPerson = Callable[[str, str], bool]
Route = tuple[str, str, Callable[..., Response], list[str]]

_log = logging.getLogger("bot_linking.account_link_api")


class KeyRefused(BotLinkingError):
    """No active key, or one that may not act on this page."""

    slug: ClassVar[str] = "api_key_refused"


class MessengerSilent(BotLinkingError):
    """Messenger did not say whether the person exists."""

    slug: ClassVar[str] = "messenger_silent"


class AccountLinkAPI:
    """The API of one app. `knows(page_id, psid)` asks Messenger whether the person exists; without it nobody
    asks."""

    def __init__(
        self, linking: Linking, settings: Settings, *, prefix: str, tell: Tell, knows: KnowsPerson | None
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
        self._pages = {page.id for page in settings.pages if page.id is not None}
        self._document: bytes | None = None
        self.neighbours: list[Callable[[], Sequence[Operation]]] = []  # who else stands in the document

    def routes(self) -> list[Route]:
        """Rule, endpoint, view, methods."""
        return [
            ("/api", "account_link", self.account_link, ["POST"]),
            ("/openapi.json", "openapi", self.show_document, ["GET"]),
        ]

    def account_link(self) -> Response:
        """One call. Nothing of the body is looked at before the key was found good."""
        request_id = ""
        try:
            key, page_id = self._authenticate()
            fields = self._read()
            request_id = _payload().request_id_of(fields)
            self._act(key, page_id, fields)
        except BotLinkingError as refusal:
            return self._refuse(refusal, request_id)
        return answer_json(
            200, {"request_id": request_id, "result": True, "error_code": 0, "error_message": ""}
        )

    # The key

    def _authenticate(self) -> tuple[ApiKey, str | None]:
        """The key, and the page it is bound to, if any. Failures are counted by address, and a good key is
        none: nobody's guesses can lock the site out."""
        key = self._keys.find(request.headers.get("APIKEY", ""))
        if key is not None:
            page_id = self._page_of(key) if key.pages else None
            if page_id is None or self._may_act(key, page_id):
                return key, page_id
        address = self._callers.address_of(request.remote_addr, request.headers.getlist("X-Forwarded-For"))
        self._throttle.check(self._by_address, address)
        self._throttle.count(self._by_address, address)
        raise KeyRefused(MESSAGES[Code.KEY_NOT_VALID])

    def _page_of(self, key: ApiKey) -> str:
        return key.pages[0] if len(key.pages) == 1 else self._linking.only_page()

    def _may_act(self, key: ApiKey, page_id: str) -> bool:
        return page_id in key.pages and (not self._pages or page_id in self._pages)

    # The call

    def _read(self) -> Fields:
        body = read_body(this_request(), LARGEST_BODY)
        fields: Fields = _payload().read_fields(request.headers.get("Content-Type"), body)
        return fields

    def _act(self, key: ApiKey, page_id: str | None, fields: Fields) -> None:
        payload = _payload()
        audit = payload.audit_of(fields, key.id)
        call = payload.judge(fields)
        refusal = call if isinstance(call, payload.CallRefused) else None
        if self._knows is not None and (refusal is None or refusal.code in _JUDGED_AFTER_THE_PERSON):
            page_id = page_id or self._page_of(key)
            self._ask_messenger(self._knows, page_id, payload.psid_of(fields))
        if isinstance(call, payload.CallRefused):
            raise call
        page_id = page_id or self._page_of(key)
        given = call.identifiers
        if given is None:
            self._linking.unlink(call.psid, page_id, source="api", audit=audit)
        else:
            self._linking.bind(call.psid, given, page_id, source="api", audit=audit)

    def _ask_messenger(self, knows: KnowsPerson, page_id: str, psid: str) -> None:
        """13002 for a person who does not exist; who is linked here has existed, and may be unlinked."""
        if self._linking.link_of(psid, page_id) is not None:
            return
        try:
            known = knows(page_id, psid)
        except DeliveryFailed as problem:
            _log.warning("Messenger did not say whether a PSID exists: %s", problem)
            raise MessengerSilent("Messenger did not say whether this Facebook user id exists") from None
        if not known:
            message = "Invalid Facebook user id: Messenger knows no such person on this page"
            raise _payload().CallRefused(Code.RECIPIENT_INVALID, message)

    # The answer

    def _refuse(self, refusal: BotLinkingError, request_id: str) -> Response:
        status, code = _status_and_code(refusal)
        message = str(refusal)
        if isinstance(refusal, StoreUnavailable):
            _log.error("account_link call not done: %s", refusal)
            message = "The store is not available"  # its own text names the file
        elif status in {401, 404, 503}:
            self._tell(LinkingRefused(refusal.slug))
        error = {
            "message": message,
            "type": KINDS.get(code, "InvalidParamException"),
            "code": code,
            "error_subcode": 0,
            "request_id": request_id,
        }
        envelope = {"request_id": request_id, "result": False, "error_code": code, "error_message": message}
        answer = answer_json(status, {**envelope, "error": error})
        if status in {429, 503}:
            answer.headers["Retry-After"] = str(getattr(refusal, "retry_after", RETRY_AFTER_S))
        return answer

    # The document

    def show_document(self) -> Response:
        """The OpenAPI document, made once for each process."""
        if self._document is None:
            from bot_linking.account_link_api.operations import operations
            from bot_linking.doors.openapi import document

            shown = [*operations(self._prefix), *(each for more in self.neighbours for each in more())]
            made = document(shown, server=self._settings.public_url)
            self._document = json.dumps(made).encode()
        return Response(self._document, 200, UNKEPT, content_type="application/json")


_JUDGED_AFTER_THE_PERSON = {Code.STATUS_INVALID, Code.IDENTIFIER_INVALID}


def _status_and_code(refusal: BotLinkingError) -> tuple[int, int]:
    if isinstance(refusal, KeyRefused):
        return 401, Code.KEY_NOT_VALID
    code = getattr(refusal, "code", None)
    if isinstance(code, Code):
        return 400, code
    return STATUS[refusal.slug], STATUS[refusal.slug]


def _payload() -> Any:
    """The reader, loaded with the first call: pydantic takes a while."""
    from bot_linking.account_link_api import payload

    return payload
