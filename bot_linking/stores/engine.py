"""What differs between databases, as the store sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from bot_linking.core.events import LinkingEvent, Outcome
from bot_linking.stores.opening import Opening

T = TypeVar("T")
Row = dict[str, Any]
Read = Callable[..., list[Row]]  # `Engine.read`


class Tx(Protocol):
    """Named statements inside one transaction, as an engine offers them."""

    def hold(
        self,
        *,
        psids: Iterable[str] = (),
        codes: Iterable[str] = (),
        attempts: Iterable[str] = (),
        account_id: str | None = None,
        accounts: Iterable[str] = (),
    ) -> None:
        """Until the transaction ends, no other transaction that holds them too changes these people, the
        attempts of these codes (by digest), these attempts, what is pending of this account, and which chats
        and new codes `accounts` have.

        Call it once, before anything is read: every later statement sees what the former holder committed.
        Locks are taken in one order, so that two holders never wait for each other.
        """

    def all(self, name: str, **values: Any) -> list[Row]:
        """The rows of this statement, each as column name to value, in the statement's order of columns."""

    def one(self, name: str, **values: Any) -> Row | None:
        """The first row of this statement; None when it finds or returns no row."""

    def run(self, name: str, **values: Any) -> int:
        """Run this statement, and return the number of rows that it changed."""

    def put(self, name: str, **values: Any) -> None:
        """Run a statement whose result is not needed. An error may surface at a later statement or the
        commit."""

    def gathered(self, events: Sequence[LinkingEvent], now: int, window: int) -> Tx:
        """A transaction in place of this one, for these events, after they are held: what they need to know
        may be read at once, and `put` may wait until `flush`. A statement without values is asked once: no
        event may change what it finds. `window` is that of the limits of refusals."""

    def flush(self) -> None:
        """Write what waits. Call it at the end of what a gathered transaction was made for."""

    def isolated(self, work: Callable[[], T]) -> T:
        """Do the work behind a savepoint: what it raises comes out here and undoes the work alone, and the
        transaction can go on."""


class Engine(Protocol):
    """What differs between databases. An engine is shared by the threads of a process and survives a fork."""

    @property
    def opening(self) -> Opening:
        """Knows whether the database is there and its tables are up to date, and sees to it."""

    @property
    def poison(self) -> tuple[type[Exception], ...]:
        """The errors of the data in one transition, such as a value that the database cannot keep, as
        opposed to those of the database. `write` lets them out as they are; the same work would fail
        again."""

    def extend(self, name: str, room: str) -> None:
        """Take in the tables and statements of another room (the package with its `statements.sql` and
        schema steps), with a record of applied steps of their own under this name. A database that is away
        is no error: they are brought up to date when it is first used."""

    def read(self, name: str, **values: Any) -> list[Row]:
        """The rows of one statement, as any process last committed them. Waits for no writer. Raises
        `StoreUnavailable`."""

    def read_link(self, page_id: str, psid: str) -> Any:
        """The columns of `find_link` as a bare tuple, or None: what a bot asks on every message, by the
        quickest way there is. Raises `StoreUnavailable`."""

    def write(self, work: Callable[[Any], T]) -> T:
        """Run one transition with a `Tx`, and return its result when it is on disk.

        What the work raises undoes all of it and comes out here. The work may be run again, when the
        database undid it (a deadlock): it must have no effect but through its `Tx`. `StoreUnavailable`
        means that it was undone, or that the connection was lost at the commit and the outcome is not
        known: the caller must be able to do it again. It is raised within some four seconds, even where the
        database hangs.
        """

    def scrub(self) -> None:
        """Leave nothing of deleted rows in the files of the database, as far as this is in our hands. Never
        raises."""

    def beside(self) -> Path | None:
        """The database's file, beside which more may be kept; None where it is on a server."""

    def close(self) -> None:
        """Close the connections that are not in use; the engine opens itself again when it is used."""


class Follower(Protocol):
    """Tables of another room that follow the links: written in the very transaction of each change.
    `only_tells` says that nothing is lost when a change is made in silence."""

    only_tells: bool

    def follow(self, tx: Tx, outcome: Outcome, now: int) -> None:
        """Hear of one outcome inside its transaction, before the commit. What it raises undoes the change,
        too; it may be called again for the same change when the transaction is run again."""

    def erase(self, tx: Tx, page_id: str | None, psid: str) -> int:
        """Remove what these tables hold of a person, on every page where `page_id` is None; the number of
        rows. Called inside the transaction of `Links.erase`, after the link is gone."""

    def export(self, read: Read, page_id: str | None, psid: str) -> dict[str, list[Row]]:
        """What these tables hold of a person, by name, as `read` finds it: no secret and no digest."""

    def export_account(self, read: Read, account_id: str) -> dict[str, list[Row]]:
        """What these tables hold of an account of the site, likewise."""
