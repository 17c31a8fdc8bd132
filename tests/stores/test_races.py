"""Threads and processes that do the same at once: the result is as if they had come one after the other."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from bot_linking.core.codes import digest_of
from bot_linking.core.events import AccountLinked, AccountUnlinked, EventIgnored, LinkingRefused, Outcome
from bot_linking.core.identifiers import Identifiers
from bot_linking.core.links import Account
from bot_linking.stores import links as links_module
from bot_linking.stores import open_store
from bot_linking.stores.store import SQLStore

from .given import (
    ADA,
    HOUR,
    MINUTE,
    NOW,
    PAGE,
    PSID,
    attempt_for,
    claim,
    link,
    linked,
    queued,
    save_code,
    unlinked,
)
from .processes import (
    fork_while_threads_write,
    fork_with_an_open_store,
    hit_many,
    open_and_count,
    redeem,
    run_together,
)

Work = Callable[[], object]


def at_once(works: Sequence[Work]) -> list[object]:
    """Run each in a thread, all started at one moment, and return the results. An error of one is raised
    here."""
    gate = threading.Barrier(len(works), timeout=60)
    found: list[object] = [None] * len(works)

    def run(place: int, work: Work) -> None:
        try:
            gate.wait()
            found[place] = work()
        except BaseException as problem:
            found[place] = problem

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for each in found:
        if isinstance(each, BaseException):
            raise each
    return found


def _receive(store: SQLStore, event: object) -> Work:
    return lambda: store.receive([event], NOW)[0]  # type: ignore[list-item]


def test_fifty_threads_redeem_one_code_and_one_wins(store: SQLStore) -> None:
    code = save_code(store, attempt_for(psid=None))
    outcomes = at_once([_receive(store, linked(code, psid=str(number))) for number in range(50)])
    kinds = Counter(type(each) for each in outcomes)
    assert kinds == {AccountLinked: 1, LinkingRefused: 49}
    assert len(list(store.list_links())) == 1
    assert [kind for _, kind in queued(store)].count("linked") == 1


def test_an_event_that_is_delivered_again_waits_for_no_writer(
    store: SQLStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    used, other = save_code(store), save_code(store, attempt_for(psid="2"))
    store.receive([linked(used)], NOW)

    def write(_work: object) -> None:
        raise AssertionError("a transaction was begun")

    with monkeypatch.context() as patched:
        patched.setattr(store.engine, "write", write)
        assert store.receive([linked(used)], NOW + MINUTE) == [EventIgnored("duplicate", PAGE, PSID)]
        with pytest.raises(AssertionError):
            store.receive([linked(other, psid="2")], NOW)
    refused = LinkingRefused("code_used_by_another", PAGE, "9")
    assert store.receive([linked(used, psid="9")], NOW + MINUTE) == [refused]
    assert queued(store) == [(PSID, "linked"), ("9", "refused")]


def test_what_is_known_of_codes_that_came_is_bounded(
    store: SQLStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links_module, "MOST_REMEMBERED", 3)
    codes = [save_code(store, attempt_for(psid=str(number))) for number in range(8)]
    for number, code in enumerate(codes):
        store.receive([linked(code, psid=str(number))], NOW)
        assert len(store.received) <= 3
    for number, code in enumerate(codes):
        duplicate = EventIgnored("duplicate", PAGE, str(number))
        assert store.receive([linked(code, psid=str(number))], NOW) == [duplicate]


def test_one_event_in_fifty_threads_links_once_and_is_a_duplicate_else(store: SQLStore) -> None:
    code = save_code(store)
    outcomes = at_once([_receive(store, linked(code)) for _ in range(50)])
    assert Counter(type(each) for each in outcomes) == {AccountLinked: 1, EventIgnored: 49}
    assert queued(store) == [(PSID, "linked")]


def test_two_tabs_of_one_attempt_link_once(store: SQLStore) -> None:
    for number in range(20):
        attempt = attempt_for(psid=str(number))
        tabs = [save_code(store, attempt) for _ in range(2)]
        outcomes = at_once([_receive(store, linked(code, psid=str(number))) for code in tabs])
        assert Counter(type(each) for each in outcomes) == {AccountLinked: 1, EventIgnored: 1}


def test_a_person_who_is_linked_by_fifty_threads_has_one_link(store: SQLStore) -> None:
    codes = [save_code(store, attempt_for(Account(str(number)))) for number in range(50)]
    outcomes = at_once([_receive(store, linked(code, at=None)) for code in codes])
    assert all(isinstance(each, AccountLinked) for each in outcomes)
    (found,) = store.find_links_of_psid(PSID)
    previous = [each.previous_account_id for each in outcomes if isinstance(each, AccountLinked)]
    assert set(previous) | {found.account_id} == {None, *map(str, range(50))}
    assert len(previous) == len(set(previous))
    assert queued(store) == [(PSID, "linked")]


def test_four_processes_redeem_two_hundred_codes_each_exactly_once(url: str, store: SQLStore) -> None:
    meetings = 0
    for round_ in range(6):  # on a busy machine one may be through before the others have begun
        accounts = [Account(f"{round_}-{number}") for number in range(200)]
        codes = [save_code(store, attempt_for(each, page="page", psid=None)) for each in accounts]
        won = run_together(
            redeem, [(url, codes[start:] + codes[:start], f"p{start}", 4) for start in (0, 10, 100, 190)]
        )
        assert Counter(code for codes_won in won for code in codes_won) == Counter(codes)
        meetings += sum(map(bool, won)) > 1
        if meetings:
            break
    assert meetings  # they did meet


def test_link_against_unlink_ends_by_the_timestamps_whoever_comes_first(store: SQLStore) -> None:
    people = [str(number) for number in range(40)]
    works: list[Work] = []
    for number, psid in enumerate(people):
        code = save_code(store, attempt_for(psid=psid))
        works.append(_receive(store, linked(code, psid=psid, at=NOW)))
        works.append(_receive(store, unlinked(psid=psid, at=NOW + (1 if number % 2 else -1))))
    at_once(works)
    assert {each.psid for each in store.list_links()} == set(people[::2])
    last = dict(queued(store))
    for number, psid in enumerate(people):
        assert last.get(psid, "unlinked") == ("unlinked" if number % 2 else "linked")


def test_fifty_unlinks_at_once_are_one(store: SQLStore) -> None:
    link(store)
    ours = [lambda: store.unlink(PAGE, PSID, "python", NOW + 5)] * 25
    theirs = [_receive(store, unlinked(at=NOW + 5))] * 25
    outcomes = at_once([*ours, *theirs])
    assert sum(isinstance(each, AccountUnlinked) for each in outcomes) == 1
    assert [kind for _, kind in queued(store)].count("unlinked") == 1


def test_a_code_dropped_while_it_is_redeemed_is_either_used_or_gone(store: SQLStore) -> None:
    for number in range(20):
        psid, account = f"p{number}", Account(f"a{number}")
        code = save_code(store, attempt_for(account, psid=psid))
        event = _receive(store, linked(code, psid=psid))
        outcome, _ = at_once([event, lambda account=account: store.drop_pending(account.id)])  # type: ignore[misc]
        assert isinstance(outcome, AccountLinked) == (store.find_link(PAGE, psid) is not None)
        assert isinstance(outcome, AccountLinked) or outcome == LinkingRefused("code_unknown", PAGE, psid)


def test_binding_and_linking_at_once_leave_one_link(store: SQLStore) -> None:
    for number in range(20):
        psid = str(number)
        code = save_code(store, attempt_for(ADA, psid=psid))
        bind: Work = lambda psid=psid: store.bind(PAGE, psid, Identifiers(username="grace"), "api", NOW)  # type: ignore[misc]  # noqa: E731
        at_once([_receive(store, linked(code, psid=psid)), bind])
        (found,) = store.find_links_of_psid(psid)
        assert found.account_id == store.history_of(PAGE, psid)[-1].account_after


def test_no_two_of_twenty_threads_claim_one_entry(store: SQLStore) -> None:
    for number in range(60):
        link(store, psid=str(number))
    claims = at_once([lambda: [entry.id for entry in claim(store, limit=5)] for _ in range(20)])
    ids = [entry_id for each in claims if isinstance(each, list) for entry_id in each]
    assert len(ids) == len(set(ids)) == 60


def test_a_burst_of_hits_is_counted_to_the_last(store: SQLStore) -> None:
    counts = at_once([lambda: store.hit("key", NOW + MINUTE, NOW)] * 50)
    assert sorted(map(int, map(str, counts))) == list(range(1, 51))


def test_processes_share_a_counter(url: str) -> None:
    counts = run_together(hit_many, [(url, "key", 50)] * 3)
    assert sorted(count for each in counts for count in each) == list(range(1, 151))


@pytest.mark.parametrize("turn", range(2))
def test_eight_processes_start_on_an_empty_database_at_once(new_url: str, turn: int) -> None:
    """The first one makes the schema, and all of them find it."""
    assert sorted(run_together(open_and_count, [(new_url,)] * 8)) == list(range(1, 9))


@pytest.mark.parametrize("with_threads", [False, True])
def test_a_forked_worker_owns_its_connections(url: str, with_threads: bool) -> None:
    """Its commits stay, even after its parent has closed everything."""
    (found,) = run_together(fork_with_an_open_store, [(url, with_threads)])
    assert found == {
        "parent before": 1, "child before": 1, "parent after": 1, "child after": 20,
        "parent's thread": int(with_threads),
    }  # fmt: skip


def test_a_fork_while_threads_write_leaves_the_child_able_to_write(url: str) -> None:
    assert run_together(fork_while_threads_write, [(url, 15)]) == [15]


def test_reading_goes_on_while_fifty_threads_write(store: SQLStore) -> None:
    link(store)
    writes: list[Work] = [lambda: store.hit("key", NOW + MINUTE, NOW)] * 25
    reads: list[Work] = [lambda: store.find_link(PAGE, PSID)] * 25
    found = at_once([*writes, *reads])
    assert all(each is not None for each in found)


def test_threads_that_end_leave_the_store_usable(url: str) -> None:
    store = open_store(url)
    for _ in range(3):
        at_once([lambda: store.hit("key", NOW + 1, NOW)] * 8)
    assert store.find_limit("key", NOW, HOUR)[0] == 24
    store.close()


def test_every_caller_in_a_race_gets_its_own_outcome(store: SQLStore) -> None:
    """With group commit every caller gets its own outcome."""
    codes = {
        str(number): save_code(store, attempt_for(Account(str(number)), psid=str(number)))
        for number in range(50)
    }
    outcomes = at_once([_receive(store, linked(code, psid=psid)) for psid, code in codes.items()])
    said: list[Outcome] = [each for each in outcomes if isinstance(each, AccountLinked)]
    assert [each.link.account_id for each in said if isinstance(each, AccountLinked)] == list(codes)
    assert {digest_of(code) for code in codes.values() if store.account_of_code(digest_of(code))} == set()
