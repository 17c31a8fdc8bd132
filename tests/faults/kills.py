"""Where a process is killed. The product knows nothing of this: in the process that is to die, the
functions at each place are wrapped before the app is made."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any, Literal

from werkzeug.wsgi import ClosingIterator

Where = Literal["web", "worker", "command", "any"]


@dataclass(frozen=True)
class Kill:
    """Kill at the n-th pass of this place."""

    place: str
    at: int


@dataclass(frozen=True)
class Place:
    name: str
    where: Where
    says: str


PLACES = (
    Place("K0", "any", "web and worker, at a random moment"),
    Place("K1", "web", "after the signature, before the commit"),
    Place("K2", "web", "after the commit, before the 200"),
    Place("K3", "web", "after the 200"),
    Place("K4", "worker", "before the confirmation is sent"),
    Place("K5", "worker", "after Graph accepted, before it is marked"),
    Place("K6", "web", "in the middle of a large batch"),
    Place("K7", "worker", "after our unlink, before Graph's"),
    Place("K8", "web", "after the code's commit, before the redirect"),
    Place("K9", "web", "after the consumption, before the link"),
    Place("K10", "web", "within a call with two identifiers"),
    Place("K11", "command", "while pending logins are dropped"),
    Place("K11b", "command", "while a user's tokens are revoked"),
    Place("K11c", "command", "while a second factor is replaced"),
    Place("K12", "command", "within a migration"),
    Place("K13", "command", "while an API key is rotated"),
    Place("K14", "command", "within an erasure"),
    Place("K15", "web", "after the digits have linked, before the 200"),
    Place("K16", "web", "after Connect has linked, before the 200"),
    Place("K17", "web", "after the menu's consent, before its link"),
    Place("K18", "web", "after a request of Meta's is recorded, before it is answered"),
    Place("K19", "worker", "after Meta's request was fulfilled, before it is marked"),
)


class _Axe:
    """Kills at the n-th pass, in whichever thread or forked process, and then never again.

    Each pass takes a mark out of a pipe: a lock would stay locked when its holder dies.
    """

    def __init__(self, at: int) -> None:
        self._marks, end = os.pipe()
        os.write(end, b"." * (at - 1) + b"x")
        os.close(end)

    def swing(self) -> None:
        if os.read(self._marks, 1) == b"x":
            os.kill(os.getpid(), signal.SIGKILL)
            threading.Event().wait()  # nobody goes on from here


def arm(kill: Kill) -> None:
    """Wrap the functions of this place, in this process."""
    from bot_linking.delivery import Delivery
    from bot_linking.messenger.graph import Graph
    from bot_linking.stores.store import SQLStore

    axe = _Axe(kill.at)
    match kill.place:
        case "K1":
            _wrap(SQLStore, "receive", before=axe.swing)
        case "K2":
            _wrap(SQLStore, "receive", after=axe.swing)
        case "K3":
            _after_the_answer(axe)
        case "K4":
            _wrap(Delivery, "_deliver", before=axe.swing)
        case "K5":
            _wrap(Graph, "send", after=axe.swing)
        case "K6":
            _wrap(SQLStore, "_receive_one", before=axe.swing)
        case "K7":
            _wrap(Graph, "unlink", before=axe.swing)
        case "K8":
            _wrap(SQLStore, "save_code", after=axe.swing)
        case "K9":
            _at_statement("all", lambda name, values: name == "consume_code", after=axe.swing)
        case "K10":
            by_api = ("save_history", "api")
            _at_statement(
                "run", lambda name, values: (name, values.get("source")) == by_api, before=axe.swing
            )
        case "K11":
            _at_statement("run", lambda name, values: name == "drop_attempts_of_account", before=axe.swing)
        case "K11b":
            meant = "external_revoke_tokens"
            _at_statement("run", lambda name, values: name == meant, before=axe.swing, after=axe.swing)
            _wrap(_external("apps").Apps, "revoke_tokens", after=axe.swing)
        case "K11c":
            _at_statement("run", lambda name, values: name.startswith("external_"), before=axe.swing)
            _wrap(_external("second_factors").SecondFactors, "save", after=axe.swing)
        case "K12":
            _within_migrations(axe)
        case "K13":
            for name in ("save_api_key", "revoke_api_key"):
                _wrap(SQLStore, name, before=axe.swing, after=axe.swing)
        case "K14":
            _at_statement("run", lambda name, values: name.startswith("erase_"), before=axe.swing)
        case "K15":
            _wrap(import_module("bot_linking.core.ways").Ways, "_take_digits", after=axe.swing)
        case "K16":
            _wrap(SQLStore, "answer", after=axe.swing)
        case "K17":
            _wrap(import_module("bot_linking.webview.attempts").Attempts, "link_at_once", before=axe.swing)
        case "K18":
            _wrap(SQLStore, "save_deletion", after=axe.swing)
        case "K19":
            for name in ("erase", "unlink"):
                _wrap(SQLStore, name, after=axe.swing)
        case _:
            raise ValueError(f"there is no place {kill.place}")


def _nothing() -> None:
    pass


def _wrap(
    owner: Any, name: str, *, before: Callable[[], None] = _nothing, after: Callable[[], None] = _nothing
) -> None:
    inner = getattr(owner, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        before()
        result = inner(*args, **kwargs)
        after()
        return result

    setattr(owner, name, wrapped)


def _at_statement(
    method: str,
    meant: Callable[[str, dict[str, Any]], bool],
    *,
    before: Callable[[], None] = _nothing,
    after: Callable[[], None] = _nothing,
) -> None:
    for transaction in _transactions():
        for name in ("run", "put") if method == "run" else (method,):
            _wrap_statement(transaction, name, meant, before, after)


def _wrap_statement(
    transaction: Any,
    method: str,
    meant: Callable[[str, dict[str, Any]], bool],
    before: Callable[[], None],
    after: Callable[[], None],
) -> None:
    inner = getattr(transaction, method)

    def wrapped(self: Any, name: str, **values: Any) -> Any:
        is_meant = meant(name, values)
        if is_meant:
            before()
        result = inner(self, name, **values)
        if is_meant:
            after()
        return result

    setattr(transaction, method, wrapped)


def _engines() -> list[Any]:
    """The modules of the available engines."""
    found = [import_module("bot_linking.stores.sqlite.engine")]
    with suppress(ImportError):
        found.append(import_module("bot_linking.stores.postgres.engine"))
    return found


def _transactions() -> list[Any]:
    return [engine.Transaction for engine in _engines()]


def _external(module: str) -> Any:
    return import_module(f"bot_linking.external_account.{module}")


def _after_the_answer(axe: _Axe) -> None:
    """A server closes the app's iterable when it has sent all of it."""
    from flask import Flask

    inner = Flask.wsgi_app

    def wsgi_app(self: Flask, environ: Any, start_response: Any) -> Any:
        answer = inner(self, environ, start_response)
        is_webhook = environ["PATH_INFO"] == "/linking/webhook"
        return ClosingIterator(answer, axe.swing) if is_webhook else answer

    Flask.wsgi_app = wsgi_app  # type: ignore[method-assign]


class _Steps(list[str]):
    axe: _Axe

    def __iter__(self) -> Iterator[str]:
        for statement in super().__iter__():
            yield statement
            self.axe.swing()  # before the next one, and after the last


def _within_migrations(axe: _Axe) -> None:
    from bot_linking.stores import sql

    _engines()
    inner = sql.load_schema

    def load_schema(*args: Any, **kwargs: Any) -> dict[str, list[str]]:
        steps = inner(*args, **kwargs)
        deadly = {name: _Steps(statements) for name, statements in steps.items()}
        for each in deadly.values():
            each.axe = axe
        return dict(deadly)

    for module in [each for name, each in sys.modules.items() if name.startswith("bot_linking.stores.")]:
        if hasattr(module, "load_schema"):
            vars(module)["load_schema"] = load_schema


def _queue(tx: Any, values: dict[str, Any]) -> None:
    tx.run("queue", **values)


def break_promise(which: str) -> None:
    """Make the product wrong on purpose, to show that the rounds find it out."""
    from bot_linking.core.events import AccountLinked
    from bot_linking.stores.store import SQLStore

    receive = SQLStore.receive

    def commit_later(self: SQLStore, *given: Any, **terms: Any) -> Any:
        threading.Timer(0.1, receive, (self, *given), terms).start()
        return []

    def commit_twice(self: SQLStore, events: Any, now: int, **terms: Any) -> Any:
        outcomes = receive(self, events, now, **terms)
        for link in [each.link for each in outcomes if isinstance(each, AccountLinked)]:
            values = {
                "page_id": link.page_id,
                "psid": link.psid,
                "kind": "linked",
                "payload": "null",
                "now": now,
            }
            again = partial(self.engine.write, partial(_queue, values=values))
            for late_s in (0.05, 0.1, 0.2):  # beside the first one it would be said once
                threading.Timer(late_s, again).start()
        return outcomes

    broken: Any = {"commits later": commit_later, "says it twice": commit_twice}[which]
    SQLStore.receive = broken  # type: ignore[method-assign]
