"""An address below ours that is none, or that knows another method, is answered with a page of ours."""

from __future__ import annotations

import re
from collections.abc import Callable

from flask import Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from bot_linking.webview.pages import Notice, Pages


def lost_below(prefix: str, pages: Pages) -> Callable[[], Response | None]:
    """What the app asks before each request. Without a prefix each address could be the host's, so all
    are left to the host. The API below the same prefix answers for itself."""
    ours = f"{prefix.rstrip('/')}/"
    api, desk = f"{ours}api".casefold(), f"{ours}operator"

    def lost() -> Response | None:
        problem = request.routing_exception
        if problem is None or not isinstance(problem, NotFound | MethodNotAllowed):
            return None
        path = re.sub("//+", "/", request.path)  # the router merges them, too
        if not path.startswith(ours) or _is_at(api, path.casefold()):
            return None
        # A strange method must not tell whether there is an operator's page.
        return show_lost(pages, NotFound() if _is_at(desk, path) else problem)

    return lost if prefix.strip("/") else lambda: None


def _is_at(address: str, path: str) -> bool:
    return path == address or path.startswith(f"{address}/")


def show_lost(pages: Pages, problem: HTTPException) -> Response:
    page = pages.notice(Notice("missing", problem.code or 404))
    if isinstance(problem, MethodNotAllowed) and problem.valid_methods:
        page.headers["Allow"] = ", ".join(sorted(problem.valid_methods))
    return page
