"""Plays the rounds of a race and counts the winners of each."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bot_linking.external_account.service import MIGRATIONS, ROOM
from bot_linking.stores import open_store
from tests.stores.processes import SPAWN

from .racing import PROCESSES, RACES, THREADS, play

LIMIT_S = 3600


@dataclass
class Outcome:
    """`wrong` holds the rounds that did not end with one winner, by the answers or by the database."""

    rounds: int = 0
    wrong: list[str] = field(default_factory=list)


def race(name: str, database: str, rounds: int, *, seconds: float = LIMIT_S) -> Outcome:
    """Play `rounds` rounds of one race on this empty database, or as many as there is time for."""
    prepared = RACES[name][0](database, rounds)
    threads = _play_all(name, database, prepared, rounds, time.time() + seconds)
    played = min(map(len, threads))
    outcome = Outcome(played)
    winners = [[thread[number] for thread in threads if thread[number]] for number in range(played)]
    outcome.wrong += [f"round {at}: {won}" for at, won in enumerate(winners) if not _is_right(name, won)]
    outcome.wrong += _as_the_database_has_it(name, database, [set(won) for won in winners])
    return outcome


def _is_right(name: str, won: Sequence[Any]) -> bool:
    """Whether one has won. A pair may be bound again to its owner, which changes nothing."""
    return len(set(won)) == 1 if name == "binds" else len(won) == 1


def _as_the_database_has_it(name: str, database: str, winners: Sequence[set[Any]]) -> list[str]:
    store = open_store(database)
    try:
        if name == "codes":
            links = {link.account_id: link.psid for link in store.list_links()}
            linked = [links.get(str(at)) for at in range(len(winners))]
            return [f"round {at}: {linked[at]}" for at, won in enumerate(winners) if {linked[at]} != won]
        if name == "binds":
            store.engine.extend(MIGRATIONS, ROOM)
            return [each for at, won in enumerate(winners) for each in _owner(store, at, won)]
        return []
    finally:
        store.close()


def _owner(store: Any, at: int, won: set[Any]) -> list[str]:
    rows = store.engine.read("external_find_pair", app_key="shop", platform="wechat", union_id=f"pair{at}")
    owners = {str(row["user_id"]) for row in rows}
    return [] if owners == won else [f"pair {at}: {owners}, not {won}"]


def _play_all(name: str, database: str, prepared: Any, rounds: int, end: float) -> list[list[str | None]]:
    gate, answers = SPAWN.Barrier(PROCESSES * THREADS), SPAWN.Queue()
    processes = [
        SPAWN.Process(target=_answer, args=(name, database, prepared, place, gate, rounds, end, answers))
        for place in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    try:
        found = [answers.get(timeout=LIMIT_S) for _ in processes]
    finally:
        for process in processes:
            process.join(30)
            process.kill()
            process.join()
    for each in found:
        if isinstance(each, str):
            raise RuntimeError(each)
    return [thread for each in found for thread in each]


def _answer(
    name: str, database: str, prepared: Any, place: int, gate: Any, rounds: int, end: float, answers: Any
) -> None:
    try:
        answers.put(play(name, database, prepared, place, gate, rounds, lambda: time.time() > end))
    except BaseException as problem:
        answers.put(f"{type(problem).__name__}: {problem}")
