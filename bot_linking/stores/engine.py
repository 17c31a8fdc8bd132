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
        """Lock, until the transaction ends, what it is about: these people (`psids`), the attempts of these
        codes (by digest), these `attempts`, the pending codes of the account `account_id`, and the chats and
        new codes of `accounts`. Another transaction that locks one of them waits.

        Call it before anything is read: every later statement sees what the former holder committed. Locks
        are taken in one order, those of `accounts` first, so that two holders never wait for each other.
        So `accounts` may be held by a call of their own, before the only other one.
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

    def gathered(
        self, events: Sequence[LinkingEvent], now: int, window: int, accounts: Sequence[str] = ()
    ) -> Tx:
        """A transaction to use instead of this one for these events, once they are held. It may read at once
        what all of them need, with all links of `accounts`, and `put` may wait until `flush`. It runs a
        statement without values once, so such a statement must not depend on what the events change. `window`
        (ms) is that of the limit on refusals."""

    def flush(self) -> None:
        """Write what `put` has left waiting. Call it at the end of the work with a gathered transaction."""

    def isolated(self, work: Callable[[], T]) -> T:
        """Do the work behind a savepoint. An error undoes the work alone and is raised here; the transaction
        can go on."""


class Engine(Protocol):
    """A database, asked by named statements. The threads of a process share one engine, and a child process
    may go on with it after a fork."""

    @property
    def opening(self) -> Opening:
        """Knows whether the database is there and its tables are up to date, and brings them up to date."""

    @property
    def poison(self) -> tuple[type[Exception], ...]:
        """The errors that the data of one transition cause, such as a value that the database cannot keep.
        `write` raises them as they are; the same work would fail again. Other errors are the database's."""

    def extend(self, name: str, room: str) -> None:
        """Add the tables and statements of another room, a package with `statements.sql` and schema steps.
        Its applied steps are recorded under `name`. A database that is away raises nothing: the tables are
        brought up to date when it is first used."""

    def read(self, name: str, **values: Any) -> list[Row]:
        """The rows of one statement, as any process last committed them. It waits for no writer. A value that
        no row can hold finds nothing. Raises `StoreUnavailable`."""

    def read_link(self, page_id: str, psid: str) -> Any:
        """The columns of `find_link` as a plain tuple, or None. A bot asks this on every message, so this is
        the fastest way that the driver has. Raises `StoreUnavailable`."""

    def write(self, work: Callable[[Any], T]) -> T:
        """Run one transition with a `Tx`, and return its result when it is on disk.

        An error of the work undoes all of it and is raised here. After a deadlock the work is run again, so
        it must have no effect outside its `Tx`. `StoreUnavailable` means that the work was undone, or that
        the connection was lost at the commit and the outcome is unknown: the caller must be able to repeat
        it. It is raised within some four seconds where the database hangs; where
        others hold what it waits for, each wait takes three at most.
        """

    def scrub(self) -> None:
        """Remove what is left of deleted rows from the database's files, as far as the engine can. Never
        raises."""

    def beside(self) -> Path | None:
        """The database's file, beside which other files may be kept; None for a database on a server."""

    def close(self) -> None:
        """Close the connections that are not in use; the engine opens itself again when it is used."""


class Follower(Protocol):
    """Tables of another room that follow the links: they are written in the transaction of each change. A
    follower that `only_tells` people is not called for a change that is made without telling them."""

    only_tells: bool

    def follow(self, tx: Tx, outcome: Outcome, now: int) -> None:
        """Take one outcome into account, inside its transaction, before the commit. An error undoes the
        change, too. When the transaction is run again, it is called again for the same change."""

    def erase(self, tx: Tx, page_id: str | None, psid: str) -> int:
        """Remove what these tables hold of a person, on every page where `page_id` is None. Returns the
        number of rows. Called inside the transaction of `Links.erase`, after the link is gone."""

    def export(self, read: Read, page_id: str | None, psid: str) -> dict[str, list[Row]]:
        """What these tables hold of a person, on every page where `page_id` is None: table to rows, as `read`
        finds them, without secrets and digests."""

    def export_account(self, read: Read, account_id: str) -> dict[str, list[Row]]:
        """What these tables hold of an account of the site: the same as `export`, by the account's id."""
