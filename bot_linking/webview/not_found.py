"""Answers an unknown address below the blueprint's prefix, or a wrong method there, with a page of ours."""

from __future__ import annotations

import re
from typing import NoReturn

from flask import Flask, Request, Response
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from bot_linking.webview.pages import Notice, Pages


class _NotFound(Exception):
    """Carries the page to the error handler. The page's own class guards its headers."""

    def __init__(self, page: Response) -> None:
        self.page = page


def show_not_found_below(prefix: str, app: Flask, pages: Pages) -> None:
    """Show our page where no route of the app matches, for addresses below `prefix` but not below the API's.

    Without a prefix every address may be the host's, so all are left to the host. This replaces a method of
    the app, because a `before_request` hook would slow each request of the host.
    """
    ours = f"{prefix.rstrip('/')}/"
    api, desk = f"{ours}api".casefold(), f"{ours}operator"
    hosts = app.raise_routing_exception

    def raise_problem(request: Request) -> NoReturn:
        problem = request.routing_exception
        path = re.sub("//+", "/", request.path)  # the router merges them, too
        is_ours = path.startswith(ours) and not _is_at(api, path.casefold())
        if is_ours and isinstance(problem, NotFound | MethodNotAllowed):
            # 405 would tell whether there is an operator's page.
            raise _NotFound(show_not_found(pages, NotFound() if _is_at(desk, path) else problem))
        hosts(request)

    if prefix.strip("/"):
        app.raise_routing_exception = raise_problem  # type: ignore[method-assign]
        app.register_error_handler(_NotFound, lambda problem: problem.page)


def _is_at(address: str, path: str) -> bool:
    return path == address or path.startswith(f"{address}/")


def show_not_found(pages: Pages, problem: HTTPException) -> Response:
    """The page for an address that does not exist, with the status of `problem`."""
    page = pages.notice(Notice("missing", problem.code or 404))
    if isinstance(problem, MethodNotAllowed) and problem.valid_methods:
        page.headers["Allow"] = ", ".join(sorted(problem.valid_methods))
    return page
