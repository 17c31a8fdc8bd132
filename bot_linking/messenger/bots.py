"""Each page's clients: a pymessenger Bot to send with, and Graph for everything else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bot_linking.core.codes import digest_of
from bot_linking.core.errors import PageUnknown
from bot_linking.core.events import GraphFailed
from bot_linking.core.ports import Tell
from bot_linking.messenger.graph import Graph, GraphError

if TYPE_CHECKING:
    from bot_linking.config.pages import Page
    from bot_linking.config.settings import Settings


class Bots:
    """The clients of one app's pages. `own` is a Bot of the host's to send with, where there is one page."""

    def __init__(self, settings: Settings, own: Any = None, *, tell: Tell) -> None:
        self._settings = settings
        self._tell = tell
        self._pages = {page.id: page for page in settings.pages}
        self._bots: dict[str | None, Any] = {settings.pages[0].id: own} if own is not None else {}
        self.graphs: Sequence[Graph] = [self._graph(page) for page in settings.pages]

    def of(self, page_id: str | None) -> Any:
        """The Bot of a page; without a page id, of the only one. Made when it is first needed: pymessenger
        brings requests, which takes a while to load."""
        page = self._page(page_id)
        if page.id not in self._bots:
            from bot_linking.messenger.send import GraphBot

            graph = self.graph_of(page_id)
            self._bots[page.id] = GraphBot(page.access_token, page.app_secrets[0], graph)
        return self._bots[page.id]

    def graph_of(self, page_id: str | None) -> Graph:
        return self.graphs[self._settings.pages.index(self._page(page_id))]

    def knows(self, page_id: str, psid: str) -> bool:
        """Whether the page's Graph knows the person."""
        return self.graph_of(page_id).knows(psid)

    def token_name(self, page_id: str | None) -> str:
        """A name for the page's present access token, which says nothing of it."""
        return _name_of(self._page(page_id))

    def token_names(self) -> list[str]:
        return [_name_of(page) for page in self._settings.pages]

    def _page(self, page_id: str | None) -> Page:
        page = self._pages.get(page_id) or self._pages.get(None)
        if page is None and page_id is None and len(self._pages) == 1:
            page = self._settings.pages[0]
        if page is None:
            asked = "several pages are configured; say which with page_id="
            raise PageUnknown(asked if page_id is None else "this page is not configured")
        return page

    def _graph(self, page: Page) -> Graph:
        return Graph(
            page.access_token, page.app_secrets[0],
            url=self._settings.graph_url, version=self._settings.graph_version, on_error=self._note,
        )  # fmt: skip

    def _note(self, problem: GraphError) -> None:
        self._tell(GraphFailed(problem.status, problem.code))


def owners_of_secrets(settings: Settings) -> dict[bytes, frozenset[str] | None]:
    """Which pages each app secret may speak for; None where any page will do."""
    owners: dict[bytes, frozenset[str] | None] = {}
    for page in settings.pages:
        for secret in page.app_secrets:
            known = owners.get(secret.encode(), frozenset())
            owners[secret.encode()] = None if page.id is None or known is None else known | {page.id}
    return owners


def _name_of(page: Page) -> str:
    return digest_of(page.access_token)[:16]
