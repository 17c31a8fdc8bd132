"""First contact with a database: is it ours, are its tables up to date, may one be made?

A process may start while its database is away. Its tables are brought up to date at the start when the
database answers, otherwise when it is first needed. One process does it; the others wait a little and then
raise `StoreUnavailable`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from typing import Protocol

from bot_linking.core.errors import ConfigurationError, StoreAbsent, StoreUnavailable

OURS = "bot_linking"  # a database with steps of this room is ours
NEEDED = "_needed"  # ends the name of a step that every release on this database must know
PATIENCE_S = 2.5  # of a webhook, while the tables are brought up to date
JOB_WAIT_S = 10.0  # for another process that brings them up to date

Steps = dict[str, list[str]]  # a step's name to its statements, in order
Recorded = Mapping[str, set[str]]  # a room's name to the steps that the database records for it

_once_open: set[str] = set()  # the databases that this process, or a parent of it, has had open
_looking: ContextVar[bool | None] = ContextVar("bot_linking_looking", default=None)
_log = logging.getLogger("bot_linking.stores")


@contextmanager
def only_looking() -> Iterator[None]:
    """In this `with` block a missing database is not made; `StoreAbsent` is raised."""
    with _looks(True):
        yield


@contextmanager
def making() -> Iterator[None]:
    """In this `with` block a missing database is made, also inside `only_looking` and by a command that
    only looks before."""
    with _looks(False):
        yield


@contextmanager
def _looks(is_so: bool) -> Iterator[None]:
    token = _looking.set(is_so)
    try:
        yield
    finally:
        _looking.reset(token)


class Tables(Protocol):
    """What an engine does for `Opening`. Both methods raise `StoreUnavailable`."""

    where: str  # names the database in a sentence, without a secret
    identity: str  # differs from that of every other database; may hold a secret

    def recorded(self) -> Recorded | None:
        """The steps that the database records, by room; None where the database does not exist. Only reads,
        and waits for no lock."""

    def apply(self, missing: Mapping[str, Steps], *, wait_s: float | None) -> list[str]:
        """Make the database where it is missing, and apply these steps, those of a room all or none. Returns
        the names of the steps that this call applied: another process may have been faster. Waits at most
        `wait_s` seconds for another process that does the same; None means without end."""


class Command(Protocol):
    """The command of ours that this process runs, from before its app is made."""

    def only_looks(self) -> bool:
        """Whether a missing database is not to be made for it."""

    def failed(self, problem: StoreUnavailable) -> StoreUnavailable:
        """The error to raise in the place of this one: it ends the command with a sentence, also where it is
        the host's own code that uses the store."""


class Unfit(StoreUnavailable):
    """The database answers, but this release must not use it: waiting would not help."""


class Opening:
    """The state of one engine's database: `is_done` once its tables are up to date."""

    def __init__(self, tables: Tables, *, create: bool) -> None:
        self._tables = tables
        self._create = create
        self._rooms: dict[str, Steps] = {}
        self._begin: Callable[[], None] = lambda: None
        self._job: _Job | None = None
        self._afterwards: list[Callable[[], object]] = []
        self._failed_at, self._failure, self._said = 0.0, "", ""
        self.command: Command | None = None
        self.is_done = False
        self.applied: list[str] = []
        self.unknown: list[str] = []
        self.reset()

    def reset(self) -> None:
        """In the child of a fork: forget the thread of the parent that may be opening the database."""
        self._turn = threading.Lock()
        self._job = None

    def expect(self, room: str, steps: Steps) -> None:
        """Have these steps of another room applied, too."""
        self._rooms = {**self._rooms, room: steps}  # a thread may be reading those there were
        self.is_done = False
        self._begin()

    def start(self, *, only_look: bool = False) -> None:
        """At a start: bring the tables up to date, if the database answers. With `only_look` only look
        whether they are.

        Raises `ConfigurationError` for a database that this release must not use. A database that is away is
        logged, and asked again when it is needed.
        """
        self._begin = partial(self.start, only_look=only_look)
        try:
            if not only_look:
                self.ensure()
            elif self._missing() == {}:
                self._finish()
        except Unfit as problem:
            raise ConfigurationError("BOT_LINKING_DATABASE", f"cannot be used: {problem}") from None
        except StoreUnavailable as problem:
            if not only_look and str(problem) != self._said:
                self._said = str(problem)
                _log.warning("starting without the database: %s", problem)

    def ensure(self) -> None:
        """Return when the database can be used. Raises `StoreUnavailable` within some three seconds when it
        cannot be used now."""
        asked_at = time.monotonic()
        if not self._turn.acquire(timeout=PATIENCE_S):
            raise StoreUnavailable(f"{self._tables.where} is still being opened")
        try:
            if self._failed_at > asked_at:  # a thread failed while this one waited: the same answer
                raise StoreUnavailable(self._failure)
            self._open(PATIENCE_S, is_looking=self._is_looking())
        except StoreUnavailable as problem:
            self._failed_at, self._failure = time.monotonic(), str(problem)
            if self.command is not None:
                raise self.command.failed(problem) from problem
            raise
        finally:
            self._turn.release()

    def finish(self) -> list[str]:
        """Bring the tables up to date now, however long that takes. Returns the names of all steps that this
        object has applied."""
        with self._turn:
            self.is_done = False
            self._open(None, is_looking=self._is_looking())
        return self.applied

    def afterwards(self, work: Callable[[], object]) -> None:
        """Call `work` once the database is open: now, or when it is back."""
        if self.is_done:
            _do(work)
        else:
            self._afterwards.append(work)

    def begin_again(self) -> None:
        """The database was replaced by another one: look at its tables before it is used."""
        self.is_done = False

    def hold(self) -> None:
        """Before a fork: wait until no thread is opening the database."""
        self._turn.acquire()
        if self._job is not None:
            self._job.join()

    def let_go(self) -> None:
        with suppress(RuntimeError):
            self._turn.release()

    def _open(self, patience_s: float | None, *, is_looking: bool) -> None:
        if self.is_done:
            return
        if self._job is None:
            rooms = frozenset(self._rooms)
            missing = self._missing()
            if missing is None:
                self._require_making(is_looking=is_looking)
            if missing == {}:
                self._finish()
                return
            wait_s = JOB_WAIT_S if patience_s else None
            self._job = _Job(partial(self._apply, missing, wait_s=wait_s), rooms)
            self._job.start()
        if self._wait_for_job(patience_s) == self._rooms.keys():
            self._finish()
        else:  # a room was added meanwhile
            self._open(patience_s, is_looking=is_looking)

    def _wait_for_job(self, patience_s: float | None) -> frozenset[str]:
        """Wait for the thread that applies steps. Returns the rooms whose tables are up to date now."""
        assert self._job is not None
        self._job.join(patience_s)
        if self._job.is_alive():
            raise StoreUnavailable(f"the tables of {self._tables.where} are being brought up to date")
        job, self._job = self._job, None
        if job.problem is not None:
            raise job.problem
        return job.rooms

    def _finish(self) -> None:
        self.is_done = True
        works, self._afterwards = self._afterwards, []
        if works:
            threading.Thread(target=_do, args=works, name="bot_linking afterwards", daemon=True).start()
        _once_open.add(self._tables.identity)

    def _missing(self) -> dict[str, Steps] | None:
        """The steps that the database lacks, by room; None where it is missing or not ours."""
        recorded = self._tables.recorded()
        if not recorded or not recorded.get(OURS):
            return None
        self._judge(recorded)
        lacking = {
            room: {name: step for name, step in steps.items() if name not in recorded.get(room, ())}
            for room, steps in self._rooms.items()
        }
        return {room: steps for room, steps in lacking.items() if steps}

    def _judge(self, recorded: Recorded) -> None:
        """Log the steps of a newer release. Raises `Unfit` where this release must not use the database."""
        strange = [
            f"{room} {step}"
            for room, steps in self._rooms.items()
            for step in sorted(recorded.get(room, set()) - steps.keys())
        ]
        if any(step.endswith(NEEDED) for step in strange):
            needed = ", ".join(step for step in strange if step.endswith(NEEDED))
            raise Unfit(f"{self._tables.where} needs a newer release of bot_linking, which made {needed}")
        if strange and strange != self.unknown:
            _log.warning(
                "%s is of a newer release of bot_linking: %s", self._tables.where, ", ".join(strange)
            )
        self.unknown = strange

    def _is_looking(self) -> bool:
        told = _looking.get()
        return told if told is not None else self.command is not None and self.command.only_looks()

    def _require_making(self, *, is_looking: bool) -> None:
        """Raise `StoreUnavailable` with the reason where a missing database is not made."""
        absent = f"{self._tables.where} does not exist or holds no tables of bot_linking"
        if self._tables.identity in _once_open:
            raise StoreUnavailable(f"{absent}, although it did before: none is made in its place")
        if not self._create:
            raise StoreUnavailable(
                f"{absent}, and BOT_LINKING_CREATE_DATABASE is false: is its volume mounted, is its address"
                " right? With BOT_LINKING_CREATE_DATABASE=true, `flask linking migrate` makes a new one"
            )
        if is_looking:
            raise StoreAbsent(
                f"{absent}: is its volume mounted, is BOT_LINKING_DATABASE right? Nothing was made;"
                " a web process or `flask linking migrate` makes a new one"
            )

    def _apply(self, missing: dict[str, Steps] | None, *, wait_s: float | None) -> None:
        applied = self._tables.apply(self._rooms if missing is None else missing, wait_s=wait_s)
        self.applied += applied
        if missing is None and applied:
            _log.warning("made a new database, as there was none: %s", self._tables.where)


def _do(*works: Callable[[], object]) -> None:
    for work in works:
        try:
            work()
        except StoreUnavailable as problem:
            _log.warning("left until the next start: %s", problem)


class _Job(threading.Thread):
    """Brings the tables up to date in a thread of its own, so that the work goes on when a caller stops
    waiting."""

    def __init__(self, work: Callable[[], None], rooms: frozenset[str]) -> None:
        super().__init__(name="bot_linking tables", daemon=True)
        self._work = work
        self.rooms = rooms
        self.problem: BaseException | None = None

    def run(self) -> None:
        try:
            self._work()
        except BaseException as problem:
            self.problem = problem
