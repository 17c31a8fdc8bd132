"""A transition that ends the logins under way of a person or an account also ends a code that is being
approved at that moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from bot_linking.core.journey import Stage
from bot_linking.core.ports import Attempt
from bot_linking.stores import open_store
from bot_linking.stores.store import SQLStore
from tests import postgres

from .given import ADA, GRACE, NOW, PAGE, PSID, attempt_for, link, save_code

LONGEST_S = 60.0
DIGEST = "digest-of-the-new-code"


@pytest.fixture
def database() -> Iterator[str]:
    """PostgreSQL: SQLite never has two transitions under way."""
    with postgres.schema_with_tables() as address:
        yield address


@pytest.fixture
def pair(database: str) -> Iterator[tuple[SQLStore, SQLStore]]:
    stores = open_store(database), open_store(database)
    stores[0].migrate()
    yield stores
    for store in stores:
        store.close()


def _holding_back(store: SQLStore, begun: threading.Event, go_on: threading.Event) -> None:
    """The next transition runs all its statements and waits before its commit."""
    write = store.engine.write

    def held(work: Callable[[Any], Any]) -> Any:
        def then_wait(tx: Any) -> Any:
            result = work(tx)
            tx.one("find_attempt", attempt_id="")  # what waits goes with it
            begun.set()
            assert go_on.wait(LONGEST_S)
            return result

        store.engine.write = write  # type: ignore[method-assign]
        return write(then_wait)

    store.engine.write = held  # type: ignore[method-assign]


def _is_waiting(database: str) -> bool:
    asked = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
    return bool(postgres.execute(database, asked)[0][0])


def _overlapping(pair: tuple[SQLStore, SQLStore], database: str, attempt: Attempt, end: Any) -> bool | None:
    """The result of a consent, whose commit waits until the other transition has come as far as it can."""
    consenting, ending = pair
    begun, go_on, approved = threading.Event(), threading.Event(), list[bool]()
    _holding_back(consenting, begun, go_on)

    def consent() -> None:
        approved.append(consenting.save_code(DIGEST, attempt, None, NOW, NOW + 60_000))

    threads = [threading.Thread(target=consent), threading.Thread(target=end, args=(ending,))]
    threads[0].start()
    assert begun.wait(LONGEST_S)
    threads[1].start()
    deadline = time.monotonic() + LONGEST_S
    while threads[1].is_alive() and not _is_waiting(database) and time.monotonic() < deadline:
        time.sleep(0.01)
    go_on.set()
    for thread in threads:
        thread.join(LONGEST_S)
    return approved[0] if approved else None


def _undo(store: SQLStore) -> None:
    undo = store.find_undo(PAGE, PSID)
    assert undo is not None
    store.undo(PAGE, PSID, undo.change_id, NOW + 1)


ENDS = {
    "the password changed": lambda store: store.drop_pending(ADA.id),
    "the owner's undo": _undo,
    "the person is erased": lambda store: store.erase(PAGE, PSID, NOW + 1),
    "the account is erased": lambda store: store.erase_account(ADA.id, NOW + 1),
}


BOUND_OR_NOT = [(end, psid) for end in ENDS for psid in (PSID, None) if psid or end != "the owner's undo"]


@pytest.mark.parametrize(("end", "psid"), BOUND_OR_NOT)
def test_a_code_that_is_being_approved_ends_with_the_logins_under_way(
    pair: tuple[SQLStore, SQLStore], database: str, end: str, psid: str | None
) -> None:
    store = pair[0]
    link(store, GRACE if end == "the owner's undo" else ADA)
    attempt = replace(attempt_for(ADA, psid=psid), stage=Stage.CONSENT_SHOWN, session_digest="s")
    attempt = replace(attempt, expires_at=NOW + 60_000)
    assert store.save_attempt(attempt)
    assert _overlapping(pair, database, attempt, ENDS[end])
    code = postgres.execute(
        database, "select account_id, psid, consumed_at from codes where digest = %s", DIGEST
    )
    assert [(account, person) for account, person, consumed in code if consumed is None] == []
    assert all(account is None and person is None for account, person, _ in code)


def test_another_person_and_account_go_on_meanwhile(pair: tuple[SQLStore, SQLStore], database: str) -> None:
    """A consent of another person and another account does not wait for them."""
    store = pair[0]
    attempt = attempt_for(GRACE, psid="another-person")
    assert _overlapping(pair, database, attempt, lambda ending: ending.drop_pending(ADA.id))
    assert save_code(store, attempt_for(ADA))
