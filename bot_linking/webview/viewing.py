"""What every view of the pages shares: a bounded form, and a page for each thing that stops a view."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol

from flask import Response

from bot_linking.webview.held import Held, MovedOn
from bot_linking.webview.pages import Notice, Pages
from bot_linking.webview.stops import STOPS, bound_form, notice_of

View = Callable[..., Response]
Route = tuple[str, str, View, list[str]]


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
            bound_form()
            return method(self, *args, **kwargs)
        except Notice as notice:
            return self.pages.notice(notice)
        except MovedOn as moved:
            return self.lead_to(moved.held)
        except STOPS as problem:
            return self.pages.notice(notice_of(problem))

    return show
