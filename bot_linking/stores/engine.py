"""What differs between databases, as the store sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

from bot_linking.core.events import Outcome

T = TypeVar("T")
Row = dict[str, Any]


class Tx(Protocol):
    """Named statements inside one transaction, as an engine offers them."""

    def hold(
        self,
        *,
        psids: Iterable[str] = (),
        codes: Iterable[str] = (),
        attempts: Iterable[str] = (),
        account_id: str | None = None,
    ) -> None:
        """Until the transaction ends, nobody else changes these people, the attempts of these codes (by
        digest), these attempts, and what is pending of this account. Before anything is read."""

    def all(self, name: str, **values: Any) -> list[Row]: ...
    def one(self, name: str, **values: Any) -> Row | None: ...
    def run(self, name: str, **values: Any) -> int: ...
    def put(self, name: str, **values: Any) -> None:
        """Run a statement of which nothing is asked: its failure may come out with a later one's, or with the
        commit."""

    def isolated(self, work: Callable[[], T]) -> T: ...


class Engine(Protocol):
    """What differs between databases."""

    applied: list[str]  # the migrations that this very object has applied

    @property
    def poison(self) -> tuple[type[Exception], ...]: ...

    def extend(self, name: str, room: str) -> None: ...
    def read(self, name: str, **values: Any) -> list[Row]: ...
    def read_link(self, page_id: str, psid: str) -> Any: ...
    def write(self, work: Callable[[Any], T]) -> T: ...
    def scrub(self) -> None: ...
    def close(self) -> None: ...


class Follower(Protocol):
    """Tables of another room that follow the links: written in the very transaction of each change."""

    def follow(self, tx: Tx, outcome: Outcome, now: int) -> None: ...
    def erase(self, tx: Tx, page_id: str | None, psid: str) -> int: ...
