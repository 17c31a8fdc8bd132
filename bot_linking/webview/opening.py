"""Reads and checks what Messenger opened the linking page with, and begins an attempt. Nothing is kept."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

from flask import request

from bot_linking.config.settings import Settings
from bot_linking.core.events import LinkingRefused
from bot_linking.core.links import LOGIN
from bot_linking.core.ports import Attempt, Tell
from bot_linking.core.reading import read_id
from bot_linking.messenger.return_url import ReturnURLRefused, check_return_url
from bot_linking.webview.browser import new_attempt_id
from bot_linking.webview.pages import Notice

LONGEST_TOKEN = 2048


def is_opened_by_messenger() -> bool:
    """Whether this request has the parameters that Messenger adds to the button's address."""
    return any(request.args.getlist("account_linking_token")) and any(request.args.getlist("redirect_uri"))


def opened_attempt(
    settings: Settings, *, now: int, tell: Tell, names_page: Callable[[str | None], bool]
) -> Attempt:
    """A new attempt. Raises `Notice` for parameters that Messenger does not make. A page in the address
    counts where `names_page` says that it is one of the app's: a stranger may make one up."""
    tokens = request.args.getlist("account_linking_token")
    urls = request.args.getlist("redirect_uri")
    hints = request.args.getlist("page")
    try:
        if len(tokens) != 1 or len(urls) != 1 or not _is_token(tokens[0]):
            raise ReturnURLRefused("one token and one redirect_uri are needed")
        url = check_return_url(urls[0], tokens[0], settings.origins, strict=settings.strict)
    except ReturnURLRefused:
        tell(LinkingRefused("return_url_refused", way=LOGIN))
        raise Notice("broken") from None
    hint = read_id(hints[0]) if len(hints) == 1 else None
    return Attempt(new_attempt_id(), None, tokens[0], url, now, page_hint=hint if names_page(hint) else None)


def query_of(attempt: Attempt) -> str:
    """The query that Messenger opened the page with, to begin anew with the same login."""
    query = {"account_linking_token": attempt.linking_token, "redirect_uri": attempt.return_url}
    return urlencode({"page": attempt.page_hint, **query} if attempt.page_hint else query)


def asked_kind() -> str | None:
    """The kind of code that this page's address asks for: `recovery`, `app`, or None for the usual one."""
    return request.args.get("kind")


def query_with(name: str, value: str) -> str:
    """This very page's query, with one value changed."""
    others = [(each, one) for each, one in request.args.items(multi=True) if each != name]
    return "?" + urlencode([*others, (name, value)])


def token_of_web_link() -> str | None:
    """The secret of the web link that is being opened, None on every other page."""
    token: str | None = (request.view_args or {}).get("token")
    return token


def _is_token(value: str) -> bool:
    """Whether this may be a linking token. Its format is Messenger's: only length and characters are
    judged."""
    return 0 < len(value) <= LONGEST_TOKEN and value.isascii() and value.isprintable()
