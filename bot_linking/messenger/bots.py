"""Each page's clients: a pymessenger Bot to send with, and Graph for everything else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from bot_linking.core.events import GraphFailed
from bot_linking.core.ports import Tell
from bot_linking.messenger.graph import Graph, GraphError

if TYPE_CHECKING:
    from bot_linking.config.pages import Page
    from bot_linking.messenger.pages import Pages


class Bots:
    """The clients of one app's pages. `own` is the host's own Bot to send with, for one page."""

    def __init__(
        self,
        pages: Pages,
        *,
        url: str,
        version: str,
        own: Any = None,
        tell: Tell,
        on_usage: Callable[[str | None, float], None] = lambda page_id, percent: None,
    ) -> None:
        self.pages = pages
        self._on_usage = on_usage
        self._url, self._version = url, version
        self._own = own
        self._tell = tell
        self._graphs: dict[str | None, tuple[Page, Graph]] = {}
        self._bots: dict[str | None, tuple[Page, Any]] = {}

    def of(self, page_id: str | None) -> Any:
        """The Bot that sends for a page; without a page id, for the only one. Raises `PageUnknown` and
        `StoreUnavailable`."""
        page = self.pages.page(page_id)
        if self._own is not None:
            return self._own
        known = self._bots.get(page.id)
        if known is None or known[0] is not page:
            from bot_linking.messenger.send import GraphBot  # pymessenger and requests are slow to load

            known = self._bots[page.id] = (
                page,
                GraphBot(page.access_token, page.app_secret, self._graph(page)),
            )
        return known[1]

    def graph_of(self, page_id: str | None) -> Graph:
        """The Graph of a page; without a page id, of the only one. Raises `PageUnknown` and
        `StoreUnavailable`."""
        return self._graph(self.pages.page(page_id))

    def sole_id(self) -> str | None:
        """The id of the only page, where it is configured."""
        return self.pages.sole_id()

    def is_one(self) -> bool:
        """Whether there is one page, with its id or without."""
        return self.pages.is_one()

    def ask(self) -> str | None:
        """The id of the only page, as Graph gives it for the page's access token."""
        return self.graph_of(None).page_id()

    def knows(self, page_id: str, psid: str) -> bool:
        """Whether Graph knows this person on this page."""
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
                on_usage=partial(self._on_usage, page.id),
                others=partial(self._others, page),
            )
            known = self._graphs[page.id] = page, graph
        return known[1]

    def _others(self, page: Page, cause: Literal["token", "secret"]) -> Iterator[Graph]:
        """The page's Graph with each of its other tokens, or app secrets, in turn."""
        count = len(page.access_tokens if cause == "token" else page.app_secrets)
        for _ in range(count - 1):
            again = self.pages.use_next(page, cause)
            if again is None:
                return
            page = again
            yield self._graph(page)

    def _note(self, problem: GraphError) -> None:
        self._tell(GraphFailed(problem.status, problem.code))


class PageGraph(Graph):
    """A page's Graph. When Graph refuses the access token or the proof, the call is repeated with the page's
    next one, if there is another. Later calls begin with the one that worked."""

    def __init__(
        self,
        access_token: str,
        app_secret: str,
        *,
        url: str,
        version: str,
        on_error: Callable[[GraphError], None],
        on_usage: Callable[[float], None],
        others: Callable[[Literal["token", "secret"]], Iterator[Graph]],
    ) -> None:
        super().__init__(
            access_token, app_secret, url=url, version=version, on_error=on_error, on_usage=on_usage
        )
        self._others = others

    def _call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        try:
            return super()._call(method, path, **arguments)
        except GraphError as problem:
            if problem.cause not in ("token", "secret"):
                raise
            refusal = problem
        for other in self._others(refusal.cause):  # type: ignore[arg-type]
            try:
                return Graph._call(other, method, path, **arguments)
            except GraphError as problem:
                refusal = problem
        raise refusal
