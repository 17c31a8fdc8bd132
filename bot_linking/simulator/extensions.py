"""Messenger Extensions: what ``getContext`` answers a page in the webview, and when it is an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .safety import origin_of
from .signed_request import ALGORITHM, sign_request
from .state import State

#: A webview that has no extensions: not switched on for the button, or the domain is not on the list.
NOT_ENABLED = 2018164
#: The request itself is wrong, as with an app id that is not ours.
WRONG_REQUEST = 2071011


class ExtensionsError(Exception):
    """Why the error callback is called: a number, and a sentence that Messenger itself would not say."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class Extensions(State):
    """Signs who is in the webview, for a page that a menu item or a URL button has opened."""

    app_secret: str

    def signed_request(self, psid: str, **changes: Any) -> str:
        """Return the ``signed_request`` by which Messenger says who is in the webview.

        Its payload has ``algorithm``, ``issued_at`` and ``page_id`` (integers), ``psid``, ``thread_type`` and
        ``tid``. Each of ``changes`` replaces one of them, and ``None`` leaves it out: for tests of a bot that
        must refuse.
        """
        self._known(psid)
        payload: dict[str, Any] = {
            "algorithm": ALGORITHM,
            "issued_at": int(self.clock()),
            "page_id": int(self.page_id),
            "psid": psid,
            "thread_type": "USER_TO_PAGE",
            "tid": psid,
        }
        payload = {name: value for name, value in {**payload, **changes}.items() if value is not None}
        return sign_request(payload, self.app_secret)

    def has_extensions(self, psid: str) -> bool:
        """Tell whether the SDK works for this person: on a phone, outside Europe."""
        person = self._known(psid)
        return person.device == "phone" and not person.european and not self.switches.european_page

    def context(self, psid: str, *, app_id: str, url: str, extensions: bool = True) -> Mapping[str, str]:
        """Return what ``getContext(app_id, ...)`` gives a page at ``url``.

        ``extensions`` says whether the button that opened the page had ``messenger_extensions``. Raises
        ``ExtensionsError`` where Messenger calls the error callback.
        """
        if not self.has_extensions(psid):
            raise ExtensionsError(NOT_ENABLED, "this client has no Messenger Extensions")
        if not extensions:
            raise ExtensionsError(NOT_ENABLED, "the button lacks messenger_extensions: true")
        if origin_of(url) not in {
            origin_of(domain) for domain in self.profile.get("whitelisted_domains", ())
        }:
            raise ExtensionsError(NOT_ENABLED, f"whitelisted_domains lacks {origin_of(url)}")
        if app_id != self.app_id:
            raise ExtensionsError(WRONG_REQUEST, "this is not the id of the app that serves the page")
        signed = self.signed_request(psid)
        return {"thread_type": "USER_TO_PAGE", "tid": psid, "psid": psid, "signed_request": signed}
