"""The hand-written ideal: about a hundred lines of Flask and SQLite that do the job right.

It verifies the signature, looks for linking events, commits code, link and outbox row in one durable
transaction behind a fair lock, and answers. Beside it the bare view, and the host's own view that reads its
JSON, as every bot's does.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import sqlite3
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

from flask import Flask, abort, request

_SCHEMA = """
create table links (page_id text, psid text, account_id text, username text, email text, source text,
  linked_at integer, updated_at integer, event_ms integer, primary key (page_id, psid)) strict;
create index links_by_account on links (account_id);
create table codes (digest text primary key, psid text, account_id text, username text, email text,
  expires_at integer, consumed_at integer) strict;
create table outbox (id integer primary key, page_id text, psid text, kind text, next_at integer) strict;
create index outbox_due on outbox (next_at);
"""
_CONSUME = """update codes set consumed_at = ? where digest = ? and psid = ? and consumed_at is null
and expires_at > ? returning account_id, username, email"""
_SAVE = """insert into links values (?, ?, ?, ?, ?, 'login', ?, ?, ?)
on conflict (page_id, psid) do update set account_id = excluded.account_id,
username = excluded.username, email = excluded.email,
updated_at = excluded.updated_at, event_ms = excluded.event_ms"""
_QUEUE = "insert into outbox (page_id, psid, kind, next_at) values (?, ?, 'linked', ?)"


class FairLock:
    """First come, first served."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._held = False
        self._gates: deque[threading.Lock] = deque()

    def __enter__(self) -> None:
        with self._mutex:
            if not self._held:
                self._held = True
                return
            gate = threading.Lock()
            gate.acquire()
            self._gates.append(gate)
        gate.acquire()

    def __exit__(self, *_: object) -> None:
        with self._mutex:
            if self._gates:
                self._gates.popleft().release()
            else:
                self._held = False


class Ideal:
    """Links in one SQLite file, every commit flushed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._lock = FairLock()
        if not path.exists():
            self.connection().executescript(_SCHEMA)

    def connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self._path, timeout=3, isolation_level=None)
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = full")
            self._local.connection = connection
        return connection

    def link_of(self, page_id: str, psid: str) -> Any:
        return (
            self.connection()
            .execute("select * from links where page_id = ? and psid = ?", (page_id, psid))
            .fetchone()
        )

    def apply(self, events: list[dict[str, Any]]) -> None:
        connection = self.connection()
        with self._lock:
            connection.execute("begin immediate")
            for event in events:
                self._apply_one(connection, event, int(time.time() * 1000))
            connection.execute("commit")

    def _apply_one(self, connection: sqlite3.Connection, event: dict[str, Any], now: int) -> None:
        page_id, psid = event["recipient"]["id"], event["sender"]["id"]
        digest = hashlib.sha256(event["account_linking"]["authorization_code"].encode()).hexdigest()
        row = connection.execute(_CONSUME, (now, digest, psid, now)).fetchone()
        if row is not None:
            connection.execute(_SAVE, (page_id, psid, *row, now, now, event["timestamp"]))
            connection.execute(_QUEUE, (page_id, psid, now))


def ideal_app(path: Path, secret: str) -> Flask:
    app, ideal, key = Flask("ideal"), Ideal(path), secret.encode()

    @app.post("/webhook")
    def webhook() -> str:
        body = request.get_data()
        wanted = "sha256=" + hmac.digest(key, body, hashlib.sha256).hex()
        if not hmac.compare_digest(wanted, request.headers.get("X-Hub-Signature-256", "")):
            abort(403)
        events = [event for entry in json.loads(body)["entry"] for event in entry["messaging"]]
        if found := [event for event in events if "account_linking" in event]:
            ideal.apply(found)
        return "ok"

    return app


def bare_app() -> Flask:
    """A host that answers 200."""
    app = Flask("bare")

    @app.post("/webhook")
    def webhook() -> str:
        return "ok"

    @app.get("/other")
    def other() -> str:
        return "ok"

    return app


def read_json() -> str:
    """The host's own view, which reads its JSON and walks through it."""
    for entry in request.get_json()["entry"]:
        for event in entry["messaging"]:
            event.get("message")
    return "ok"


def host_app() -> Flask:
    app = Flask("host")
    app.post("/webhook", endpoint="webhook")(read_json)
    return app
