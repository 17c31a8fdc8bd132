"""The account owner's pages: undo a connection, see and end connected chats, the state of a deletion."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from flask import Response

from bot_linking.config.settings import Settings
from bot_linking.core.codes import digest_for
from bot_linking.core.errors import BotLinkingError
from bot_linking.core.events import EventIgnored, LinkingRefused
from bot_linking.core.linking import Linking
from bot_linking.core.links import Connection, Link, from_ms
from bot_linking.core.text import safe_name
from bot_linking.core.ways import CONNECTIONS, label_of, masked
from bot_linking.webview.browser import Browser
from bot_linking.webview.pages import Notice, Pages
from bot_linking.webview.stamps import Stamps
from bot_linking.webview.stops import fields
from bot_linking.webview.viewing import Route, view
from bot_linking.webview.visitor import Visitor

if TYPE_CHECKING:
    from bot_linking.messenger.bots import Bots

NAMES_KEPT_MS = 300_000
MOST_NAMES = 20  # asked of Messenger for one page
NAMES_S = 3.0  # in which names are asked; a chat may be shown without its name
SOURCE = "site"


@dataclass(frozen=True, slots=True)
class ChatRow:
    """A connected chat as its row shows it. `id` is a digest, which names the chat in an address."""

    id: str
    name: str | None
    page_id: str
    since: str
    changed: str
    source: str


class OwnerPages:
    """The owner's pages of one app."""

    def __init__(
        self,
        linking: Linking,
        settings: Settings,
        *,
        pages: Pages,
        browser: Browser,
        visitor: Visitor,
        bots: Bots,
    ) -> None:
        self._linking = linking
        self.pages = pages
        self._browser = browser
        self._visitor = visitor
        self._bots = bots
        self._stamps = Stamps(settings.secret_key, linking.now)
        self._names: dict[tuple[str, str], tuple[str | None, int]] = {}

    def routes(self) -> list[Route]:
        return [
            ("/undo/<token>", "undo", self.show_undo, ["GET"]),
            ("/undo/<token>", "undo_now", self.undo, ["POST"]),
            ("/connections", "connections", self.show_connections, ["GET"]),
            ("/connections/<chat_id>/disconnect", "disconnect", self.disconnect, ["POST"]),
            ("/deletion/<code>", "deletion", self.show_deletion, ["GET"]),
        ]

    # Undo

    @view
    def show_undo(self, token: str) -> Response:
        """Show what happened, and what undoing does."""
        page_id, psid, change_id = self._change_of(token)
        undo = self._linking.store.find_undo(page_id, psid)
        is_that = undo is not None and undo.change_id == change_id
        if undo is None or not is_that or undo.undone:
            return self._undo_page("undone" if is_that else "newer")
        link = self._linking.link_of(psid, page_id)
        label = masked(label_of(link)) if link else ""
        secret = self._browser.secret()
        page = self._undo_page(
            "open",
            token=token,
            ticket=self._stamps.make("undo", token, secret),
            date=_day(undo.changed_at),
            account=label,
            former=masked(label_of(undo.before)) if undo.before else None,
        )
        return self._browser.remember(page, secret)

    @view
    def undo(self, token: str) -> Response:
        """Undo the change; the page's own address then shows that it was undone."""
        page_id, psid, change_id = self._change_of(token)
        self._browser.require_stamp(self._stamps, fields(), "undo", token)
        outcome = self._linking.undoing.undo(page_id, psid, change_id=change_id)
        if isinstance(outcome, LinkingRefused):
            return self._undo_page("refused", status=409)
        if outcome == EventIgnored("newer", page_id, psid):
            return self._undo_page("newer", status=409)
        return self.pages.go(quote(token))

    def _undo_page(self, state: str, *, status: int = 200, **context: Any) -> Response:
        has_list = self._visitor.can_come
        return self.pages.show("undo", status, state=state, connections=has_list, **context)

    def _change_of(self, token: str) -> tuple[str, str, str]:
        named = self._linking.undoing.find(token)
        if named is None:
            raise Notice("missing", 404)
        return named

    # Connected chats

    @view
    def show_connections(self) -> Response:
        """The connected chats of the account that is signed in."""
        account = self._visitor.account()
        if account is None:
            return self._visitor.sign_in(CONNECTIONS)
        secret = self._browser.secret()
        page = self.pages.show(
            "connections",
            account=account.label,
            chats=[_chat(each) for each in self.connections_of(account.id)],
            ticket=self._stamps.make("disconnect", account.id, secret),
        )
        return self._browser.remember(page, secret)

    @view
    def disconnect(self, chat_id: str) -> Response:
        """End one chat's link. A chat of another account answers 404."""
        account = self._visitor.account()
        if account is None:
            raise Notice("missing", 404)
        self._browser.require_stamp(self._stamps, fields(), "disconnect", account.id)
        links = [link for link in self._linking.links_of(account.id) if _id_of(link) == chat_id]
        if not links:
            raise Notice("missing", 404)
        self._linking.unlink(links[0].psid, links[0].page_id, source=SOURCE)
        return self.pages.go("../../connections")

    def connections_of(self, account_id: str) -> list[Connection]:
        """The chats that are linked to an account; the one that was changed last is first."""
        ends, links = monotonic() + NAMES_S, self._linking.links_of(account_id)[::-1]
        return [
            Connection.of(link, self._name_of(link, number < MOST_NAMES and monotonic() < ends))
            for number, link in enumerate(links)
        ]

    def _name_of(self, link: Link, may_ask: bool) -> str | None:
        """What Messenger calls the person, asked at most once in five minutes."""
        now, who = self._linking.now(), (link.page_id, link.psid)
        known = self._names.get(who)
        if known is not None and now - known[1] <= NAMES_KEPT_MS:
            return known[0]
        if not may_ask:
            return None
        if len(self._names) > 1000:
            self._names.clear()
        name = self._ask_name(link)
        self._names[who] = name, now
        return name

    def _ask_name(self, link: Link) -> str | None:
        try:
            name = self._bots.graph_of(link.page_id).profile_name(link.psid)
        except BotLinkingError:
            return None
        return safe_name(name) if name else None

    # Requests to delete

    @view
    def show_deletion(self, code: str) -> Response:
        """The state of a request from Meta. The page names no account, no chat and no id."""
        found = self._linking.store.find_deletion(code)
        if found is None:
            raise Notice("missing", 404)
        return self.pages.show(
            "deletion",
            kind=found.kind,
            state=found.state,
            code=found.code,
            received=_day(found.received_at),
            finished=_day(found.finished_at) if found.finished_at is not None else "",
        )


def _chat(link: Connection) -> ChatRow:
    since, changed = link.linked_at.date().isoformat(), link.updated_at.date().isoformat()
    return ChatRow(_id_of(link), link.profile_name, link.page_id, since, changed, link.source)


def _id_of(link: Link) -> str:
    return digest_for("chat", f"{link.page_id} {link.psid}")[:32]


def _day(ms: int) -> str:
    return from_ms(ms).date().isoformat()
