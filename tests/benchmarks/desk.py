"""The operator's page with very many links, waiting messages and dead letters, on each store: target 18.

Each page is requested as an operator's browser does, without the network, and with its template. The time is
our processor's for SQLite and the clock's for a server; the ratio is that of the slowest page to the bound.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from urllib.parse import urlencode

from flask import Flask

from bot_linking import AccountLinking

from . import payloads
from .databases import Database, each_store, fill
from .measure import Finding
from .ours import nobody, settings

LINKS, MESSAGES, DEAD = 1_000_000, 100_000, 10_000
TIMES = 15
BOUND_MS = 100


def run(folder: Path, quick: bool) -> Iterator[Finding]:
    size = 10 if quick else 1
    for name, new in each_store(folder):
        database = new()
        clock = time.thread_time if database.name == "SQLite" else time.perf_counter
        app, linking = _desk(database, folder, size)
        for what, path in _pages().items():
            took = [_milliseconds(app, path, clock) for _ in range(TIMES)][1:]
            page, slowest = f"operator's page: {what} ({name})", max(took)
            yield Finding("18", page, median(took), BOUND_MS, slowest / BOUND_MS, 1.0, "ms")
        linking.store.close()


def _pages() -> dict[str, str]:
    person = {"page": payloads.PAGE, "psid": payloads.psid(777)}
    return {
        "now": "",
        "funnel": "/funnel?days=90",
        "found by e-mail": "/people?q=user777%40example.com",
        "found by nobody's name": "/people?q=nobody",
        "a person": f"/person?{urlencode(person)}",
        "erase?": f"/person/erase?{urlencode(person)}",
        "messages": "/messages",
        "pages and keys": "/keys",
        "log": "/acts",
    }


def _desk(database: Database, folder: Path, size: int) -> tuple[Flask, AccountLinking]:
    app = Flask("desk")
    app.config.from_mapping(settings(folder, BOT_LINKING_DATABASE=database.url))
    linking = AccountLinking(app, authenticate=nobody, operator=lambda: "Olivia")
    linking.store.migrate()
    _fill_outbox(database, size)
    fill(database, range(LINKS // size))
    return app, linking


def _fill_outbox(database: Database, size: int) -> None:
    now = int(time.time() * 1000)
    for count, died in ((MESSAGES // size, "null"), (DEAD // size, f"{now} - n")):
        database.execute(f"""
insert into outbox (page_id, psid, kind, payload, created_at, next_at, last_error, dead_at)
with recursive numbers (n) as (select cast(1 as bigint) union all select n + 1 from numbers where n < {count})
select '{payloads.PAGE}', cast({payloads.FIRST_PSID} + n * {payloads.PSID_STEP} as text), 'linked', 'null',
       {now} - n, {now} + 3600000, 'code 551, subcode 1545041: ' || n / 2000, cast({died} as bigint)
from numbers""")


def _milliseconds(app: Flask, path: str, clock: Callable[[], float]) -> float:
    client: Callable[..., object] = app.test_client().get
    began = clock()
    page = client(f"/linking/operator{path}", base_url="http://127.0.0.1")
    took = (clock() - began) * 1000
    if getattr(page, "status_code", 0) != 200:
        raise AssertionError(f"{path}: {page}")
    return took
