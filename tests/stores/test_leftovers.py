"""No connection, no file and no thread outlives the store, the thread or the app that opened it."""

from __future__ import annotations

import gc
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot_linking.core.errors import StoreUnavailable
from bot_linking.stores import open_store
from bot_linking.stores.store import SQLStore
from tests import postgres
from tests.bots import NewBot

from .given import NOW, PAGE, PSID, link

FILES = Path("/proc/self/fd")
pytestmark = pytest.mark.skipif(not FILES.is_dir(), reason="only Linux says which files a process has open")


@pytest.fixture(autouse=True)
def _nothing_is_left_to_the_collector() -> Iterator[None]:
    """From Python 3.13 on, a connection that is left to the garbage collector causes a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        yield
        gc.collect()


def open_files(path: Path) -> list[str]:
    """The database's files that this process has open."""
    found = []
    for each in FILES.iterdir():
        try:
            found.append(os.readlink(each))
        except OSError:  # that one was the listing itself
            continue
    return [name for name in found if name.startswith(str(path))]


def in_threads(count: int, work: Callable[[], object]) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)


def test_threads_that_come_and_go_leave_no_more_files_open(path: Path) -> None:
    """While another connection holds locks on the file, SQLite keeps the descriptor of a closed connection
    and reuses it. So there are as many as threads at one time, and none at the end."""
    store = open_store(f"sqlite:///{path}")

    def come_and_go() -> int:
        gate = threading.Barrier(8, timeout=30)
        in_threads(8, lambda: (store.find_link(PAGE, PSID), store.hit("key", NOW + 1, NOW), gate.wait()))
        return len(open_files(path))

    most = come_and_go()
    assert max(come_and_go() for _ in range(5)) <= most
    store.close()
    assert open_files(path) == []


def test_closing_a_store_closes_the_connections_of_all_its_threads(path: Path) -> None:
    store, ready, go = open_store(f"sqlite:///{path}"), threading.Barrier(5, timeout=30), threading.Event()
    found = list[object]()

    def work() -> None:
        store.find_link(PAGE, PSID)
        ready.wait()
        go.wait(30)
        found.append(store.find_link(PAGE, PSID))  # it opens again where it is used again

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    ready.wait()
    assert open_files(path)
    store.close()
    assert open_files(path) == []
    go.set()
    for thread in threads:
        thread.join(30)
    assert found == [None] * 4
    assert open_files(path) == []


def test_a_store_that_is_dropped_closes_everything(path: Path) -> None:
    store = open_store(f"sqlite:///{path}")
    link(store)
    assert open_files(path)
    del store
    gc.collect()
    assert open_files(path) == []


def test_a_start_that_fails_leaves_nothing_open(path: Path) -> None:
    path.write_bytes(b"not a database, but long enough for one" * 10)
    store = open_store(f"sqlite:///{path}")
    with pytest.raises(StoreUnavailable):
        store.check()
    assert open_files(path) == []


def test_no_session_of_postgresql_outlives_its_store() -> None:
    pytest.importorskip("psycopg", reason="PostgreSQL's driver is not installed")
    with postgres.schema_with_tables() as url:
        named = f"{url}&application_name=leftovers"
        count = "select count(*) from pg_stat_activity where application_name = 'leftovers'"
        store: SQLStore | None = open_store(named)
        assert store is not None
        link(store)
        assert postgres.execute(url, count) != [(0,)]
        store.close()
        assert until(lambda: postgres.execute(url, count) == [(0,)])
        link(store)
        store = None
        gc.collect()
        assert until(lambda: postgres.execute(url, count) == [(0,)])


def until(is_so: Callable[[], bool]) -> bool:
    pause = threading.Event()
    return any(is_so() or pause.wait(0.05) for _ in range(1200))


def test_an_app_that_is_closed_leaves_no_thread_and_no_file(new_bot: NewBot) -> None:
    before = set(threading.enumerate())  # of the tests that ran here earlier
    bot = new_bot(DELIVERY="thread")
    bot.link()
    bot.linking.delivery.start()
    bot.linking.delivery.stop(timeout=30)
    bot.linking.store.close()
    assert until(
        lambda: not [each for each in set(threading.enumerate()) - before if "bot_linking" in each.name]
    )
    assert open_files(bot.database) == []
