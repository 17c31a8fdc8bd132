"""Work on a store in other processes: functions that a fresh interpreter can import, and their runner."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any, NoReturn

from bot_linking.core.codes import digest_of
from bot_linking.core.events import AccountLinked, LinkingEvent
from bot_linking.core.links import Account
from bot_linking.core.ports import Attempt
from bot_linking.stores import open_store
from bot_linking.stores.store import SQLStore
from tests.children import LIMIT_S, insisting

# A fresh interpreter is forked for each, which has loaded what they need and opened nothing.
SPAWN: Any = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
if sys.platform == "linux":
    SPAWN.set_forkserver_preload(
        ["__main__", __name__, "psycopg", "sqlite_utils", "flask", "bot_linking.external_account"]
    )
NOW = 1_800_000_000_000


def run_together(work: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Run `work` for each of the arguments, each in another process, all at once, and return the results."""
    answers, gate = SPAWN.Queue(), SPAWN.Barrier(len(arguments))
    processes = [
        SPAWN.Process(target=_answer, args=(answers, gate, place, work, given))
        for place, given in enumerate(arguments)
    ]
    for process in processes:
        process.start()
    try:
        found = dict(answers.get(timeout=LIMIT_S) for _ in processes)
    finally:
        for process in processes:
            process.join(10)
            process.kill()
            process.join()
            process.close()
        answers.close()
        answers.join_thread()
    failed = [answer for answer in found.values() if isinstance(answer, BaseException)]
    assert not failed, failed
    return [found[place] for place in range(len(processes))]


def _answer(answers: Any, gate: Any, place: int, work: Callable[..., Any], given: tuple[Any, ...]) -> None:
    try:
        gate.wait(LIMIT_S)
        answers.put((place, work(*given)))
    except BaseException as problem:
        answers.put((place, RuntimeError(f"{type(problem).__name__}: {problem}")))


@contextmanager
def one_process(work: Callable[..., Any], *given: Any) -> Iterator[BaseProcess]:
    """A process that is killed at the end of the block, if it still runs."""
    process = SPAWN.Process(target=work, args=given)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join(LIMIT_S)
        process.close()


def meet(store: SQLStore, processes: int) -> None:
    """Wait until every process has come here."""
    deadline = time.monotonic() + LIMIT_S
    insisting(lambda: store.hit("met", NOW + 1, NOW))
    while store.find_limit("met", NOW, 3_600_000)[0] < processes:
        assert time.monotonic() < deadline


def redeem(url: str, codes: Sequence[str], psid: str, processes: int) -> list[str]:
    """Try every code, and return those that linked."""
    store = open_store(url)

    def links(code: str) -> bool:
        event = LinkingEvent("page", psid, "linked", code, None)
        return isinstance(insisting(lambda: store.receive([event], NOW)[0]), AccountLinked)

    try:
        meet(store, processes)
        return [code for code in codes if links(code)]
    finally:
        store.close()


def open_and_count(url: str) -> int:
    """Open a store that may have no schema yet, and use it."""
    store = open_store(url)
    try:
        return insisting(lambda: store.hit("opened", NOW + 1, NOW))
    finally:
        store.close()


def hit_many(url: str, key: str, times: int) -> list[int]:
    store = open_store(url)
    try:
        return [insisting(lambda: store.hit(key, NOW + 1, NOW)) for _ in range(times)]
    finally:
        store.close()


def hold_the_lock(path: Path, locked: Event, release: Event) -> None:
    """Another program's long transaction."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as connection:
        connection.execute("begin exclusive")
        locked.set()
        release.wait(LIMIT_S)
        connection.execute("rollback")


def link_for_ever(url: str, progress: Connection) -> NoReturn:
    """Link one person after the other, and print each number once the store has returned."""
    store = open_store(url)
    number = len(list(store.list_links()))
    while True:
        code = f"code-{number}-{os.getpid()}"
        attempt = Attempt(f"attempt of {code}", Account("1"), "token", "", NOW, "page", str(number))
        event = LinkingEvent("page", str(number), "linked", code, NOW)
        insisting(partial(store.save_code, digest_of(code), attempt, None, NOW, NOW + 1))
        insisting(partial(store.receive, [event], NOW))
        progress.send(number)
        number += 1


def stop_in_the_middle(url: str, reached: Event) -> None:
    """Write half a transition, then hang."""
    store = open_store(url)

    def work(tx: Any) -> None:
        tx.run("save_resume", page_id="page", psid="half", payload="1", now=NOW)
        reached.set()
        time.sleep(LIMIT_S)

    store.engine.write(work)


def fork_with_an_open_store(url: str, with_threads: bool) -> dict[str, int]:
    """A server that forks a worker after it has used the store, and then closes its own connections. Both
    write before and after that. A third process must find every write that returned."""
    store = open_store(url)
    store.hit("parent before", NOW + 1, NOW)
    go, used = threading.Event(), threading.Event()

    def use() -> None:
        store.hit("parent's thread", NOW + 1, NOW)
        used.set()
        go.wait(LIMIT_S)

    thread = threading.Thread(target=use)
    if with_threads:
        thread.start()
        used.wait(LIMIT_S)
    child_has_written, parent_has_closed = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        try:
            insisting(lambda: store.hit("child before", NOW + 1, NOW))
            os.write(child_has_written[1], b".")
            os.read(parent_has_closed[0], 1)
            for _ in range(20):
                insisting(lambda: store.hit("child after", NOW + 1, NOW))
        except BaseException as problem:
            print(problem, file=sys.stderr)
            os._exit(1)
        os._exit(0)
    os.read(child_has_written[0], 1)
    insisting(lambda: store.hit("parent after", NOW + 1, NOW))
    go.set()
    if with_threads:
        thread.join(LIMIT_S)
    store.close()
    os.write(parent_has_closed[1], b".")
    _, status = os.waitpid(child, 0)
    assert status == 0
    for end in (*child_has_written, *parent_has_closed):
        os.close(end)
    names = ("parent before", "child before", "parent after", "child after", "parent's thread")
    try:
        return {name: store.find_limit(name, NOW, 3_600_000)[0] for name in names}
    finally:
        store.close()


def fork_while_threads_write(url: str, children: int) -> int:
    """Fork again and again while four threads write; every child must be able to write at once."""
    store = open_store(url)
    stop = threading.Event()

    def use() -> None:
        while not stop.is_set():
            insisting(lambda: store.hit("parent", NOW + 1, NOW))
            store.find_limit("parent", NOW, 3_600_000)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(children):
            child = os.fork()
            if child == 0:
                try:
                    insisting(lambda: store.hit("children", NOW + 1, NOW))
                except BaseException as problem:
                    print(problem, file=sys.stderr)
                    os._exit(1)
                os._exit(0)
            _, status = os.waitpid(child, 0)
            assert status == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join(LIMIT_S)
    try:
        return store.find_limit("children", NOW, 3_600_000)[0]
    finally:
        store.close()
