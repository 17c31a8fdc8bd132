"""A store and a Graph whose n-th call fails, as real ones do: before the work, within it, or after it,
when only the answer is lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from bot_linking.core.errors import StoreUnavailable
from bot_linking.core.events import LinkingEvent
from bot_linking.messenger.graph import Graph, GraphError
from bot_linking.stores.engine import Engine, Row, Tx
from bot_linking.stores.opening import Opening
from tests.wire import PAGE

T = TypeVar("T")
UNKNOWN = ("commit, but its answer is lost", "Graph, but its answer is lost", "Redis, but its answer is lost")


@dataclass
class Faults:
    """Counts every call, and fails those that it is armed for. `failed` names them."""

    at: int = 0
    length: int = 1
    count: int = 0
    failed: list[str] = field(default_factory=list)

    def arm(self, at: int, length: int) -> None:
        self.at, self.length, self.count = at, length, 0
        self.failed.clear()

    def disarm(self) -> None:
        self.at = 0

    @property
    def may_come(self) -> bool:
        """Whether a later call may fail."""
        return bool(self.at) and self.count < self.at + self.length - 1

    def meet(self, what: str, problem: Callable[[], Exception]) -> None:
        if not self.at:
            return
        self.count += 1
        if self.at <= self.count < self.at + self.length:
            self.failed.append(what)
            raise problem()


class RandomFaults(Faults):
    """Fails one call in `one_in` at random, `most` times at most."""

    def __init__(self, rng: Random, one_in: int, most: int) -> None:
        super().__init__()
        self._rng, self._one_in, self._most = rng, one_in, most

    @property
    def may_come(self) -> bool:
        return bool(self.at) and len(self.failed) < self._most

    def meet(self, what: str, problem: Callable[[], Exception]) -> None:
        if self.may_come and self._rng.randrange(self._one_in) == 0:
            self.failed.append(what)
            raise problem()


class FailingTx:
    """A transaction in which any statement may fail."""

    def __init__(self, tx: Tx, faults: Faults, problem: Callable[[], Exception]) -> None:
        self._tx, self._faults, self._problem = tx, faults, problem

    def hold(self, **whom: Any) -> None:
        self._faults.meet("hold", self._problem)
        self._tx.hold(**whom)

    def all(self, name: str, **values: Any) -> list[Row]:
        self._faults.meet(name, self._problem)
        return self._tx.all(name, **values)

    def one(self, name: str, **values: Any) -> Row | None:
        self._faults.meet(name, self._problem)
        return self._tx.one(name, **values)

    def run(self, name: str, **values: Any) -> int:
        self._faults.meet(name, self._problem)
        return self._tx.run(name, **values)

    def put(self, name: str, **values: Any) -> None:
        self._faults.meet(name, self._problem)
        self._tx.put(name, **values)

    def gathered(
        self, events: Sequence[LinkingEvent], now: int, window: int, accounts: Sequence[str] = ()
    ) -> FailingTx:
        self._faults.meet("gathered", self._problem)
        return FailingTx(self._tx.gathered(events, now, window, accounts), self._faults, self._problem)

    def flush(self) -> None:
        self._faults.meet("flush", self._problem)
        self._tx.flush()

    def isolated(self, work: Callable[[], T]) -> T:
        return self._tx.isolated(work)


class FailingEngine:
    """Wraps an engine, and fails at each begin, statement, read and commit that `faults` names.

    `problem` is what its driver would raise. With `answers_get_lost` a commit may also succeed without an
    answer.
    """

    def __init__(
        self, engine: Engine, faults: Faults, problem: Callable[[], Exception], *, answers_get_lost: bool
    ) -> None:
        self._engine, self.faults, self._problem = engine, faults, problem
        self._answers_get_lost = answers_get_lost

    @property
    def opening(self) -> Opening:
        return self._engine.opening

    @property
    def poison(self) -> tuple[type[Exception], ...]:
        return self._engine.poison

    def extend(self, name: str, room: str) -> None:
        self._engine.extend(name, room)

    def read(self, name: str, **values: Any) -> list[Row]:
        self._meet_outside(f"read {name}")
        return self._engine.read(name, **values)

    def read_link(self, page_id: str, psid: str) -> Any:
        self._meet_outside("read find_link")
        return self._engine.read_link(page_id, psid)

    def write(self, work: Callable[[Any], T]) -> T:
        def fail_within(tx: Tx) -> T:
            self.faults.meet("begin", self._problem)
            result = work(FailingTx(tx, self.faults, self._problem))
            self.faults.meet("commit", self._problem)
            return result

        result = self._engine.write(fail_within)
        if self._answers_get_lost:
            self._meet_outside(UNKNOWN[0])
        return result

    def scrub(self) -> None:
        self._engine.scrub()

    def beside(self) -> Path | None:
        return self._engine.beside()

    def close(self) -> None:
        self._engine.close()

    def _meet_outside(self, what: str) -> None:
        if self._answers_get_lost:  # otherwise the engine itself would have tried again
            self.faults.meet(what, lambda: StoreUnavailable("the database fails, as it was told to"))


def fail_redis(counters: Any, faults: Faults) -> None:
    """Let the scripts that these counters run in Redis fail, too."""
    from redis import ConnectionError as Gone

    inner = counters._client.eval

    def eval_or_fail(*given: Any) -> Any:
        faults.meet("Redis", lambda: Gone("Connection closed by server."))
        answer = inner(*given)
        faults.meet(UNKNOWN[2], lambda: Gone("Timeout reading from socket"))
        return answer

    counters._client.eval = eval_or_fail


@dataclass
class FailingGraph:
    """Messenger's side without HTTP: it keeps which messages reached it, and knows whose each token is."""

    faults: Faults
    pages: dict[str, str]  # access token to page
    owners: dict[str, tuple[str, str]] = field(default_factory=dict)  # linking token to page and PSID
    sent: list[tuple[str, str]] = field(default_factory=list)  # PSID and text
    senders: list[str] = field(default_factory=list)  # the page of each
    unlinked: list[str] = field(default_factory=list)
    payloads: dict[str, dict[str, str]] = field(default_factory=dict)  # PSID to the newest quick replies
    app_users: dict[str, str] = field(default_factory=dict)  # app-scoped id to PSID

    def texts(self, psid: str) -> list[str]:
        return [text for who, text in self.sent if who == psid]

    def install(self, monkeypatch: Any) -> None:
        def call(
            graph: Graph, method: str, path: str, *, params: Mapping[str, str] | None = None, **body: Any
        ) -> dict[str, Any]:
            silent = GraphError("Graph did not answer: ConnectionError")
            self.faults.meet(
                f"Graph {method} {path.rpartition('/')[2] if '/' in path else ''}", lambda: silent
            )
            answer = self._answer(self.pages.get(graph._token, ""), path, params or {}, body.get("json"))
            if method == "POST":
                self.faults.meet(UNKNOWN[1], lambda: silent)
            return answer

        monkeypatch.setattr(Graph, "_call", call)

    def _answer(self, page_id: str, path: str, params: Mapping[str, str], body: Any) -> dict[str, Any]:
        if path == "me/messages":
            self.sent.append((body["recipient"]["id"], _text_of(body["message"])))
            self.senders.append(page_id)
            if replies := body["message"].get("quick_replies"):
                offered = {each["title"]: each["payload"] for each in replies}
                self.payloads[body["recipient"]["id"]] = offered
            return {"recipient_id": body["recipient"]["id"], "message_id": f"m_{len(self.sent)}"}
        if path == "me/unlink_accounts":
            self.unlinked.append(body["psid"])
            return {"result": "unlink account success"}
        if "account_linking_token" in params:
            owner, psid = self.owners[params["account_linking_token"]]
            if owner != page_id:
                raise GraphError("Invalid account_linking_token", status=400, code=10303)
            return {"id": page_id, "recipient": psid}
        if path.endswith("/ids_for_pages"):
            psid = self.app_users[path.partition("/")[0]]
            return {"data": [{"id": psid, "page": {"id": PAGE}}]}
        return {"id": path, "first_name": "Ada", "last_name": "L."}


def _text_of(message: dict[str, Any]) -> str:
    return str(message.get("text") or message["attachment"]["payload"]["text"])
