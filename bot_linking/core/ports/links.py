"""The store's role for the domain itself: who is linked, what changed that, and what is remembered of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from bot_linking.core.events import LinkingEvent, Outcome
from bot_linking.core.history import NO_AUDIT, Audit, Change
from bot_linking.core.identifiers import Identifiers
from bot_linking.core.links import Account, Link


class Links(Protocol):
    """Links, each of one person on one page, and their history."""

    def find_link(self, page_id: str, psid: str) -> Link | None: ...
    def find_links_of_psid(self, psid: str) -> list[Link]: ...
    def find_links_of_account(self, account_id: str) -> list[Link]: ...
    def list_links(self) -> Iterator[Link]: ...
    def find_pages(self) -> list[str]: ...
    def locale_of(self, page_id: str, psid: str) -> str | None: ...
    def history_of(self, page_id: str | None, psid: str) -> list[Change]: ...
    def receive(self, events: Sequence[LinkingEvent], now: int) -> list[Outcome]: ...
    def refuse(self, event: LinkingEvent, reason: str, now: int) -> Outcome: ...
    def unlink(
        self,
        page_id: str,
        psid: str,
        source: str,
        now: int,
        *,
        account_id: str | None = None,
        audit: Audit = NO_AUDIT,
    ) -> Outcome: ...
    def bind(
        self,
        page_id: str,
        psid: str,
        given: Identifiers,
        source: str,
        now: int,
        *,
        account: Account | None = None,
        audit: Audit = NO_AUDIT,
    ) -> Outcome: ...
    def erase(self, page_id: str | None, psid: str, now: int) -> int: ...
