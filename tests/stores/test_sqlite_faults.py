"""A database that is locked, full, read-only, damaged or moved, or whose writer is killed: one error, and
nothing is lost."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from bot_linking.core.errors import ConfigurationError, StoreUnavailable
from bot_linking.core.events import AccountLinked
from bot_linking.stores import open_store
from bot_linking.stores.sqlite import engine as sqlite
from bot_linking.stores.sqlite import threads as sqlite_threads
from bot_linking.stores.store import SQLStore
from tests.children import LIMIT_S
from tests.waits import short_waits

from .given import (
    NOW,
    PAGE,
    PSID,
    attempt_for,
    connection_of,
    engine_of,
    link,
    linked,
    save_code,
)
from .processes import SPAWN, hold_the_lock, link_for_ever, one_process, stop_in_the_middle


@pytest.fixture
def store(sqlite_store: SQLStore) -> SQLStore:
    return sqlite_store


@contextmanager
def locked_by_another_process(path: Path) -> Iterator[Callable[[], None]]:
    """Another process locks the file until the function that it yields is called."""
    locked, release = SPAWN.Event(), SPAWN.Event()
    with one_process(hold_the_lock, path, locked, release) as process:
        assert locked.wait(LIMIT_S)

        def let_go() -> None:
            release.set()
            process.join(LIMIT_S)

        yield let_go


def in_a_thread(work: Callable[[], object]) -> object:
    """Run this in a thread, and so on another connection. Returns its result or its error."""
    found = list[object]()

    def run() -> None:
        try:
            found.append(work())
        except BaseException as problem:
            found.append(problem)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30)
    return found[0]


def files_of(path: Path) -> list[Path]:
    return sorted(path.parent.glob(path.name + "*"))


# Locked


@pytest.mark.usefixtures("product_waits")
def test_the_wait_for_a_lock_leaves_time_to_answer_a_webhook() -> None:
    """What the other tests shorten."""
    assert sqlite_threads.BUSY_TIMEOUT_S < 4.5


def test_a_lock_is_waited_for_until_the_limit_and_afterwards_all_works(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(open_store(f"sqlite:///{path}")) as store:
        code = str(in_a_thread(lambda: save_code(store)))
        with monkeypatch.context() as patch:
            short_waits("sqlite", patch)
            assert store.find_link(PAGE, PSID) is None  # connects this thread, with the short wait
            with locked_by_another_process(path) as let_go:
                began = time.monotonic()
                with pytest.raises(StoreUnavailable):
                    store.receive([linked(code)], NOW)
                assert 0.4 < time.monotonic() - began < 36
                assert store.find_link(PAGE, PSID) is None
                assert in_a_thread(lambda: store.find_link(PAGE, PSID)) is None
                let_go()
        assert isinstance(store.receive([linked(code)], NOW)[0], AccountLinked)


ONE_WAIT_S = 3.0


def test_a_writer_behind_a_lock_waits_no_longer_because_others_waited_before(
    store: SQLStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A webhook that arrives while another one waits is answered within the same time as one in a process
    where no other waits, with a tolerance of less than one wait."""
    alone, together = open_store(f"sqlite:///{path}"), list[float]()
    waited = {id(alone): list[float](), id(store): together}

    def ask(asked: SQLStore) -> None:
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            asked.hit("key", NOW + 1, NOW)
        waited[id(asked)].append(time.monotonic() - began)

    threads = [threading.Thread(target=ask, args=(each,)) for each in (alone, *[store] * 6)]
    with monkeypatch.context() as patch, closing(sqlite3.connect(path, isolation_level=None)) as other:
        short_waits("sqlite", patch, ONE_WAIT_S)
        other.execute("begin immediate")
        for thread in threads:
            thread.start()
            thread.join(0.2)
        for thread in threads:
            thread.join(LIMIT_S)
        other.execute("rollback")
    alone.close()
    assert len(together) == 6
    assert max(together) < waited[id(alone)][0] + ONE_WAIT_S
    assert store.hit("key", NOW + 1, NOW) == 1


def test_a_lock_that_ends_in_time_causes_no_error(store: SQLStore, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("begin immediate")
        end = threading.Timer(0.2, lambda: other.execute("rollback"))
        end.start()
        assert store.hit("key", NOW + 1, NOW) == 1
        end.join()


# Full


def test_a_full_disk_is_one_error_reads_go_on_and_no_event_is_lost(store: SQLStore) -> None:
    codes = {str(number): save_code(store, attempt_for(psid=str(number))) for number in range(300)}
    connection = connection_of(store)
    (pages,) = connection.execute("pragma page_count").fetchone()
    connection.execute(f"pragma max_page_count = {pages + 3}")
    answered, failed = dict[str, str](), list[str]()
    for psid, code in codes.items():
        try:
            store.receive([linked(code, psid=psid)], NOW)
            answered[psid] = code
        except StoreUnavailable:
            failed.append(psid)
    assert failed
    assert {each.psid for each in store.list_links()} == set(answered)
    connection.execute("pragma max_page_count = 1000000")
    for psid in failed:
        assert isinstance(store.receive([linked(codes[psid], psid=psid)], NOW)[0], AccountLinked)
    assert len(list(store.list_links())) == len(codes)
    assert store.outbox_depth()["depth"] == len(codes)


def test_a_full_disk_in_the_middle_of_a_batch_takes_the_whole_batch(store: SQLStore) -> None:
    events = [
        linked(save_code(store, attempt_for(psid=str(number))), psid=str(number)) for number in range(200)
    ]
    connection = connection_of(store)
    (pages,) = connection.execute("pragma page_count").fetchone()
    connection.execute(f"pragma max_page_count = {pages + 2}")
    with pytest.raises(StoreUnavailable):
        store.receive(events, NOW)
    assert list(store.list_links()) == []
    connection.execute("pragma max_page_count = 1000000")
    assert all(isinstance(each, AccountLinked) for each in store.receive(events, NOW))


# Read-only, elsewhere, not a database


def test_the_error_for_a_folder_that_cannot_be_made_names_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreUnavailable, match=r"file/links\.db"):
        open_store(f"sqlite:///{tmp_path}/file/links.db").check()


def test_a_read_only_database_is_one_error_and_reads_go_on(store: SQLStore) -> None:
    link(store)
    connection = connection_of(store)
    connection.execute("pragma query_only = on")
    with pytest.raises(StoreUnavailable):
        store.check()
    assert store.find_link(PAGE, PSID) is not None
    connection.execute("pragma query_only = off")
    store.check()


@pytest.mark.parametrize(
    "address", ["", "links.db", "sqlite:", "sqlite://", "sqlite:///", "sqlite://host/x", "mysql:///x"]
)
def test_an_address_that_is_none_is_refused_by_the_settings_name(address: str) -> None:
    with pytest.raises(ConfigurationError, match="BOT_LINKING_DATABASE"):
        open_store(address)


@pytest.mark.parametrize("rubbish", [b"\0" * 100, b"not a database, but long enough for one" * 10])
def test_a_damaged_header_is_refused_at_the_first_use_and_left_as_it_is(
    store: SQLStore, path: Path, rubbish: bytes
) -> None:
    link(store)
    store.close()
    damage(path, 0, rubbish)
    before = path.read_bytes()
    with pytest.raises(StoreUnavailable, match=r"links\.db"):
        open_store(f"sqlite:///{path}").check()
    assert path.read_bytes() == before


def test_a_header_damaged_while_running_is_one_error_for_the_next_caller(store: SQLStore, path: Path) -> None:
    link(store)
    store.close()
    damage(path, 0, b"\0" * 100)
    for work in (lambda: store.hit("key", NOW + 1, NOW), lambda: store.find_link(PAGE, PSID), store.check):
        assert isinstance(in_a_thread(work), StoreUnavailable)


def test_a_page_damaged_in_the_middle_is_the_same_error(store: SQLStore, path: Path) -> None:
    for number in range(50):
        link(store, psid=str(number))
    engine_of(store).scrub()
    store.close()
    damage(path, 4096, b"\xff" * (path.stat().st_size - 4096))
    code = "code"
    for work in (
        lambda: store.hit("key", NOW + 1, NOW),
        lambda: store.receive([linked(code)], NOW),
        lambda: store.find_link(PAGE, "1"),
        lambda: list(store.list_links()),
    ):
        assert isinstance(in_a_thread(work), StoreUnavailable)


def damage(path: Path, offset: int, rubbish: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(rubbish)


# Moved


def test_a_moved_file_is_noticed_at_the_next_write_and_used_when_it_is_back(
    store: SQLStore, path: Path
) -> None:
    code = save_code(store)
    moved = path.with_name("moved")
    before = path.read_bytes()
    path.rename(moved)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            store.receive([linked(code)], NOW)
    assert isinstance(in_a_thread(store.check), StoreUnavailable)
    assert isinstance(in_a_thread(lambda: store.find_link(PAGE, PSID)), StoreUnavailable)
    assert not path.exists()
    assert moved.stat().st_size >= len(before)
    moved.rename(path)
    assert isinstance(store.receive([linked(code)], NOW)[0], AccountLinked)


def test_what_was_written_before_the_move_is_in_the_moved_file_and_nothing_after(
    store: SQLStore, path: Path
) -> None:
    link(store)
    code = save_code(store, attempt_for(psid="9"))
    moved = path.with_name("moved")
    path.rename(moved)
    with pytest.raises(StoreUnavailable):
        store.receive([linked(code, psid="9")], NOW)
    store.close()
    moved.rename(path)
    reopened = open_store(f"sqlite:///{path}")
    assert [each.psid for each in reopened.list_links()] == [PSID]
    reopened.close()


def test_a_reader_reads_a_moved_file_for_a_second_at_most(
    store: SQLStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link(store)
    assert sqlite.LOOK_AT_FILE_S <= 1
    monkeypatch.setattr(sqlite, "LOOK_AT_FILE_S", 0.0)
    store.check()
    path.rename(path.with_name("moved"))
    for work in (lambda: store.find_link(PAGE, PSID), lambda: store.find_links_of_psid(PSID)):
        with pytest.raises(StoreUnavailable):
            work()
    path.with_name("moved").rename(path)
    assert store.find_link(PAGE, PSID) is not None


def test_a_backup_put_in_its_place_is_read_as_it_is(store: SQLStore, path: Path) -> None:
    """The write-ahead log of the former file goes into that file, and not into the backup."""
    link(store)
    with closing(sqlite3.connect(path)) as file, closing(sqlite3.connect(path.with_name("backup"))) as backup:
        file.backup(backup)
    link(store, psid="after the backup")
    path.rename(path.with_name("moved"))
    path.with_name("backup").rename(path)
    store.check()
    assert [each.psid for each in store.list_links()] == [PSID]
    store.close()
    for name, people in (("links.db", [PSID]), ("moved", [PSID, "after the backup"])):
        again = open_store(f"sqlite:///{path.with_name(name)}")
        assert [each.psid for each in again.list_links()] == people
        again.close()


def test_another_file_in_its_place_is_not_used(store: SQLStore, path: Path) -> None:
    link(store)
    path.rename(path.with_name("moved"))
    path.touch()
    with pytest.raises(StoreUnavailable):
        store.check()
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("select count(*) from sqlite_master").fetchone() == (0,)
    os.replace(path.with_name("moved"), path)
    store.check()
    assert store.find_link(PAGE, PSID) is not None


def test_a_deleted_file_is_not_made_again_by_a_running_process(store: SQLStore, path: Path) -> None:
    link(store)
    path.unlink()
    with pytest.raises(StoreUnavailable):
        link(store, psid="9")
    assert not path.exists()


# Killed


def test_a_killed_writer_leaves_every_transition_that_returned_and_none_in_halves(path: Path) -> None:
    url = f"sqlite:///{path}"
    open_store(url).close()
    said = set[int]()
    for round_number in range(2):
        said |= _killed_after(url, 40)
        with closing(sqlite3.connect(path)) as other:
            assert other.execute("pragma integrity_check").fetchone() == ("ok",)
            links = {
                int(psid) for (psid,) in other.execute("select psid from links where account_id is not null")
            }
            messages = [
                int(psid) for (psid,) in other.execute("select psid from outbox where kind = 'linked'")
            ]
            used = {
                int(psid) for (psid,) in other.execute("select consumed_by from codes where consumed_at > 0")
            }
        assert said <= links
        assert len(links - said) <= round_number + 1  # what was on its way when the axe fell
        assert links == set(messages) == used
        assert len(messages) == len(set(messages))
        store = open_store(url)
        assert len(list(store.list_links())) == len(links)
        store.check()
        store.close()


def _killed_after(url: str, lines: int) -> set[int]:
    """The numbers that a writer printed as stored before it was killed."""
    said = set[int]()
    reading, writing = SPAWN.Pipe(duplex=False)
    with reading, one_process(link_for_ever, url, writing) as process:
        writing.close()
        while len(said) < lines:
            assert reading.poll(LIMIT_S)
            said.add(reading.recv())
        process.kill()
        with suppress(EOFError):
            while True:
                said.add(reading.recv())
    return said


def test_a_transition_that_is_killed_in_the_middle_leaves_nothing(path: Path) -> None:
    url = f"sqlite:///{path}"
    store = open_store(url)
    store.save_resume("page", "whole", 1, NOW)
    reached = SPAWN.Event()
    with one_process(stop_in_the_middle, url, reached) as process:
        assert reached.wait(LIMIT_S)
        process.kill()
        process.join(LIMIT_S)
    store.save_resume("page", "after", 2, NOW)
    assert [store.take_resume("page", psid) for psid in ("whole", "half", "after")] == [1, None, 2]
    store.close()


# Who may read it


def test_the_database_and_its_companions_are_for_their_owner_only(store: SQLStore, path: Path) -> None:
    link(store)
    assert [file.name for file in files_of(path)] == ["links.db", "links.db-shm", "links.db-wal"]
    for file in files_of(path):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_generous_umask_changes_nothing(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = open_store(f"sqlite:///{tmp_path}/new/links.db")
        link(store)
        modes = {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "new").iterdir()}
    finally:
        os.umask(before)
    assert modes == {0o600}
    store.close()


def test_an_error_names_the_file_and_no_person(store: SQLStore, path: Path) -> None:
    code = save_code(store)
    path.unlink()
    with pytest.raises(StoreUnavailable) as refusal:
        store.receive([linked(code)], NOW)
    assert str(path) in str(refusal.value)
    assert PSID not in str(refusal.value)
    assert code not in str(refusal.value)
