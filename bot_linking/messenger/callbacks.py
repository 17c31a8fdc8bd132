"""Meta's callbacks about people: data deletion and deauthorize. Each carries a `signed_request`.

A request is recorded before it is answered, and the outbox does the work later. Sources: data deletion
callback; deauthorize callback of Facebook Login.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from typing import Literal

from flask import Response

from bot_linking.core.codes import digest_of
from bot_linking.core.errors import BotLinkingError, PayloadTooLarge, PayloadUnreadable
from bot_linking.core.linking import Linking
from bot_linking.core.log_throttle import log_sparingly
from bot_linking.core.rights import request_deletion
from bot_linking.doors.body import answer_json, this_request
from bot_linking.doors.charset import CharsetRefused
from bot_linking.doors.form import form_of
from bot_linking.messenger.events import AllowedPages
from bot_linking.messenger.pages import Pages
from bot_linking.messenger.signed_request import SignedRequestRefused, app_user_of, read_signed

LARGEST_BODY = 64 * 1024
CODE_BYTES = 12
RETRY_AFTER_S = "10"

Kind = Literal["deletion", "deauthorize"]
Route = tuple[str, str, Callable[[], Response], list[str]]  # rule, endpoint, view, methods

_log = logging.getLogger("bot_linking.callbacks")


class Callbacks:
    """The two callbacks of one app. `status_url` is the address of a status page without the code at its
    end."""

    def __init__(self, linking: Linking, pages: Pages, *, status_url: str) -> None:
        self._linking = linking
        self._pages = pages
        self._status_url = status_url

    def routes(self) -> list[Route]:
        return [
            ("/data-deletion", "data_deletion", self.delete_data, ["POST"]),
            ("/deauthorize", "deauthorize", self.deauthorize, ["POST"]),
        ]

    def delete_data(self) -> Response:
        """Record a request to delete. Meta shows the person the status page and the confirmation code."""
        return self._take("deletion")

    def deauthorize(self) -> Response:
        """Record that a person removed the app: their links end, and their data stays."""
        return self._take("deauthorize")

    def _take(self, kind: Kind) -> Response:
        try:
            code = self._record(kind, self._signed_request())
        except PayloadTooLarge:
            return answer_json(413, {"error": "the body is larger than 64 KiB"})
        except PayloadUnreadable as refusal:
            return answer_json(400, {"error": str(refusal)})
        except CharsetRefused as refusal:
            return answer_json(415, {"error": str(refusal)})
        except SignedRequestRefused as refusal:
            about = f"{kind} refused {id(self)}"
            log_sparingly(_log, logging.WARNING, about, "%s refused: %s", kind, refusal.flaw)
            return answer_json(400, {"error": refusal.flaw.sentence})
        except BotLinkingError as problem:
            about = f"{kind} not recorded {id(self)}"
            log_sparingly(_log, logging.ERROR, about, "%s not recorded: %s", kind, problem)
            answer = answer_json(503, {"error": "the request could not be recorded; send it again"})
            answer.headers["Retry-After"] = RETRY_AFTER_S
            return answer
        return answer_json(200, {"url": self._status_url + code, "confirmation_code": code})

    def _signed_request(self) -> str | None:
        given = form_of(this_request(), LARGEST_BODY).getlist("signed_request")
        return given[0] if len(given) == 1 else None

    def _record(self, kind: Kind, text: str | None) -> str:
        """The request's confirmation code. A request that comes again gets the same code."""
        self._pages.require_all()  # or it would be refused, or name people of another app's pages
        by_secret = self._pages.pages_by_secret()
        signed = read_signed(text, by_secret)
        user, pages = app_user_of(signed), _pages_of(signed.secret, by_secret)
        parts = [kind, user.user_id, str(user.issued_at), *(pages or ())]  # none holds a blank
        digest, code = digest_of(" ".join(parts)), secrets.token_hex(CODE_BYTES)
        return request_deletion(self._linking, kind, user.user_id, digest, code, pages=pages)


def _pages_of(secret: bytes, by_secret: Mapping[bytes, AllowedPages]) -> list[str] | None:
    """The pages of the app that signed, or None where they are all pages. A user id is scoped to its app: in
    another app it may name another person."""
    own = by_secret[secret]
    if own is None or all(pages is not None and set(pages) <= set(own) for pages in by_secret.values()):
        return None
    return sorted(own)
