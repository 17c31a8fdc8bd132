"""An address below ours that is none, or that knows another method, is answered with a page of ours."""

from __future__ import annotations

import re
from typing import NoReturn

from flask import Flask, Request, Response
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from bot_linking.webview.pages import Notice, Pages


class _Lost(Exception):
    """Carries the page, which stays the very response that guards its headers."""

    def __init__(self, page: Response) -> None:
        self.page = page


def show_not_found_below(prefix: str, app: Flask, pages: Pages) -> None:
    """Where no route of the app fits. A hook before each request would do, too, but every request of the host
    would pay for it. Without a prefix each address could be the host's, so all are left to the host. The API
    below the same prefix answers for itself."""
    ours = f"{prefix.rstrip('/')}/"
    api, desk = f"{ours}api".casefold(), f"{ours}operator"
    of_host = app.raise_routing_exception

    def raise_problem(request: Request) -> NoReturn:
        problem = request.routing_exception
        path = re.sub("//+", "/", request.path)  # the router merges them, too
        is_ours = path.startswith(ours) and not _is_at(api, path.casefold())
        if is_ours and isinstance(problem, NotFound | MethodNotAllowed):
            # A strange method must not tell whether there is an operator's page.
            raise _Lost(show_not_found(pages, NotFound() if _is_at(desk, path) else problem))
        of_host(request)

    if prefix.strip("/"):
        app.raise_routing_exception = raise_problem  # type: ignore[method-assign]
        app.register_error_handler(_Lost, lambda lost: lost.page)


def _is_at(address: str, path: str) -> bool:
    return path == address or path.startswith(f"{address}/")


def show_not_found(pages: Pages, problem: HTTPException) -> Response:
    page = pages.notice(Notice("missing", problem.code or 404))
    if isinstance(problem, MethodNotAllowed) and problem.valid_methods:
        page.headers["Allow"] = ", ".join(sorted(problem.valid_methods))
    return page
