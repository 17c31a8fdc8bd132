"""The outbox's handlers for account owners: notices to them, and their requests to delete data.

The id in a request is app-scoped, not a PSID: the host's `psids_of` or Graph says which people it means.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

from bot_linking.core.errors import DeliveryFailed
from bot_linking.core.hooks import Hooks
from bot_linking.core.linking import Linking
from bot_linking.core.notices import notice_of
from bot_linking.core.ports import Deletion, OutboxEntry
from bot_linking.core.reading import read_id
from bot_linking.delivery.handlers import handles
from bot_linking.messenger.bots import Bots
from bot_linking.messenger.graph import GraphError

MOST_PORTIONS = 20  # parts of Graph's answer about one person
Person = tuple[str, str]

_log = logging.getLogger("bot_linking.callbacks")


class OwnerDeliveries:
    """The handlers of `notice` and `deletion` entries. `undo_url` is the address of an undo page without the
    token at its end; `app_id` is needed to ask Graph."""

    def __init__(
        self, linking: Linking, bots: Bots, *, hooks: Hooks, app_id: str | None, undo_url: str
    ) -> None:
        self._linking = linking
        self._bots = bots
        self._notify_owner = hooks.notify_owner
        self._psids_of = hooks.psids_of
        self._app_id = app_id
        self._undo_url = undo_url

    @handles("notice")
    def tell_owner(self, entry: OutboxEntry) -> None:
        """Give a notice to the host. When the host's code raises, the notice is tried again later."""
        if self._notify_owner is None:
            return
        token = self._linking.undoing.mint_token(notice_of(entry.payload, None))
        notice = notice_of(entry.payload, None if token is None else self._undo_url + token)
        _ask_host(lambda: self._notify_owner(notice), "notify_owner")  # type: ignore[misc]

    @handles("deletion")
    def fulfil(self, entry: OutboxEntry) -> None:
        """Erase or unlink the people that a request names, and record the result."""
        deletion = self._linking.store.find_deletion(entry.payload["code"])
        if deletion is None or deletion.user_id is None:
            return
        people = self._people_of(deletion.user_id, entry.payload.get("pages"))
        state = "unmatched" if people is None else self._act(deletion, people)
        self._linking.store.finish_deletion(deletion.code, state, self._linking.now())

    def _act(self, deletion: Deletion, people: Sequence[Person]) -> str:
        store = self._linking.store
        is_deletion = deletion.kind == "deletion"
        if deletion.found_at is None and any(
            any(store.export(*each).values()) if is_deletion else store.find_link(*each) for each in people
        ):
            store.find_for_deletion(deletion.code, self._linking.now())
            deletion = replace(deletion, found_at=self._linking.now())
        if is_deletion:
            held = [self._linking.erase(psid, page_id) for page_id, psid in people]
        else:
            held = [self._linking.unlink(psid, page_id, source="deauthorize") for page_id, psid in people]
        return "done" if deletion.found_at is not None or any(held) else "nothing"

    def _people_of(self, user_id: str, pages: Collection[str] | None) -> Sequence[Person] | None:
        """(page id, PSID) of each chat of this person with these pages, or with any; None when neither the
        host nor Graph can tell."""
        people = self._named_by_host_or_graph(user_id, pages)
        if people is None or pages is None:
            return people
        return [(page_id, psid) for page_id, psid in people if page_id in pages]

    def _named_by_host_or_graph(self, user_id: str, pages: Collection[str] | None) -> Sequence[Person] | None:
        if self._psids_of is not None:
            ask = self._psids_of
            return _ask_host(lambda: [_pair_of(each) for each in ask(user_id) or ()], "psids_of")  # type: ignore[no-any-return]
        if self._app_id is None:
            _log.error("a request cannot be matched: BOT_LINKING_APP_ID is missing, and there is no psids_of")
            return None
        return self._ask_graph(user_id, self._app_id, pages)

    def _ask_graph(self, user_id: str, app_id: str, pages: Collection[str] | None) -> Sequence[Person] | None:
        """Source: "Retrieve page-scoped ids", asked as the app itself. Pages may have several app secrets:
        one of them is this app's."""
        self._bots.pages.require_all()  # or people of an added page would be passed over
        refused: GraphError | None = None
        asked = [page for page in self._bots.pages.all() if pages is None or page.id in pages]
        for page in {page.app_secret: page for page in asked}.values():
            graph = self._bots.graph_of(page.id).as_app(app_id, page.app_secret)
            try:
                return list(_people_in(lambda after, g=graph: g.get(f"{user_id}/ids_for_pages", **after)))  # type: ignore[misc]
            except GraphError as problem:
                if problem.transient:
                    raise
                refused = problem
        _log.error("a request cannot be matched: %s", refused)
        return None


def _people_in(ask: Callable[[dict[str, str]], dict[str, Any]]) -> Iterator[Person]:
    """The people that Graph's answer names, portion by portion. `GraphError` for an answer of another
    shape."""
    after = dict[str, str]()
    for _ in range(MOST_PORTIONS):
        answer = ask(after)
        rows = answer.get("data")
        if not isinstance(rows, list):
            raise GraphError("Graph named no ids for the request", status=200)
        yield from filter(None, map(_person, rows))
        cursor = _cursor(answer)
        if cursor is None:
            return
        after = {"after": cursor}


def _person(row: Any) -> Person | None:
    page = row.get("page") if isinstance(row, dict) else None
    page_id = read_id(page.get("id")) if isinstance(page, dict) else None
    psid = read_id(row.get("id")) if isinstance(row, dict) else None
    return None if page_id is None or psid is None else (page_id, psid)


def _pair_of(person: Any) -> Person:
    """One pair that the host returned, checked. Raises `ValueError` unless it is a page id and a PSID."""
    page_id, psid = map(read_id, person)
    if page_id is None or psid is None:
        raise ValueError("psids_of returns pairs of a page id and a PSID, both text")
    return page_id, psid


def _cursor(answer: dict[str, Any]) -> str | None:
    paging = answer.get("paging")
    if not isinstance(paging, dict) or "next" not in paging or not isinstance(paging.get("cursors"), dict):
        return None
    after = paging["cursors"].get("after")
    return after if isinstance(after, str) else None


def _ask_host(ask: Callable[[], Any], name: str) -> Any:
    """What the host's own code returns. Its failure is raised as `DeliveryFailed`: the entry is tried
    again."""
    try:
        return ask()
    except Exception as problem:
        _log.exception("%s failed", name)
        raise DeliveryFailed(f"{type(problem).__name__} in {name}") from None
