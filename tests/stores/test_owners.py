"""The owner's control in every store: policies, which the transaction that links judges, and undo."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import pytest

from bot_linking.core.codes import digest_of
from bot_linking.core.conflicts import CANNOT_ASK, Conflict, Consent, Policy, PolicyFailed
from bot_linking.core.errors import ConfigurationError
from bot_linking.core.events import AccountLinked, AccountUnlinked, EventIgnored, LinkingRefused, Outcome
from bot_linking.core.identifiers import Identifiers
from bot_linking.core.links import Account
from bot_linking.core.notices import OwnerNotice, notice_of
from bot_linking.core.ports.owners import BAR_MS, UNDO_MAX_AGE_MS, Undoable
from bot_linking.stores.notices import Notices
from bot_linking.stores.store import SQLStore

from .given import (
    ADA,
    DAY,
    GRACE,
    HOUR,
    MINUTE,
    NOW,
    PAGE,
    PSID,
    attempt_for,
    claim,
    finish,
    link,
    linked,
    queued,
    save_code,
    unlinked,
)

T = TypeVar("T")
OTHER = "777000777"
WORDS = ["move", "ask", "refuse", "one_chat"]


def redeem(
    store: SQLStore,
    account: Account,
    *,
    policy: Policy,
    psid: str = PSID,
    replaces: str | None = None,
    now: int = NOW + 10,
) -> list[Outcome]:
    code = f"code-for-{account.id}-{psid}-{now}"
    attempt = attempt_for(account, psid=psid)
    assert store.save_code(digest_of(code), attempt, "en", now, now + HOUR, replaces=replaces)
    return store.receive([linked(code, psid=psid, at=now)], now, policy=policy)


def account_of(store: SQLStore, psid: str = PSID) -> str | None:
    found = store.find_link(PAGE, psid)
    return None if found is None else found.account_id


def undo_of(store: SQLStore, psid: str = PSID) -> Undoable:
    found = store.find_undo(PAGE, psid)
    assert found is not None
    return found


# Conflicts


@pytest.mark.parametrize(
    ("word", "replaces", "after", "reason"),
    [
        ("move", None, "2", None),
        ("ask", None, "1", "conflict_not_agreed"),
        ("ask", "3", "1", "conflict_not_agreed"),
        ("ask", "1", "2", None),
        ("refuse", "1", "1", "conflict_refused"),
        ("one_chat", None, "1", "conflict_not_agreed"),
        ("one_chat", "1", "2", None),
    ],
)
def test_a_word_decides_whether_another_account_replaces_the_present_one(
    store: SQLStore, word: str, replaces: str | None, after: str, reason: str | None
) -> None:
    link(store, ADA)
    outcome = redeem(store, GRACE, policy=Policy(word), replaces=replaces)[0]
    assert account_of(store) == after
    assert (outcome.reason if isinstance(outcome, LinkingRefused) else None) == reason


@pytest.mark.parametrize("word", WORDS)
def test_a_chat_that_is_not_linked_and_one_that_keeps_its_account_have_no_conflict(
    store: SQLStore, word: str
) -> None:
    assert isinstance(redeem(store, ADA, policy=Policy(word))[0], AccountLinked)
    again = redeem(store, ADA, policy=Policy(word), now=NOW + 20)
    assert again == [EventIgnored("unchanged", PAGE, PSID)]


@pytest.mark.parametrize("word", WORDS)
def test_one_chat_unlinks_the_accounts_other_chat_and_tells_it(store: SQLStore, word: str) -> None:
    link(store, ADA, psid=OTHER)
    outcomes = redeem(store, ADA, policy=Policy(word))
    assert account_of(store) == "1"
    if word == "one_chat":
        assert account_of(store, OTHER) is None
        assert isinstance(outcomes[1], AccountUnlinked)
        assert (outcomes[1].psid, outcomes[1].source) == (OTHER, "login")
        assert {kind for psid, kind in queued(store) if psid == OTHER} == {"unlinked", "unlink_call"}
    else:
        assert account_of(store, OTHER) == "1"
        assert len(outcomes) == 1


def test_consent_to_replace_one_account_does_not_replace_another(store: SQLStore) -> None:
    """The link changed between the consent and the event."""
    link(store, ADA)
    link(store, Account("3", "linus"), now=NOW + 5)
    redeem(store, GRACE, policy=Policy("ask"), replaces="1")
    assert account_of(store) == "3"


@pytest.mark.parametrize(("word", "after"), [("move", "2"), ("ask", "2"), ("one_chat", "2"), ("refuse", "1")])
def test_where_no_one_can_be_asked_ask_means_move(store: SQLStore, word: str, after: str) -> None:
    link(store, ADA)
    given = Identifiers(username="grace")
    outcomes = store.bind(
        PAGE, PSID, given, "api", NOW + 5, account=GRACE, policy=Policy(word), consent=CANNOT_ASK
    )
    assert account_of(store) == after
    assert isinstance(outcomes[0], AccountLinked if after == "2" else LinkingRefused)


def test_where_the_person_can_be_asked_a_link_needs_their_yes(store: SQLStore) -> None:
    link(store, ADA)
    given = Identifiers(username="grace")
    refused = store.bind(
        PAGE, PSID, given, "cli", NOW, account=GRACE, policy=Policy("ask"), consent=Consent()
    )
    assert refused == [LinkingRefused("conflict_not_agreed", PAGE, PSID)]
    assert account_of(store) == "1"


def test_a_callable_sees_the_whole_conflict_and_its_word_counts(store: SQLStore) -> None:
    seen = list[Conflict]()

    def decide(conflict: Conflict) -> str:
        seen.append(conflict)
        return "refuse"

    link(store, ADA)
    link(store, GRACE, psid=OTHER)
    redeem(store, GRACE, policy=Policy(decide))
    assert account_of(store) == "1"
    (conflict,) = seen
    assert conflict.link is not None
    assert (conflict.link.account_id, conflict.account.id, conflict.source) == ("1", "2", "login")
    assert [each.psid for each in conflict.other_chats] == [OTHER]


@pytest.mark.parametrize("answer", ["nonsense", None, 3])
def test_a_callable_that_says_no_word_changes_nothing_and_harms_no_other_event(
    store: SQLStore, answer: object
) -> None:
    link(store, ADA)
    code, other = save_code(store, attempt_for(GRACE)), save_code(store, attempt_for(GRACE, psid=OTHER))
    policy = Policy(lambda conflict: answer)  # type: ignore[arg-type, return-value]
    events = [linked(code, at=NOW + 1), linked(other, psid=OTHER, at=NOW + 1)]
    with pytest.raises(PolicyFailed) as failed:
        store.receive(events, NOW + 1, policy=policy)
    assert (account_of(store), account_of(store, OTHER)) == ("1", "2")
    assert [type(outcome) for outcome in failed.value.outcomes] == [AccountLinked]
    assert store.account_of_code(digest_of(code)) == "2"  # not used up: Messenger sends it again
    store.receive(events, NOW + 2, policy=Policy("move"))
    assert account_of(store) == "2"


@pytest.mark.parametrize("word", ["", "Move", "never", None, 1])
def test_an_unknown_word_stops_the_start_and_the_setting_is_named(word: object) -> None:
    with pytest.raises(ConfigurationError, match="on_conflict"):
        Policy(word)  # type: ignore[arg-type]


def race(*works: Callable[[], T]) -> list[T]:
    """What they returned; one that raised returned nothing."""
    gate, returned = threading.Barrier(len(works)), list[T]()

    def run(work: Callable[[], T]) -> None:
        gate.wait()
        returned.append(work())

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return returned


def test_of_chats_that_link_one_account_at_once_each_is_linked_and_one_stays(store: SQLStore) -> None:
    for number, racers in enumerate((4, 4, 20)):
        account, now = Account(f"racer-{number}"), NOW + 100 * number
        link_one = partial(redeem, store, account, policy=Policy("one_chat"), now=now)
        outcomes = race(*(partial(link_one, psid=f"{number}0{each}") for each in range(racers)))
        assert [type(first) for first, *_ in outcomes] == [AccountLinked] * racers
        assert len(store.find_links_of_account(account.id)) == 1


# Undo


def test_undoing_a_first_link_unlinks_and_says_so_at_messenger(store: SQLStore) -> None:
    link(store, ADA)
    outcomes = store.undo(PAGE, PSID, undo_of(store).change_id, NOW + 5)
    assert account_of(store) is None
    assert isinstance(outcomes[0], AccountUnlinked)
    assert (outcomes[0].source, outcomes[0].account_id) == ("undo", "1")
    assert [kind for _, kind in queued(store)] == ["unlinked", "unlink_call"]
    assert [(each.source, each.account_after) for each in store.history_of(PAGE, PSID)][-1] == ("undo", None)


def test_undoing_a_replacement_restores_exactly_the_former_link(store: SQLStore) -> None:
    link(store, ADA)
    former = store.find_link(PAGE, PSID)
    link(store, GRACE, now=NOW + MINUTE)
    outcomes = store.undo(PAGE, PSID, undo_of(store).change_id, NOW + DAY)
    assert store.find_link(PAGE, PSID) == former
    assert isinstance(outcomes[0], AccountLinked)
    assert (outcomes[0].previous_account_id, outcomes[0].source) == ("2", "undo")
    assert [kind for _, kind in queued(store)] == ["linked"]


def test_a_change_is_undone_once(store: SQLStore) -> None:
    link(store, ADA)
    change = undo_of(store).change_id
    store.undo(PAGE, PSID, change, NOW + 5)
    assert store.undo(PAGE, PSID, change, NOW + 6) == [EventIgnored("undone", PAGE, PSID)]
    assert undo_of(store).undone


def test_something_newer_is_not_undone(store: SQLStore) -> None:
    link(store, ADA)
    first = undo_of(store).change_id
    link(store, GRACE, now=NOW + 5)
    assert store.undo(PAGE, PSID, first, NOW + 6) == [EventIgnored("newer", PAGE, PSID)]
    assert account_of(store) == "2"
    store.unlink(PAGE, PSID, "python", NOW + 7)
    assert store.find_undo(PAGE, PSID) is None


def test_a_change_cannot_be_undone_after_seven_days(store: SQLStore) -> None:
    link(store, ADA)
    change = undo_of(store).change_id
    late = NOW + UNDO_MAX_AGE_MS + 1
    assert store.undo(PAGE, PSID, change, late) == [EventIgnored("newer", PAGE, PSID)]
    store.purge(late + 1)
    assert store.find_undo(PAGE, PSID) is None


def test_an_unlink_forgets_the_identifiers_of_what_was_replaced(store: SQLStore) -> None:
    link(store, ADA)
    link(store, GRACE, now=NOW + 5)
    before = undo_of(store).before
    assert before is not None
    assert before.email == "ada@example.com"
    store.receive([unlinked(at=NOW + 6)], NOW + 6)
    assert store.find_undo(PAGE, PSID) is None


@pytest.mark.parametrize("at", [NOW - 50, NOW + 4, NOW + 5, NOW + 50, None])
def test_an_event_under_way_when_it_was_undone_does_not_bring_the_link_back(
    store: SQLStore, at: int | None
) -> None:
    """For codes with and without a PSID, of this account and another, that were minted before the undo."""
    link(store, ADA)
    codes = [save_code(store, attempt_for(ADA)), save_code(store, attempt_for(ADA, psid=None))]
    store.undo(PAGE, PSID, undo_of(store).change_id, NOW + 5)
    for code in codes:
        store.receive([linked(code, at=at)], NOW + 60)
        assert account_of(store) is None


def test_the_pair_is_barred_for_a_day_at_every_door_and_no_other_pair_is(store: SQLStore) -> None:
    link(store, ADA)
    store.undo(PAGE, PSID, undo_of(store).change_id, NOW)
    refused = redeem(store, ADA, policy=Policy(), now=NOW + BAR_MS - 1)
    assert refused == [LinkingRefused("pair_barred", PAGE, PSID)]
    assert (PSID, "say") in queued(store)
    by_site = store.bind(PAGE, PSID, Identifiers(username="ada"), "api", NOW + HOUR, account=ADA)
    assert by_site == [LinkingRefused("pair_barred", PAGE, PSID)]
    assert isinstance(redeem(store, ADA, policy=Policy(), psid=OTHER, now=NOW + HOUR)[0], AccountLinked)
    assert isinstance(redeem(store, GRACE, policy=Policy(), now=NOW + HOUR)[0], AccountLinked)
    store.unlink(PAGE, PSID, "python", NOW + 2 * HOUR)
    assert isinstance(redeem(store, ADA, policy=Policy(), now=NOW + BAR_MS + 1)[0], AccountLinked)


def test_undo_and_a_new_link_at_once_end_in_one_of_the_two_states(store: SQLStore) -> None:
    for number in range(10):
        psid, now = f"55{number}", NOW + number
        link(store, ADA, psid=psid, now=now)
        change = undo_of(store, psid).change_id
        code = save_code(store, attempt_for(GRACE, psid=psid), life=10 * DAY)
        race(
            partial(store.undo, PAGE, psid, change, now + 5),
            partial(store.receive, [linked(code, psid=psid, at=now + 5)], now + 5),
        )
        undo = store.find_undo(PAGE, psid)
        assert undo is not None
        if account_of(store, psid) is None:
            assert undo.undone
        else:
            assert (account_of(store, psid), undo.account_id, undo.undone) == ("2", "2", False)


def test_a_token_stands_for_one_change_and_ends(store: SQLStore) -> None:
    link(store, ADA)
    undo = undo_of(store)
    store.save_undo_token(digest_of("token"), undo, NOW + DAY)
    assert store.find_undo_token(digest_of("token"), NOW) == (PAGE, PSID, undo.change_id)
    assert store.find_undo_token(digest_of("token"), NOW + DAY) is None
    assert store.find_undo_token("token", NOW) is None


def test_undos_of_one_account_are_forgotten_and_those_of_others_stay(store: SQLStore) -> None:
    link(store, ADA)
    redeem(store, GRACE, policy=Policy("move"))
    link(store, GRACE, psid=OTHER)
    redeem(store, ADA, policy=Policy("move"), psid=OTHER)
    store.drop_undos_of_account(ADA.id)
    assert store.find_undo(PAGE, PSID) is None
    assert store.undo(PAGE, PSID, "", NOW + 20) == [EventIgnored("newer", PAGE, PSID)]
    before = undo_of(store, OTHER).before
    assert before is not None
    assert before.account_id == GRACE.id


def test_a_person_who_is_erased_leaves_nothing_to_undo(store: SQLStore) -> None:
    link(store, ADA)
    store.save_undo_token(digest_of("token"), undo_of(store), NOW + DAY)
    store.undo(PAGE, PSID, undo_of(store).change_id, NOW)
    store.erase(PAGE, PSID, NOW)
    assert store.find_undo(PAGE, PSID) is None
    assert store.find_undo_token(digest_of("token"), NOW) is None
    assert isinstance(redeem(store, ADA, policy=Policy())[0], AccountLinked)


# Notices


def notices(store: SQLStore) -> list[OwnerNotice]:
    """The notices in the outbox. Notices and messages of the person do not wait for each other."""
    entries = [entry for entry in claim(store, NOW + 9 * DAY) if entry.kind == "notice"]
    for entry in entries:
        finish(store, entry)
    return [notice_of(json.loads(json.dumps(entry.payload)), None) for entry in entries]


def test_every_change_of_who_is_linked_is_a_notice_with_the_link_in_it(store: SQLStore) -> None:
    store.followers.append(Notices())
    link(store, ADA)
    first = store.find_link(PAGE, PSID)
    (notice,) = notices(store)
    assert (notice.kind, notice.link, notice.previous_account_id, notice.source) == (
        "linked",
        first,
        None,
        "login",
    )
    link(store, GRACE, psid=OTHER)
    link(store, ADA, psid=OTHER, now=NOW + 5)
    store.unlink(PAGE, PSID, "python", NOW + 6)
    told = [(each.kind, each.link.account_id, each.previous_account_id) for each in notices(store)]
    assert told == [("linked", "2", None), ("replaced", "1", "2"), ("unlinked", "1", None)]


def test_the_same_identifiers_again_cause_no_notice(store: SQLStore) -> None:
    link(store, ADA)
    store.followers.append(Notices())
    link(store, ADA, now=NOW + 5)
    store.bind(PAGE, PSID, Identifiers(email="new@example.com"), "api", NOW + 6)
    assert notices(store) == []


# Requests to delete


def test_a_request_is_kept_once_under_its_digest_and_queued_once(store: SQLStore) -> None:
    assert store.save_deletion("deletion", "42", "digest", "CODE1", NOW) == "CODE1"
    assert store.save_deletion("deletion", "42", "digest", "CODE2", NOW + 1) == "CODE1"
    assert store.save_deletion("deletion", "42", "other digest", "CODE3", NOW + 2) == "CODE3"
    assert [each.code for each in store.list_deletions()] == ["CODE1", "CODE3"]
    entries = claim(store)
    assert {entry.kind for entry in entries} == {"deletion"}


def test_a_finished_request_has_its_result_and_no_user_id(store: SQLStore) -> None:
    store.save_deletion("deletion", "42", "digest", "CODE", NOW)
    store.finish_deletion("CODE", "done", NOW + 5)
    found = store.find_deletion("CODE")
    assert found is not None
    assert (found.state, found.user_id, found.received_at, found.finished_at) == ("done", None, NOW, NOW + 5)
    assert store.find_deletion("another") is None


def test_that_a_request_found_data_is_noted_before_they_are_erased(store: SQLStore) -> None:
    """After a crash a second try finds nothing, and the request must still say that data were deleted."""
    for code in ("CODE1", "CODE2"):
        store.save_deletion("deletion", "42", f"digest of {code}", code, NOW)
    store.find_for_deletion("CODE1", NOW + 3)
    store.find_for_deletion("another", NOW + 3)  # unknown or forgotten: nothing is noted
    (found, other) = store.list_deletions()
    assert (found.state, found.user_id, found.found_at, found.finished_at) == (
        "received",
        "42",
        NOW + 3,
        None,
    )
    assert (other.state, other.found_at) == ("received", None)
    assert store.find_deletion("another") is None
    store.finish_deletion("CODE1", "done", NOW + 5)
    done = store.find_deletion("CODE1")
    assert done is not None
    assert (done.state, done.user_id, done.found_at, done.finished_at) == ("done", None, NOW + 3, NOW + 5)
