"""Whose Messenger it is that opened the linking page, as far as Messenger says."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

from bot_linking.config.pages import Page
from bot_linking.core.text import safe_name
from bot_linking.messenger.graph import INVALID_LINKING_TOKEN, Graph, GraphError, Recipient

_log = logging.getLogger("bot_linking.webview")


class TokenExpired(Exception):
    """The `account_linking_token` is older than five minutes, or no page of ours knows it."""


class Profile(NamedTuple):
    """A person in one page's Messenger; all None when Messenger was silent."""

    page_id: str | None = None
    psid: str | None = None
    name: str | None = None


class Identity:
    """Asks each page's Graph in turn. Only for somebody who has signed in: it costs the page's quota."""

    def __init__(self, graphs: Sequence[Graph], pages: Sequence[Page]) -> None:
        self._pages = list(zip(graphs, pages, strict=True))

    def of(self, linking_token: str, *, with_name: bool = True) -> Profile:
        """The owner of a token. Raises `TokenExpired`; an empty profile when Graph does not say."""
        try:
            owner = self._owner_of(linking_token)
        except GraphError as problem:
            if problem.code == INVALID_LINKING_TOKEN:
                raise TokenExpired from None
            # Silence passes; anything else means that codes stay unbound until somebody mends it.
            level = logging.WARNING if problem.transient else logging.ERROR
            _log.log(level, "Messenger did not say whose login it is: %s", problem)
            return Profile()
        return Profile(owner.page_id, owner.psid, self._name_of(owner) if with_name else None)

    def _owner_of(self, linking_token: str) -> Recipient:
        """Only when every page has disowned the token it is known to be nobody's: a page that is silent, or
        whose access token has ended, may be the one."""
        refusals = list[GraphError]()
        for graph, page in self._pages:
            try:
                owner = graph.owner_of(linking_token)
            except GraphError as problem:
                refusals.append(problem)
                continue
            if page.id in (None, owner.page_id):
                return owner
            refusals.append(GraphError("the token is another page's", status=200, code=INVALID_LINKING_TOKEN))
        raise min(refusals, key=lambda refusal: refusal.code == INVALID_LINKING_TOKEN)

    def _name_of(self, owner: Recipient) -> str | None:
        """A name is pleasant, not needed."""
        graph = next(graph for graph, page in self._pages if page.id in (None, owner.page_id))
        try:
            name = graph.profile_name(owner.psid)
        except GraphError:
            return None
        return safe_name(name) if name else None
