"""How the pages of every kind are routed, and what becomes of a view that is stopped."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Response

from bot_linking.webview.held import MovedOn
from bot_linking.webview.pages import Notice
from bot_linking.webview.stops import STOPS, bound_form, notice_of

View = Callable[..., Response]
Route = tuple[str, str, View, list[str]]  # rule, endpoint, view, methods


def page_view(method: View) -> View:
    """Turns what stops a view into its page, also a form that is too large. What is unforeseen stays the
    host's to handle. The method's object has `pages`, and `lead_to` where a `MovedOn` may stop it."""

    @wraps(method)
    def view(self: Any, *args: Any, **kwargs: Any) -> Response:
        try:
            bound_form()
            return method(self, *args, **kwargs)
        except Notice as notice:
            return self.pages.notice(notice)  # type: ignore[no-any-return]
        except MovedOn as moved:
            return self.lead_to(moved.held)  # type: ignore[no-any-return]
        except STOPS as problem:
            return self.pages.notice(notice_of(problem))  # type: ignore[no-any-return]

    return view
