"""What the tests of the stores share: databases, people, codes, and common steps."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from bot_linking.core.codes import digest_of
from bot_linking.core.events import LinkingEvent, Outcome
from bot_linking.core.links import Account
from bot_linking.core.ports import Attempt, OutboxEntry
from bot_linking.core.ports.outbox import Buried, Done, Postponed, Settled
from bot_linking.stores.sqlite.engine import SQLiteEngine
from bot_linking.stores.store import SQLStore
from tests import postgres, ready

NOW = 1_800_000_000_000
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
PAGE, PSID = "102030405060708", "24680135791357"
ADA = Account("1", "ada", "ada@example.com", "+44 1815", "Ada Lovelace")
GRACE = Account("2", "grace", "grace@example.com", None, None)

Ask = Callable[[str], list[tuple[Any, ...]]]

_numbers = count(1)


@contextmanager
def _sqlite(tmp_path: Path) -> Iterator[str]:
    with _no_file(tmp_path) as address:
        with ready.empty_tables():
            ready.make_tables(address)
        yield address


@contextmanager
def _no_file(tmp_path: Path) -> Iterator[str]:
    yield f"sqlite:///{tmp_path}/links.db"


#: Addresses of databases that hold every table of ours, and no row.
DATABASES = {"postgres": lambda tmp_path: postgres.schema_with_tables(), "sqlite": _sqlite}
#: Addresses at which there is nothing yet.
PLACES = {"postgres": lambda tmp_path: postgres.empty_schema(), "sqlite": _no_file}


@contextmanager
def connected(url: str) -> Iterator[Ask]:
    """Asks statements on one connection of its own."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
            yield lambda statement: connection.execute(statement).fetchall()
    else:
        with postgres.connected(url) as ask:
            yield ask


def engine_of(store: SQLStore) -> SQLiteEngine:
    assert isinstance(store.engine, SQLiteEngine)
    return store.engine


def connection_of(store: SQLStore) -> sqlite3.Connection:
    """This thread's connection to the file of a store."""
    store.check()
    connection = engine_of(store)._mine.handle.connection
    assert connection is not None
    return connection


def attempt_for(
    account: Account = ADA, *, page: str | None = PAGE, psid: str | None = PSID, name: str | None = None
) -> Attempt:
    """An attempt that is signed in; a new one at each call, unless its id is given."""
    return Attempt(
        name or f"attempt-{next(_numbers)}", account, "token", "https://return.example/", NOW, page, psid,
        "Ada L.",
    )  # fmt: skip


def save_code(store: SQLStore, attempt: Attempt | None = None, *, life: int = 5 * MINUTE) -> str:
    """Save a pending code, and return it."""
    code = f"code-{next(_numbers)}"
    assert store.save_code(digest_of(code), attempt or attempt_for(), "en_GB", NOW, NOW + life)
    return code


def linked(code: str, *, psid: str = PSID, page: str = PAGE, at: int | None = NOW) -> LinkingEvent:
    return LinkingEvent(page, psid, "linked", code, at)


def unlinked(*, psid: str = PSID, page: str = PAGE, at: int | None = NOW + 1) -> LinkingEvent:
    return LinkingEvent(page, psid, "unlinked", None, at)


def link(
    store: SQLStore, account: Account = ADA, *, psid: str = PSID, page: str = PAGE, now: int = NOW
) -> Outcome:
    """Link a person the way Messenger does."""
    code = save_code(store, attempt_for(account, page=page, psid=psid))
    return store.receive([linked(code, psid=psid, page=page, at=now)], now)[0]


def claim(
    store: SQLStore, now: int = NOW, *, limit: int = 1000, until: int | None = None, settled: Any = ()
) -> list[OutboxEntry]:
    """Lease what is due of all pages, as the only worker does."""
    shares = dict.fromkeys(store.due_pages(now, most=1000), limit)
    return store.claim_due(now, now + MINUTE if until is None else until, shares, settled=settled)


def settle(store: SQLStore, *settled: Settled, now: int = NOW) -> None:
    """Write the outcomes of entries, as a worker does."""
    store.claim_due(now, now, {}, settled=settled)


def finish(store: SQLStore, entry: OutboxEntry, now: int = NOW) -> None:
    settle(store, Done(entry), now=now)


def postpone(
    store: SQLStore, entry: OutboxEntry, next_at: int, reason: str = "down", *, held_for: str | None = None
) -> None:
    settle(store, Postponed(entry, next_at, reason, held_for))


def bury(store: SQLStore, entry: OutboxEntry, reason: str, now: int = NOW) -> None:
    settle(store, Buried(entry, reason), now=now)


def queued(store: SQLStore) -> list[tuple[str, str]]:
    """(PSID, kind) of each entry that waits, in order. The entries are leased and given back."""
    found = list[tuple[str, str]]()
    far = NOW + 10 * DAY
    while entries := claim(store, far, until=far + 1):
        for entry in entries:
            found.append((entry.psid, entry.kind))
            finish(store, entry)
    return found
