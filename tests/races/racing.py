"""The races, as functions that a fresh interpreter can import. Each thread acts once in each round."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from flask import Flask

from bot_linking.core.codes import digest_of
from bot_linking.core.errors import BotLinkingError
from bot_linking.core.events import AccountLinked, LinkingEvent
from bot_linking.core.links import Account
from bot_linking.core.ports import Attempt
from bot_linking.external_account import ExternalAccount
from bot_linking.stores import open_store
from tests.children import insisting

PROCESSES, THREADS = 2, 8
NOW = 1_800_000_000_000
ROUND_S = 901  # so that the limits of one round are over in the next one
KEYS = "k3y-of-the-races-which-is-long-enough-0000"
PAGE, GUARDED = "page", 7
PEOPLE = ("first", "second")
WAIT_S = 300

Act = Callable[[int, int], str | None]
"""What a thread does in a round: by its number and the round's, who won with it, None where nobody did."""


def clock_of(number: int) -> float:
    return NOW / 1000 + ROUND_S * number


def external_of(database: str, clock: Callable[[], float]) -> ExternalAccount:
    app = Flask("tests.races", instance_path="/nonexistent")
    app.config.update(BOT_LINKING_DATABASE=database, BOT_LINKING_EXTERNAL_KEYS=KEYS)
    external = ExternalAccount(app, clock=clock)
    app.register_blueprint(external.blueprint)
    return external


# What has to be there before the first round


def mint_codes(database: str, rounds: int) -> None:
    store = open_store(database)
    insisting(store.migrate)
    for number in range(rounds):
        attempt = Attempt(f"attempt-{number}", Account(str(number)), "token", "", NOW, PAGE, None)
        assert store.save_code(digest_of(f"code-{number}"), attempt, None, NOW, NOW + 10**9)
    store.close()


def make_application(database: str, _rounds: int) -> None:
    external = external_of(database, lambda: clock_of(0))
    insisting(lambda: external.create_app("shop"))


def enrol(database: str, _rounds: int) -> str:
    external = external_of(database, lambda: clock_of(0))
    insisting(lambda: external.create_app("shop"))
    return str(external.enable_two_factor("shop", GUARDED).address)


# What a thread does


def redeem(database: str, _prepared: Any, _now: list[int]) -> Act:
    store = open_store(database)

    def act(thread: int, number: int) -> str | None:
        psid = f"{PEOPLE[thread % 2]}-{number}"
        event = LinkingEvent(PAGE, psid, "linked", f"code-{number}", NOW)
        outcome = insisting(lambda: store.receive([event], NOW)[0])
        return psid if isinstance(outcome, AccountLinked) else None

    return act


def bind(database: str, _prepared: Any, now: list[int]) -> Act:
    external = external_of(database, lambda: clock_of(now[0]))
    accounts = insisting(external._here).accounts

    def act(thread: int, number: int) -> str | None:
        user = thread % 2 + 1
        try:
            insisting(lambda: accounts.bind("shop", user, "wechat", f"pair{number}", NOW))
        except BotLinkingError:
            return None
        return str(user)

    return act


def pass_second_factor(database: str, uri: Any, now: list[int]) -> Act:
    import pyotp

    external, totp = external_of(database, lambda: clock_of(now[0])), pyotp.parse_uri(uri)
    assert isinstance(totp, pyotp.TOTP)

    def act(thread: int, number: int) -> str | None:
        try:
            code = totp.at(int(clock_of(number)))
            insisting(lambda: external.check_second_factor("shop", GUARDED, code))
        except BotLinkingError:
            return None
        return f"thread {thread}"

    return act


Make = Callable[[str, Any, list[int]], Act]
RACES: dict[str, tuple[Callable[[str, int], Any], Make]] = {
    "codes": (mint_codes, redeem),
    "binds": (make_application, bind),
    "second factors": (enrol, pass_second_factor),
}


def play(
    race: str, database: str, prepared: Any, process: int, gate: Any, rounds: int, stop: Any
) -> list[list[str | None]]:
    """What each thread of this process got in each round. All go on together, or stop together."""
    now = [0]
    act = RACES[race][1](database, prepared, now)
    found: list[list[str | None]] = [[] for _ in range(THREADS)]
    failed: list[BaseException] = []

    def run(place: int) -> None:
        thread = process * THREADS + place
        try:
            for number in range(rounds):
                if gate.wait(WAIT_S) == 0 and stop():
                    gate.abort()
                now[0] = number
                found[place].append(act(thread, number))
        except threading.BrokenBarrierError:
            return
        except BaseException as problem:
            failed.append(problem)
            gate.abort()

    threads = [threading.Thread(target=run, args=(place,)) for place in range(THREADS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    if failed:
        raise failed[0]
    return found
