"""A bot whose pages ask some accounts for a second factor, and a record of each accepted code."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from bot_linking import Account
from bot_linking.webview.tickets import Ticket
from bot_linking.webview.views import Webview
from tests.bots import Bot, NewBot

TABLES = ("attempts", "codes", "limits", "links", "outbox", "history", "unlinks_seen")
PASSWORDS = {"ada": "lovelace-1815", "grace": "hopper-1906"}


@dataclass
class Codes:
    """Second factors by account. Each account has one good code at a time, which works once."""

    guarded: set[str] = field(default_factory=set)
    used: dict[str, int] = field(default_factory=dict)
    taken: list[str] = field(default_factory=list)

    def code_of(self, account_id: str) -> str:
        return f"{account_id}{self.used.get(account_id, 0):05d}"

    def passes(self, account: Account, code: str | None) -> bool:
        if account.id not in self.guarded:
            return True
        if code is None or code != self.code_of(account.id):
            return False
        self.used[account.id] = self.used.get(account.id, 0) + 1
        self.taken.append(account.id)
        return True


@dataclass
class Guarded:
    """The bot, its second factors, and what the store has of attempts and codes."""

    bot: Bot
    codes: Codes

    @property
    def webview(self) -> Webview:
        view: Any = self.bot.app.view_functions["bot_linking.login"]
        webview = view.__self__
        assert isinstance(webview, Webview)
        return webview

    def ticket(self, signed: str) -> Ticket | None:
        return self.webview.browser._tickets.read(signed)

    @cached_property
    def _connection(self) -> sqlite3.Connection:
        return sqlite3.connect(self.bot.database, isolation_level=None)

    def version(self) -> int:
        """A number that changes with every write."""
        return int(self._connection.execute("pragma data_version").fetchone()[0])

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        return {table: self._connection.execute(f"select * from {table}").fetchall() for table in TABLES}

    def restore(self, rows: dict[str, list[tuple[Any, ...]]]) -> None:
        """Put the tables back as they were."""
        self._connection.execute("begin immediate")
        for table, kept in rows.items():
            self._connection.execute(f"delete from {table}")
            for row in kept:
                self._connection.execute(f"insert into {table} values ({','.join('?' * len(row))})", row)
        self._connection.execute("commit")

    def close(self) -> None:
        self._connection.close()


def guarded(new_bot: NewBot, *accounts: str, **given: Any) -> Guarded:
    """A bot whose `accounts` have a second factor, without limits that would end a long test."""
    codes = Codes(set(accounts))
    limits: dict[str, Any] = {"ADDRESS_LIMIT": 10_000, "SIGN_IN_LIMIT": 100}
    world = Guarded(new_bot(**(limits | given)), codes)
    world.webview.attempts.second_factor = codes.passes
    return world


def in_memory(name: str) -> str:
    """The address of a database in memory, where the machine has such a folder."""
    folder = Path("/dev/shm")
    return f"sqlite:///{folder if folder.is_dir() else gettempdir()}/{name}.db"
