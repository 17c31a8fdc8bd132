"""One round: real processes under load, one of them killed at its place and started again, then judged by
the reference model."""

from __future__ import annotations

import os
import random
import signal
import socket
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bot_linking.account_link_api.keys import Keys
from bot_linking.core.codes import digest_of
from bot_linking.core.errors import StoreUnavailable
from bot_linking.core.linking import Linking
from bot_linking.core.links import Account
from bot_linking.core.ports import Attempt
from bot_linking.delivery.worker import THREADS
from bot_linking.stores import open_store
from bot_linking.stores.store import SQLStore
from tests.core.model import Model
from tests.stores.processes import SPAWN
from tests.wire import APP_SECRET, PAGE, PAGE_TOKEN, SECRET_KEY, VERIFY_TOKEN, linked_event, unlinked_event

from . import processes
from .by_hand import START_S, Operator
from .kills import Kill, Place
from .messenger import PATIENCE_S, PAUSE_S, Graph, Outside, now_ms

T = TypeVar("T")
MOST_FAILURES = 10
LIFE_MS = 300_000
UNLINKED = "unlinked"


@dataclass(frozen=True)
class Pace:
    """How long a dead worker may hold an entry, how often a worker looks, and how much there is to do."""

    lease_s: int = 2
    poll_s: float = 0.1
    people: int = 5
    batch: int = 150
    quiet_s: float = 150.0  # as long as the outbox may need to empty at the end
    is_preforked: bool = False  # gunicorn serves, and starts its killed workers itself


@dataclass
class Outcome:
    kills: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    repeated: int = 0
    recovery_s: float = 0.0

    def add(self, other: Outcome) -> None:
        self.kills += other.kills
        self.lost += other.lost
        self.doubled += other.doubled
        self.repeated += other.repeated
        self.recovery_s = max(self.recovery_s, other.recovery_s)

    @property
    def is_good(self) -> bool:
        return not self.lost and not self.doubled and self.repeated <= self.kills * THREADS


class Database:
    """Reads the database with a new connection each time."""

    def __init__(self, url: str) -> None:
        self._url = url

    def ask(self, question: str) -> list[tuple[Any, ...]]:
        return self.ask_all([question])[0]

    def ask_all(self, questions: Iterable[str]) -> list[list[tuple[Any, ...]]]:
        with closing(self._connect()) as connection:
            return [connection.execute(question).fetchall() for question in questions]

    def _connect(self) -> Any:
        if self._url.startswith("sqlite"):
            return sqlite3.connect(self._url.removeprefix("sqlite:///"), timeout=10)
        import psycopg

        return psycopg.connect(self._url, autocommit=True)

    def broken(self) -> list[str]:
        """Rows that must not be there at any moment, above all after a kill."""
        counts = [rows[0][0] for rows in self.ask_all(_NEVER.values())]
        return [f"{count} {what}" for what, count in zip(_NEVER, counts, strict=True) if count]


_NEVER = {
    "code(s) used without a link": """select count(*) from codes c where consumed_by is not null
        and not exists (select 1 from history h
                        where h.psid = c.consumed_by and h.account_after = c.account_id)""",
    "link(s) by a login without a used code": """select count(*) from links l where source = 'login'
        and account_id is not null and not exists (select 1 from codes c where c.consumed_by = l.psid)""",
    "code(s) alive after the use of their attempt": """select count(*) from codes c where consumed_at is null
        and exists (select 1 from codes o where o.attempt_id = c.attempt_id and o.consumed_at is not null)""",
    "person(s) with two links": """select count(*) from (select psid from links where account_id is not null
        group by page_id, psid having count(*) > 1) as doubles""",
    "link(s) by a call of which a half is there": """select count(*) from links where source = 'api'
        and account_id is not null and (username is null or email is null)""",
}


class Process:
    """A process that is started again when it was killed; the second time without the axe."""

    def __init__(
        self,
        target: Callable[..., None],
        arguments: tuple[Any, ...],
        kill: Kill | None,
        after: Callable[[], None],
    ) -> None:
        self._target, self._arguments, self._after = target, arguments, after
        self._ending, self._failures = False, 0
        self.killed_at: list[float] = []
        self.process = self._start(kill)
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def kill(self) -> None:
        self.process.kill()

    def stop(self) -> None:
        self._ending = True
        self.process.terminate()
        self._watcher.join(START_S)
        if self.process.is_alive():
            self.process.kill()
            self._watcher.join(5)

    def _start(self, kill: Kill | None) -> Any:
        process = SPAWN.Process(target=self._target, args=(*self._arguments, kill), daemon=True)
        process.start()
        return process

    def _watch(self) -> None:
        while True:
            self.process.join()
            if self._ending:
                return
            if self.process.exitcode == -signal.SIGKILL:
                self.killed_at.append(time.monotonic())
                self._after()
            else:
                self._failures += 1
                if self._failures > MOST_FAILURES:
                    return  # nobody will be answered, and the round says so
                time.sleep(0.1)
            self.process = self._start(None)


class Preforked(Process):
    """A server whose master starts a killed worker again."""

    def __init__(
        self, settings: dict[str, str], port: int, kill: Kill | None, after: Callable[[], None]
    ) -> None:
        self._told, tell = SPAWN.Pipe(duplex=False)
        self._tell, self._workers = tell, set[int]()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        super().__init__(processes.preforked, (settings, port, tell), kill, after)
        self._listener.start()

    def kill(self) -> None:
        """Kill one of the workers, of which there may be none for a moment."""
        until = time.monotonic() + START_S
        while not self._workers and time.monotonic() < until:
            time.sleep(0.01)
        with suppress(ProcessLookupError):
            os.kill(random.choice(sorted(self._workers)), signal.SIGKILL)

    def stop(self) -> None:
        super().stop()
        self._tell.close()
        self._listener.join(5)
        self._told.close()

    def _listen(self) -> None:
        with suppress(EOFError, OSError):
            while True:
                pid = self._told.recv()
                if pid > 0:
                    self._workers.add(pid)
                elif not self._ending:
                    self._workers.discard(-pid)
                    self.killed_at.append(time.monotonic())
                    self._after()


class Round:
    """The world of one kill: a database, a Graph, processes, people."""

    def __init__(self, url: str, place: Place, rng: random.Random, pace: Pace, *, broken: str = "") -> None:
        self.url, self.place, self.rng, self.pace = url, place, rng, pace
        self.graph = Graph()
        self.outcome = Outcome()
        self.database = Database(url)
        self._reservation = reserve_port()
        self.port: int = self._reservation.getsockname()[1]
        self.outside = Outside(f"http://127.0.0.1:{self.port}")
        self.settings = {
            "BOT_LINKING_APP_SECRET": APP_SECRET,
            "BOT_LINKING_PAGE_ACCESS_TOKEN": PAGE_TOKEN,
            "BOT_LINKING_VERIFY_TOKEN": VERIFY_TOKEN,
            "BOT_LINKING_PAGE_ID": PAGE,
            "BOT_LINKING_PUBLIC_URL": self.outside.url,
            "BOT_LINKING_GRAPH_URL": self.graph.url,
            "BOT_LINKING_DATABASE": url,
            "BOT_LINKING_DELIVERY": "worker",
            "BOT_LINKING_SECRET_KEY": SECRET_KEY,
            "BOT_LINKING_ADDRESS_LIMIT": "10000",
            "BOT_LINKING_APP_ID": "123456789",
            "LEASE_S": str(pace.lease_s),
            "POLL_S": str(pace.poll_s),
            "BROKEN": broken,
        }
        if place.name in ("K11b", "K11c"):
            self.settings["BOT_LINKING_EXTERNAL_KEYS"] = processes.EXTERNAL_KEY

    def play(self) -> Outcome:
        from .loads_of_ways import PLANS, LoadOfWays

        try:
            if self.place.where == "command":
                Operator(self).play()
            elif self.place.name in PLANS:
                LoadOfWays(self).play()
            else:
                Load(self).play()
        except Exception as problem:
            self.outcome.lost.append(f"the round broke off: {type(problem).__name__}: {problem}")
        finally:
            self.close()
        return self.outcome

    def close(self) -> None:
        self.graph.close()
        self._reservation.close()

    def after_a_kill(self) -> None:
        self.outcome.kills += 1
        self.outcome.doubled += self.database.broken()


class Load:
    """People who log in and out while a process is killed.

    Each person's events come in order, and again and again until they are acknowledged; an acknowledged one
    may come once more.
    """

    def __init__(self, round: Round) -> None:
        self.round, self.rng, self.place = round, round.rng, round.place
        self.store: SQLStore = open_store(round.url)
        self.linking = Linking(self.store, tell=lambda event: None, page_id=PAGE)
        self.key = Keys(self.linking).create("site")
        self.model, self.lock = Model(), threading.Lock()
        self.accounts: dict[str, list[str | None]] = {}
        self.problems: list[str] = []

    def play(self) -> None:
        outcome = self.round.outcome
        with self._processes() as running:
            for process in running:
                self._wait_for_the_web(process)
            people = [str(self.rng.randrange(10**14, 10**15)) for _ in range(self.round.pace.people)]
            threads = [
                threading.Thread(
                    target=self._live, args=(psid, random.Random(self.rng.random())), daemon=True
                )
                for psid in people
            ]
            if self.place.name == "K6":
                threads.append(threading.Thread(target=self._come_all_at_once, daemon=True))
            for thread in threads:
                thread.start()
            if self.place.name == "K0":
                for process in running:
                    time.sleep(self.rng.uniform(0.0, 0.15))
                    process.kill()
            for thread in threads:
                thread.join(PATIENCE_S + 30)
                if thread.is_alive():
                    self.problems.append("a person waits for ever")
            self._wait_until_quiet()
            killed_at = [moment for process in running for moment in process.killed_at]
            if killed_at:
                outcome.recovery_s = time.monotonic() - min(killed_at)
        self._judge()
        self.store.close()

    @contextmanager
    def _processes(self) -> Iterator[list[Process]]:
        most = {
            "K6": self.round.pace.batch,
            "K4": 4,
            "K5": 4,
            "K7": 2,
            "K8": 2,
            "K10": 2,
            "K15": 3,
            "K16": 3,
            "K17": 3,
            "K18": 3,
            "K19": 2,
        }.get(self.place.name, 6)
        kill = None if self.place.name == "K0" else Kill(self.place.name, self.rng.randint(1, most))
        settings, after = self.round.settings, self.round.after_a_kill
        port, to_web = self.round.port, kill if self.place.where == "web" else None
        running = [
            Preforked(settings, port, to_web, after)
            if self.round.pace.is_preforked
            else Process(processes.web, (settings, port), to_web, after),
            Process(processes.worker, (settings,), kill if self.place.where == "worker" else None, after),
        ]
        try:
            yield running
        finally:
            for process in running:
                process.stop()

    def _wait_for_the_web(self, process: Process) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.round.port)) == 0:
                    return
            time.sleep(0.01)
        self.problems.append("the server did not start")

    def _wait_until_quiet(self) -> None:
        deadline = time.monotonic() + self.round.pace.quiet_s
        while waiting := self.store.outbox_depth()["depth"]:
            if time.monotonic() > deadline:
                self.problems.append(f"{waiting} entries wait for ever")
                return
            time.sleep(0.05)

    # One person

    def _live(self, psid: str, rng: random.Random) -> None:
        """At most five changes: a person gets no more messages in an hour."""
        try:
            done = list[dict[str, Any]]()
            for action in self._plan(rng):
                event = action(psid, rng)
                if event is not None:
                    done.append(event)
                if done and rng.random() < 0.3:
                    again = rng.choice(done)
                    self.round.outside.deliver(again)
                    self._tell_model(psid, again)
        except Exception as problem:
            self.problems.append(f"{psid}: {problem}")

    def _plan(self, rng: random.Random) -> Sequence[Callable[[str, random.Random], dict[str, Any] | None]]:
        login, walk, logout, call, end_call, ours = (
            self._log_in, self._walk_in, self._log_out, self._call, self._end_by_call, self._unlink
        )  # fmt: skip
        match self.place.name:
            case "K7":
                return (login, rng.choice((ours, end_call)), login, ours)
            case "K8":
                return (walk, logout, rng.choice((walk, login)))
            case "K10":
                return (rng.choice((login, call)), call, logout, call)
        return rng.choices((login, walk, logout, call, end_call, ours), (8, 1, 5, 2, 1, 1), k=4)

    def _log_in(self, psid: str, rng: random.Random) -> dict[str, Any]:
        """Make a code as the end of the pages does, without the pages."""
        account = account_for(psid, rng)
        attempt = Attempt(rng.randbytes(8).hex(), account, "token", "", now_ms(), PAGE, psid)
        code = insist(lambda: self.linking.approve(attempt))
        assert code is not None
        return self._come_with(code, psid, account.id)

    def _walk_in(self, psid: str, rng: random.Random) -> dict[str, Any]:
        account = account_for(psid, rng)
        code = self.round.outside.walk(psid, account.id, processes.PASSWORD)
        return self._come_with(code, psid, account.id)

    def _come_with(self, code: str, psid: str, account: str) -> dict[str, Any]:
        with self.lock:
            self.model.mint(
                code, attempt=code, page=PAGE, psid=psid, account=account, now=now_ms(), life=LIFE_MS
            )
        return self._deliver(psid, linked_event(code, psid=psid, at=now_ms()))

    def _log_out(self, psid: str, rng: random.Random) -> dict[str, Any]:
        return self._deliver(psid, unlinked_event(psid=psid, at=now_ms()))

    def _deliver(self, psid: str, event: dict[str, Any]) -> dict[str, Any]:
        self.round.outside.deliver(event)
        self._tell_model(psid, event)
        return event

    def _tell_model(self, psid: str, event: dict[str, Any]) -> None:
        what, who = event["account_linking"], (PAGE, psid)
        with self.lock:
            if what["status"] == "linked":
                self.model.linked(who, what["authorization_code"], event["timestamp"], now_ms())
            else:
                self.model.unlinked(who, event["timestamp"])
            self._note(psid)

    def _call(self, psid: str, rng: random.Random) -> None:
        account = account_for(psid, rng)
        self.round.outside.call(
            self.key, psid, "linked", username=account.id, email=f"{account.id}@example.com"
        )
        with self.lock:
            self.model.bound_by_us((PAGE, psid), account.id)
            self._note(psid)

    def _end_by_call(self, psid: str, rng: random.Random) -> None:
        self.round.outside.call(self.key, psid, "unlinked")
        self._note_unlink(psid)

    def _unlink(self, psid: str, rng: random.Random) -> None:
        self.round.outside.unlink(psid)
        self._note_unlink(psid)

    def _note_unlink(self, psid: str) -> None:
        with self.lock:
            self.model.unlinked_by_us((PAGE, psid), now_ms())
            self._note(psid)

    def _note(self, psid: str) -> None:
        """Keep whose account it is now, if that has changed."""
        accounts, now = self.accounts.setdefault(psid, [None]), self.model.account_of((PAGE, psid))
        if accounts[-1] != now:
            accounts.append(now)

    def _come_all_at_once(self) -> None:
        """A batch of many people's logins, as after an outage."""
        first = self.rng.randrange(10**14, 10**15)
        everybody = [str(first + number) for number in range(self.round.pace.batch)]
        now = now_ms()

        def save(tx: Any) -> None:
            for psid in everybody:
                tx.run(
                    "save_code", digest=digest_of(f"code-{psid}"), attempt_id=f"of {psid}", page_id=PAGE,
                    psid=psid, account_id=f"{psid}-a", replaces=None, source="login", proof=None, typed=None,
                    username=None, email=None, phone_number=None,
                    locale=None, now=now, expires_at=now + LIFE_MS,
                )  # fmt: skip

        try:
            insist(lambda: self.store.engine.write(save))
            events = [linked_event(f"code-{psid}", psid=psid, at=now + 1) for psid in everybody]
            self.round.outside.deliver(*events)
            with self.lock:
                for psid in everybody:
                    self.model.bound_by_us((PAGE, psid), f"{psid}-a")
                    self._note(psid)
        except Exception as problem:
            self.problems.append(f"the batch: {problem}")

    # The judgement

    def _judge(self) -> None:
        outcome = self.round.outcome
        outcome.lost += self.problems
        outcome.doubled += self.round.database.broken()
        for psid, accounts in self.accounts.items():
            link = self.store.find_link(PAGE, psid)
            if (link and link.account_id) != accounts[-1]:
                outcome.lost.append(
                    f"{psid}: the model says {accounts}, the store {link and link.account_id}"
                )
            changes = self.store.history_of(PAGE, psid)
            known = [change.account_after for change in changes if change.what != "changed"]
            if known != accounts[1:]:
                outcome.doubled.append(f"{psid}: the model says {accounts[1:]}, the history {known}")
            self._judge_messages(psid, accounts, Counter(change.account_after is None for change in changes))
        if dead := self.store.outbox_depth()["dead"]:
            outcome.lost.append(f"{dead} dead letters")
        outcome.repeated += self.round.graph.repeated()

    def _judge_messages(self, psid: str, accounts: list[str | None], ends: Counter[bool]) -> None:
        """The last message is about the last change, and each message is about a change of its kind. The
        account that it names is the link's at the time, also when it is repeated."""
        heard = self.round.graph.of(psid)
        sent = [(entry, text) for entry, text in heard if text.startswith((UNLINKED, "linked to"))]
        if Counter(text == UNLINKED for text in dict(sent).values()) - ends:
            self.round.outcome.doubled.append(f"{psid}: {accounts}, and messages without a change: {sent}")
        if len(sent) - len(dict(sent)) > self.round.outcome.kills:
            self.round.outcome.doubled.append(f"{psid}: more than one message again for a kill: {sent}")
        last = sent[-1][1] if sent else None
        wanted = f"linked to {accounts[-1]}" if accounts[-1] else UNLINKED if len(accounts) > 1 else None
        if last != wanted:
            self.round.outcome.lost.append(f"{psid}: {accounts}, and the last message was {last}")


def account_for(psid: str, rng: random.Random) -> Account:
    name = f"{psid}-{rng.choice('ab')}"
    return Account(name, username=name)


def insist(work: Callable[[], T]) -> T:
    """Press again while the store is busy."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return work()
        except StoreUnavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(PAUSE_S)


def reserve_port() -> socket.socket:
    """A socket that keeps its port for a server of this round, also while the server is dead."""
    while True:
        holder = socket.socket()
        with suppress(OSError):
            holder.bind(("127.0.0.1", random.SystemRandom().randrange(20_000, 32_000)))
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do; who looks does not
            return holder
        holder.close()
