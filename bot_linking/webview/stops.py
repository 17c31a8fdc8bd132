"""The errors that stop a view, and the page for each; the form of this request, in bounds."""

from __future__ import annotations

import logging

from flask import request
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import RequestEntityTooLarge

from bot_linking.core.conflicts import PolicyFailed
from bot_linking.core.errors import BotLinkingError, PayloadTooLarge, PayloadUnreadable, StoreUnavailable
from bot_linking.core.log_throttle import log_sparingly
from bot_linking.doors.body import this_request
from bot_linking.doors.charset import CharsetRefused
from bot_linking.doors.form import form_of
from bot_linking.webview.pages import Notice

LARGEST_FORM = 64 * 1024
RETRY_AFTER_S = 10
STOPS = (RequestEntityTooLarge, BotLinkingError)

_STATUS = {
    PayloadUnreadable.slug: 400,
    PayloadTooLarge.slug: 413,
    CharsetRefused.slug: 415,
    StoreUnavailable.slug: 503,
    "second_factor_unreadable": 503,  # of the optional room: its key is missing
    PolicyFailed.slug: 503,
}
UNFORESEEN = 500
_log = logging.getLogger("bot_linking.webview")


def fields() -> MultiDict[str, str]:
    """The fields of this request's form, in the charset that it declares. Raises the errors in `STOPS`."""
    return form_of(this_request(), LARGEST_FORM)


def bound_form() -> None:
    """Bound the form for the host's hooks, too, which may read it before us."""
    request.max_content_length = request.max_form_memory_size = LARGEST_FORM


def notice_of(problem: RequestEntityTooLarge | BotLinkingError) -> Notice:
    """The page for an error that stopped a view: 500 for a slug that `_STATUS` lacks."""
    if isinstance(problem, RequestEntityTooLarge):
        return Notice("form", 413)
    status = _STATUS.get(problem.slug, UNFORESEEN)
    if status < UNFORESEEN:
        return Notice("form", status)
    log_sparingly(_log, logging.ERROR, problem.slug, "linking page not served: %s", problem)
    return Notice("busy", status, retry_after=RETRY_AFTER_S)
