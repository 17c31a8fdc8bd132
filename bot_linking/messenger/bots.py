"""Each page's clients: a pymessenger Bot to send with, and Graph for everything else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from bot_linking.core.events import GraphFailed
from bot_linking.core.ports import Tell
from bot_linking.messenger.graph import Graph, GraphError

if TYPE_CHECKING:
    from bot_linking.config.pages import Page
    from bot_linking.messenger.pages import Pages


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

    def sole_id(self) -> str | None:
        """The id of the only page, where it is configured."""
        return self.pages.sole_id()

    def is_one(self) -> bool:
        """Whether there is one page, with its id or without."""
        return self.pages.is_one()

    def ask(self) -> str | None:
        """The id of the only page as its access token says."""
        return self.graph_of(None).page_id()

    def knows(self, page_id: str, psid: str) -> bool:
        """Whether the page's Graph knows the person."""
        return self.graph_of(page_id).knows(psid)

    def _graph(self, page: Page) -> Graph:
        known = self._graphs.get(page.id)
        if known is None or known[0] is not page:
            graph = PageGraph(
                page.access_token,
                page.app_secret,
                url=self._url,
                version=self._version,
                on_error=self._note,
                other=partial(self._other, page),
            )
            known = self._graphs[page.id] = page, graph
        return known[1]

    def _other(self, page: Page) -> Graph | None:
        """The Graph with the page's next access token; None where each of them has ended."""
        return self.graph_of(page.id) if self.pages.token_ended(page) else None

    def _note(self, problem: GraphError) -> None:
        self._tell(GraphFailed(problem.status, problem.code))


class PageGraph(Graph):
    """A page's Graph. A call that is refused since its access token has ended is made once more with the
    page's next token, which `other` gives, and so are all later ones."""

    def __init__(
        self,
        access_token: str,
        app_secret: str,
        *,
        url: str,
        version: str,
        on_error: Callable[[GraphError], None],
        other: Callable[[], Graph | None],
    ) -> None:
        super().__init__(access_token, app_secret, url=url, version=version, on_error=on_error)
        self._other = other

    def _call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        try:
            return super()._call(method, path, **arguments)
        except GraphError as problem:
            other = self._other() if problem.advice == "token" else None
            if other is None:
                raise
            return other._call(method, path, **arguments)
