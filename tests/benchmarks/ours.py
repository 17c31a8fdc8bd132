"""Our side: the same host with linking, its codes, and a count of what its store holds."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from flask import Flask

from bot_linking import Account, AccountLinking

from . import payloads
from .ideal import Ideal

HOUR_MS = 3_600_000
WORK_DONE = """
select (select count(*) from links where account_id is not null),
       (select count(*) from codes where consumed_at is not null),
       (select count(*) from outbox)"""  # the same in both schemas


def settings(folder: Path, **more: Any) -> dict[str, Any]:
    return {
        # Not Flask's SECRET_KEY: with one, Flask opens a session for every request, in whatever host.
        "BOT_LINKING_SECRET_KEY": "benchmark-secret-key",
        "BOT_LINKING_PAGE_ACCESS_TOKEN": "benchmark-page-token",
        "BOT_LINKING_APP_SECRET": payloads.SECRET,
        "BOT_LINKING_VERIFY_TOKEN": "benchmark-verify-token",
        "BOT_LINKING_PAGE_ID": payloads.PAGE,
        "BOT_LINKING_PUBLIC_URL": "http://127.0.0.1",
        "BOT_LINKING_DATABASE": f"sqlite:///{folder / 'ours.db'}",
        "BOT_LINKING_GRAPH_URL": "http://127.0.0.1:9",
        "BOT_LINKING_DELIVERY": "worker",
        **more,
    }


def nobody(username: str, password: str) -> Account | None:
    return None


def our_app(
    folder: Path,
    view: Callable[[], Any] = lambda: "ok",
    *,
    authenticate: Callable[[str, str], Account | None] = nobody,
    bot: Any = None,
    **more: Any,
) -> tuple[Flask, AccountLinking]:
    """A host whose `/webhook` is decorated; the blueprint's own is at `/linking/webhook`."""
    app = Flask("ours")
    app.config.from_mapping(settings(folder, **more))
    linking = AccountLinking(app, authenticate=authenticate, bot=bot)
    app.post("/webhook", endpoint="webhook")(linking.webhook(view))
    app.get("/other", endpoint="other")(lambda: "ok")
    return app, linking


def seed_ours(linking: AccountLinking, numbers: Iterable[int]) -> None:
    """Insert pending codes, as a consent on the linking pages leaves them."""
    now = int(time.time() * 1000)

    def work(transaction: Any) -> None:
        for number in numbers:
            transaction.run("save_code", **_code(number, now))

    linking.store.engine.write(work)


def seed_ideal(path: Path, numbers: Iterable[int]) -> None:
    Ideal(path)
    expires_at = int(time.time() * 1000) + HOUR_MS
    rows = (
        (payloads.digest(n), payloads.psid(n), str(n), f"user{n}", f"user{n}@example.com", expires_at)
        for n in numbers
    )
    with closing(sqlite3.connect(path, timeout=30)) as database, database:
        database.executemany("insert into codes values (?, ?, ?, ?, ?, ?, null)", rows)


def insist(path: Path, links: int) -> None:
    """Require that both sides did the work that was timed: as many links, used codes and queued messages."""
    with closing(sqlite3.connect(path)) as database:
        insist_on(database.execute(WORK_DONE).fetchall(), links)


def insist_on(rows: list[tuple[Any, ...]], links: int) -> None:
    """The same for the rows that a database returned for `WORK_DONE`."""
    if rows != [(links, links, links)]:
        raise AssertionError(f"{rows} links, used codes and queued messages, not {links} of each")


def _code(number: int, now: int) -> dict[str, Any]:
    return {
        "digest": payloads.digest(number),
        "attempt_id": f"attempt-{number}",
        "page_id": payloads.PAGE,
        "psid": payloads.psid(number),
        "account_id": str(number),
        "username": f"user{number}",
        "email": f"user{number}@example.com",
        "phone_number": None,
        "locale": "en",
        "replaces": None,
        "source": "login",
        "proof": None,
        "typed": None,
        "now": now,
        "expires_at": now + HOUR_MS,
    }
