"""What every view of the pages shares: a bounded form, and a page for each thing that stops a view."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol

from flask import Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from bot_linking.core.errors import StoreUnavailable
from bot_linking.core.log_throttle import log_sparingly
from bot_linking.webview.held import Held, MovedOn
from bot_linking.webview.pages import Notice, Pages

LARGEST_FORM = 64 * 1024

View = Callable[..., Response]
Route = tuple[str, str, View, list[str]]

_log = logging.getLogger("bot_linking.webview")


class Showing(Protocol):
    """Who has views: its pages, and where an attempt's own page is."""

    @property
    def pages(self) -> Pages:
        """The templates, in the person's language, with the headers that every page of ours has."""

    def lead_to(self, held: Held) -> Response:
        """303 to the attempt's own page."""


def view(method: Callable[..., Response]) -> View:
    """Turns what stops a view into its page; anything unforeseen stays the host's to handle."""

    @wraps(method)
    def show(self: Showing, *args: Any, **kwargs: Any) -> Response:
        try:
            request.max_content_length = request.max_form_memory_size = LARGEST_FORM
            return method(self, *args, **kwargs)
        except Notice as notice:
            return self.pages.notice(notice)
        except MovedOn as moved:
            return self.lead_to(moved.held)
        except RequestEntityTooLarge:
            return self.pages.notice(Notice("broken", 413))
        except StoreUnavailable as problem:
            kind = f"linking page {id(self)}"
            log_sparingly(_log, logging.ERROR, kind, "linking page not served: %s", problem)
            return self.pages.notice(Notice("busy", 503, retry_after=10))

    return show
