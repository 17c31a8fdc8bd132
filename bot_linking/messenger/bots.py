"""The pages that an app serves, and each page's clients: a pymessenger Bot, and Graph for everything else."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from bot_linking.core.codes import digest_of
from bot_linking.core.errors import PageUnknown
from bot_linking.core.events import GraphFailed
from bot_linking.core.ports import Tell
from bot_linking.messenger.graph import Graph, GraphError

if TYPE_CHECKING:
    from bot_linking.config.pages import Page

Owners = frozenset[str] | None  # the pages that a secret may speak for; None: any


class Pages:
    """The pages of one app, by id. Each question is a look into a table that is made when a page changes."""

    def __init__(self, configured: Sequence[Page]) -> None:
        self._turn = threading.Lock()
        self._ended: set[str] = set()  # access tokens that Graph has refused
        self._pages: dict[str | None, Page] = {page.id: page for page in configured}
        self._revision = 0
        self._owners = _owners_of_secrets(configured)
        self._verify_tokens = tuple(token.encode() for page in configured for token in page.verify_tokens)

    @property
    def revision(self) -> int:
        """Another number whenever a page, a token or a secret has changed."""
        return self._revision

    def page(self, page_id: str | None) -> Page:
        """A page; without an id, the only one. Raises `PageUnknown`."""
        page = self._pages.get(page_id) or self._pages.get(None)
        if page is None and page_id is None and len(self._pages) == 1:
            (page,) = self._pages.values()
        if page is None:
            asked = "several pages are configured; say which with page_id="
            raise PageUnknown(asked if page_id is None else "this page is not configured")
        return page

    def all(self) -> tuple[Page, ...]:
        """Every page."""
        return tuple(self._pages.values())

    def secrets_of(self, page_id: str | None) -> tuple[bytes, ...]:
        """The app secrets that may sign what is of this page, the newest first; none for a page unknown.

        For a webhook, whose body names a page before anything of it is believed: these are tried first.
        """
        page = self._pages.get(page_id) or self._pages.get(None)
        return () if page is None else tuple(secret.encode() for secret in page.app_secrets)

    def owners(self) -> Mapping[bytes, Owners]:
        """Every app secret, and the pages that it may speak for."""
        return self._owners

    def verify_tokens(self) -> tuple[bytes, ...]:
        """Every token that Messenger's handshake may name."""
        return self._verify_tokens

    def token_name(self, page_id: str | None) -> str:
        """A name for the page's present access tokens and app secrets, which says nothing of them: another
        name means that what was held for a bad one may be tried again."""
        return _name_of(self.page(page_id))

    def token_names(self) -> list[str]:
        """The names of every page's present access tokens."""
        return [_name_of(page) for page in self._pages.values()]

    def token_ended(self, page: Page) -> bool:
        """Go on with the page's next access token; False where Graph has refused each of them."""
        with self._turn:
            self._ended.add(page.access_token)
            if self._pages.get(page.id) is not page:
                return True  # changed meanwhile
            good = [token for token in page.access_tokens if token not in self._ended]
            if not good:
                return False
            ended = [token for token in page.access_tokens if token in self._ended]
            self._pages[page.id] = replace(page, access_tokens=(*good, *ended))
            self._revision += 1
            return True


class Bots:
    """The clients of one app's pages. `own` is a Bot of the host's to send with, where there is one page."""

    def __init__(self, pages: Pages, *, url: str, version: str, own: Any = None, tell: Tell) -> None:
        self.pages = pages
        self._url, self._version = url, version
        self._own = own
        self._tell = tell
        self._graphs: dict[str | None, tuple[Page, Graph]] = {}
        self._bots: dict[str | None, tuple[Page, Any]] = {}

    @property
    def graphs(self) -> Sequence[Graph]:
        """Every page's Graph."""
        return [self._graph(page) for page in self.pages.all()]

    def of(self, page_id: str | None) -> Any:
        """The Bot of a page; without a page id, of the only one. Made when it is first needed: pymessenger
        brings requests, which takes a while to load."""
        page = self.pages.page(page_id)
        if self._own is not None:
            return self._own
        known = self._bots.get(page.id)
        if known is None or known[0] is not page:
            from bot_linking.messenger.send import GraphBot

            known = self._bots[page.id] = (
                page,
                GraphBot(page.access_token, page.app_secret, self._graph(page)),
            )
        return known[1]

    def graph_of(self, page_id: str | None) -> Graph:
        """The Graph of a page; without a page id, of the only one. Raises `PageUnknown`."""
        return self._graph(self.pages.page(page_id))

    def knows(self, page_id: str, psid: str) -> bool:
        """Whether the page's Graph knows the person."""
        return self.graph_of(page_id).knows(psid)

    def _graph(self, page: Page) -> Graph:
        known = self._graphs.get(page.id)
        if known is None or known[0] is not page:
            graph = Graph(
                page.access_token,
                page.app_secret,
                url=self._url,
                version=self._version,
                on_error=partial(self._note, page),
            )
            known = self._graphs[page.id] = page, graph
        return known[1]

    def _note(self, page: Page, problem: GraphError) -> None:
        if problem.cause == "token" and self.pages.token_ended(page):
            problem.advice, problem.cause, problem.whole_page = (
                "later",
                None,
                False,
            )  # with the page's other token
        self._tell(GraphFailed(problem.status, problem.code))


def _owners_of_secrets(pages: Sequence[Page]) -> dict[bytes, Owners]:
    owners: dict[bytes, Owners] = {}
    for page in pages:
        for secret in page.app_secrets:
            known = owners.get(secret.encode(), frozenset())
            owners[secret.encode()] = None if page.id is None or known is None else known | {page.id}
    return owners


def _name_of(page: Page) -> str:
    return digest_of("\n".join(sorted((*page.access_tokens, *page.app_secrets))))[:16]
