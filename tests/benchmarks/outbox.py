"""The outbox of ten pages, two pages of which one's Graph does not answer (target 11), and one page's backlog
against a slow Graph (target 14).

Ten pages, since Messenger takes 300 messages a second of one, and the product sends no more. The drain is the
product's own worker with its own threads; beside it the same number of bare calls to the same Graph by one
pooled client.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bot_linking import AccountLinking
from bot_linking.delivery.worker import THREADS

from . import payloads
from .databases import Database, SQLite, each_store, fill
from .load import pin
from .measure import Finding, Round, alternate, made
from .ours import our_app
from .serve import LOAD_CORE, on_server_core

STUCK_PAGE, STUCK_TOKEN, STUCK_S = "2222222222222222", "token-of-the-stuck-page", 1.0
SLOW_TOKEN, SLOW_S = "token-of-the-slow-graph", 0.1
PATIENCE_S = 60.0


def run(folder: Path, quick: bool) -> Iterator[Finding]:
    many, rounds = (150, 2) if quick else (1000, 5)
    with _graph() as port, on_server_core():
        yield from _drain(made(folder / "drain"), port, many, rounds)
        yield from _one_stuck(folder, port, many, 1 if quick else 3)
        for store, new in each_store(folder):
            yield from _backlog(store, new, folder, port, 2 if quick else 5)


class _InstantBot:
    """A client whose calls to Graph return at once."""

    def send_raw(self, payload: dict[str, Any]) -> dict[str, Any]:
        return {"recipient_id": payload["recipient"]["id"], "message_id": "m"}


def _drain(folder: Path, port: int, many: int, rounds: int) -> Iterator[Finding]:
    url, pages = f"http://127.0.0.1:{port}", [str(int(payloads.PAGE) + number) for number in range(10)]
    config = _config_of({page: f"token-of-page-{page}" for page in pages}) | {"BOT_LINKING_GRAPH_URL": url}
    _, instant = our_app(made(folder / "instant"), **config)
    instant._here().bots.of = lambda page_id: _InstantBot()  # type: ignore[method-assign]
    _, over_http = our_app(made(folder / "over_http"), **config)
    bot, message = over_http._here().bots.of(pages[0]), over_http.login_message("hello", page_id=pages[0])

    def bare_calls() -> float:
        began = time.perf_counter()
        for number in range(many):
            bot.send_message(payloads.psid(number), message)
        return many / (time.perf_counter() - began)

    contestants: dict[str, Round] = {"calls": bare_calls}
    for name, linking in (("instant", instant), ("http", over_http)):
        contestants[name] = _draining(linking, pages, many)
    took = alternate(contestants, rounds)
    for name, what in (("instant", "a client that answers at once"), ("http", "a Graph on loopback")):
        rate = took.of(name)
        label = f"outbox of {len(pages)} pages drained to {what}, messages/s"
        yield Finding("11", label, rate, took.of("calls"), rate, 1000.0, "msg/s", at_least=True)
    ratio = took.ratio("http", "calls")
    label = "... beside one thread of bare calls to it"
    yield Finding("11", label, took.of("http"), took.of("calls"), ratio, None, "msg/s", at_least=True)


def _draining(linking: AccountLinking, pages: Sequence[str], many: int) -> Round:
    """Queue messages to people who got none before; then run the worker's threads."""
    turn = iter(range(1_000_000))
    each = many // len(pages)

    def one_round() -> float:
        first = next(turn) * each
        for page in pages:
            queue(_path(linking), page, range(first, first + each))
        return many / _seconds_until(linking, lambda: not any(_left(_path(linking), page) for page in pages))

    return one_round


def _seconds_until(linking: AccountLinking, is_done: Callable[[], bool], *, every_s: float = 0.005) -> float:
    began = time.perf_counter()
    linking.delivery.start()
    try:
        while not is_done():
            time.sleep(every_s)
            if time.perf_counter() - began > PATIENCE_S:
                break
        return time.perf_counter() - began
    finally:
        linking.delivery.stop(timeout=10)


def _one_stuck(folder: Path, port: int, many: int, rounds: int) -> Iterator[Finding]:
    """Two pages, one of which hangs: how much longer the other's messages take."""
    config = _config_of({payloads.PAGE: "token-of-the-good-page", STUCK_PAGE: STUCK_TOKEN})
    config |= {"BOT_LINKING_GRAPH_URL": f"http://127.0.0.1:{port}"}
    turns = iter(range(2 * (rounds + 1)))

    def drain(stuck: int) -> float:
        place = made(folder / f"stuck_{next(turns)}")
        _, linking = our_app(place, **config)
        path = _path(linking)
        fill(SQLite(place), range(many))
        queue(path, STUCK_PAGE, range(stuck))
        queue(path, payloads.PAGE, range(many))
        return _seconds_until(linking, lambda: _left(path, payloads.PAGE) == 0)

    took = alternate({"alone": lambda: drain(0), "beside": lambda: drain(12)}, rounds)
    ratio = took.ratio("beside", "alone")
    what = f"{many:,} messages while another page hangs, beside without"
    yield Finding("11", what, took.of("beside"), took.of("alone"), ratio, 1.5, "s")


def _config_of(tokens: Mapping[str, str]) -> dict[str, Any]:
    """Several pages in place of the one, by their access tokens."""
    one_page = {"PAGE_ACCESS_TOKEN", "APP_SECRET", "VERIFY_TOKEN", "PAGE_ID"}
    keys = {"app_secret": payloads.SECRET, "verify_token": "verify-of-benchmarks"}
    pages = {page: {"access_token": token, **keys} for page, token in tokens.items()}
    return dict.fromkeys(f"BOT_LINKING_{name}" for name in one_page) | {"BOT_LINKING_PAGES": pages}


def _backlog(
    store: str, new: Callable[[], Database], folder: Path, port: int, rounds: int
) -> Iterator[Finding]:
    """Messages of one page whose calls to Graph take a tenth of a second, beside the same calls by as many
    bare threads."""
    many = 600
    turns = iter(range(rounds + 1))

    def ours() -> float:
        database = new()
        place = made(folder / f"backlog_{store}_{next(turns)}")
        config: Any = {"BOT_LINKING_DATABASE": database.url, "BOT_LINKING_PAGE_ACCESS_TOKEN": SLOW_TOKEN}
        _, linking = our_app(place, BOT_LINKING_GRAPH_URL=f"http://127.0.0.1:{port}", **config)
        fill(database, range(many))
        database.execute(_waiting(many))
        left = f"select count(*) from outbox where page_id = '{payloads.PAGE}'"
        rate = many / _seconds_until(linking, lambda: database.execute(left)[0][0] == 0, every_s=0.05)
        linking.store.close()
        return rate

    _, other = our_app(
        made(folder / f"calls_{store}"), BOT_LINKING_PAGE_ACCESS_TOKEN=SLOW_TOKEN,
        BOT_LINKING_GRAPH_URL=f"http://127.0.0.1:{port}",
    )  # fmt: skip
    bot, message = other.bot, other.login_message("hello")

    def bare() -> float:
        began = time.perf_counter()
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda number: bot.send_message(payloads.psid(number), message), range(many)))
        return many / (time.perf_counter() - began)

    took = alternate({"ours": ours, "bare": bare}, rounds)
    rate, beside = took.of("ours"), took.of("bare")
    what = f"one page's backlog, Graph at 100 ms, {store}"
    yield Finding("14", f"{what}, messages/s", rate, beside, rate, 150.0, "msg/s", at_least=True)
    ratio = took.ratio("ours", "bare")
    what = f"... beside {THREADS} threads of bare calls to it"
    yield Finding("14", what, rate, beside, ratio, 0.5, "msg/s", at_least=True)


def _waiting(many: int) -> str:
    """Outbox rows as `queue` writes them, by a statement that both stores understand."""
    now = int(time.time() * 1000)
    return f"""
insert into outbox (page_id, psid, kind, payload, created_at, next_at)
with recursive people (n) as (
  select cast(0 as bigint) union all select n + 1 from people where n < {many - 1})
select '{payloads.PAGE}', cast({payloads.FIRST_PSID} + n * {payloads.PSID_STEP} as text), 'refused', 'null',
       {now}, {now}
from people"""


def queue(path: Path, page_id: str, numbers: range) -> None:
    """Outbox rows as transitions leave them; `refused` is sent whether or not the person is linked."""
    now = int(time.time() * 1000)
    database = sqlite3.connect(path, timeout=30)
    with database:
        database.executemany(
            "insert into outbox (page_id, psid, kind, payload, created_at, next_at)"
            " values (?, ?, 'refused', 'null', ?, ?)",
            [(page_id, payloads.psid(number), now, now) for number in numbers],
        )
    database.close()


def _left(path: Path, page_id: str) -> int:
    database = sqlite3.connect(path, timeout=30)
    try:
        row = database.execute("select count(*) from outbox where page_id = ?", (page_id,)).fetchone()
        return int(row[0])
    finally:
        database.close()


@contextmanager
def _graph() -> Iterator[int]:
    """A Graph in a process of its own that takes every message at once, except one page's."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve_graph, args=(theirs,), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def _serve_graph(pipe: Connection) -> None:
    pin(LOAD_CORE)
    asyncio.run(_answer_forever(pipe))


async def _answer_forever(pipe: Connection) -> None:
    server = await asyncio.start_server(_answer, "127.0.0.1", 0)
    pipe.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    body = json.dumps({"recipient_id": "1", "message_id": "m"}).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    try:
        while True:
            request = await reader.readuntil(b"\r\n\r\n")
            lines = request.lower().split(b"\r\n")
            length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
            await reader.readexactly(length)
            if STUCK_TOKEN.encode() in request:
                await asyncio.sleep(STUCK_S)
            if SLOW_TOKEN.encode() in request:
                await asyncio.sleep(SLOW_S)
            writer.write(head.encode() + body)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def _path(linking: AccountLinking) -> Path:
    path: Path = linking.store.engine.path  # type: ignore[attr-defined]
    return path
