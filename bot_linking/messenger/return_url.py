"""The `redirect_uri` that Messenger hands to the linking page: where the browser must go at the end.

Anybody can put anything there, and who gets the authorization code gets the account. So the string is
taken by one exact rule or not at all, with no URL parser that a browser could disagree with, and the very
bytes that were checked are the bytes that are sent.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import quote, unquote_plus

LONGEST = 2048

_SHAPE = re.compile(
    r"(?P<origin>https?://[A-Za-z0-9.:\[\]-]+)"
    r"/messenger_platform/account_linking/?"
    r"(?:\?(?P<query>(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})*))?"
)
_CONTROL_ESCAPE = re.compile(r"%(?:[01][0-9A-Fa-f]|7[Ff])")


class ReturnURLRefused(ValueError):
    """The `redirect_uri` is not one that Messenger makes. Never show it as a link."""


def check_return_url(url: str, token: str, origins: Collection[str], *, strict: bool = False) -> str:
    """The same string, when Messenger could have made it for this `account_linking_token`.

    `strict` also refuses one that does not repeat the token. Raises `ReturnURLRefused`.
    """
    match = _SHAPE.fullmatch(url) if len(url) <= LONGEST else None
    if match is None or match["origin"] not in origins or _CONTROL_ESCAPE.search(url):
        raise ReturnURLRefused("the redirect_uri is not Messenger's")
    query = match["query"] or ""
    if "authorization_code" in _unfolded(query):
        raise ReturnURLRefused("the redirect_uri carries an authorization_code already")
    pairs = [pair.partition("=") for pair in query.split("&")]
    inner = [unquote_plus(value) for name, _, value in pairs if "account_linking_token" in _unfolded(name)]
    if inner != [token] and (inner or strict):
        raise ReturnURLRefused("the redirect_uri belongs to another account_linking_token")
    return url


def with_code(url: str, code: str) -> str:
    """A checked return URL with `authorization_code` added; what it had stays, byte for byte."""
    base, _, query = url.partition("?")
    added = "authorization_code=" + quote(code, safe="")
    return f"{base}?{query}&{added}" if query else f"{base}?{added}"


def _unfolded(text: str) -> str:
    """The text as the most forgiving reader would take it, however often it was encoded."""
    for _ in range(4):
        text = unquote_plus(text)
    return re.sub(r"[\s.\[]", "_", text.casefold())
