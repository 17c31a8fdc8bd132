"""The decorator of every view: it bounds the form, and turns what stops a view into a page."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol

from flask import Response

from bot_linking.webview.held import Held, MovedOn
from bot_linking.webview.pages import Notice, Pages
from bot_linking.webview.stops import STOPS, bound_form, notice_of

View = Callable[..., Response]
Route = tuple[str, str, View, list[str]]  # rule, endpoint, view, methods


class Showing(Protocol):
    """A class with views, as `view` needs it."""

    @property
    def pages(self) -> Pages:
        """Renders the templates."""

    def lead_to(self, held: Held) -> Response:
        """303 to the attempt's own page."""


def view(method: Callable[..., Response]) -> View:
    """Decorates a view. An error in `STOPS`, a `Notice` or a `MovedOn` becomes a page; the host handles
    others."""

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
