"""What stops a view of ours before it has a page to show, and the page that says so."""

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
    "second_factor_unreadable": 503,  # of a room that ours does not know: the site's key is missing
    PolicyFailed.slug: 503,
}
UNFORESEEN = 500
_log = logging.getLogger("bot_linking.webview")


def fields() -> MultiDict[str, str]:
    """The fields of the form that came in, in the charset that it declares. Raises what is in `STOPS`."""
    return form_of(this_request(), LARGEST_FORM)


def bound_form() -> None:
    """No hook of the host reads more of a form for one of our pages than we do."""
    request.max_content_length = request.max_form_memory_size = LARGEST_FORM


def notice_of(problem: RequestEntityTooLarge | BotLinkingError) -> Notice:
    """The page for what stopped a view. A slug that is in no table is ours to mend: 500."""
    if isinstance(problem, RequestEntityTooLarge):
        return Notice("form", 413)
    status = _STATUS.get(problem.slug, UNFORESEEN)
    if status < UNFORESEEN:
        return Notice("form", status)
    log_sparingly(_log, logging.ERROR, problem.slug, "linking page not served: %s", problem)
    return Notice("busy", status, retry_after=RETRY_AFTER_S)
