"""What every store promises of the outbox: order, leases, pauses, and what waits for its person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bot_linking.core.ports import OutboxEntry
from bot_linking.core.ports.outbox import Buried, Done, GivenBack, Pause, Postponed
from bot_linking.stores.outbox import FRESH_MS, RETRIED_AT_ONCE
from bot_linking.stores.store import SQLStore

from .given import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    PAGE,
    PSID,
    bury,
    claim,
    finish,
    link,
    postpone,
    queued,
    settle,
    unlinked,
)

TOKEN = "keys"


def put(store: SQLStore, psid: str, *, page: str = PAGE, now: int = NOW, kind: str = "refused") -> None:
    store.queue(page, psid, kind, None, now)


def pause(page: str = PAGE, *, until: int = NOW + HOUR, cause: str | None = None, since: int = NOW) -> Pause:
    return Pause(page, until, "why", cause, TOKEN if cause else None, since)


def _four(store: SQLStore) -> list[OutboxEntry]:
    """Four people's confirmations, claimed."""
    for psid in ("1", "2", "3", "4"):
        link(store, psid=psid)
    return claim(store)


# Claims and leases


def test_claimed_entries_come_whole_and_in_order(store: SQLStore) -> None:
    entries = _four(store)
    assert [entry.psid for entry in entries] == ["1", "2", "3", "4"]
    first = entries[0]
    assert (first.page_id, first.kind, first.payload, first.created_at, first.attempts) == (
        PAGE,
        "linked",
        None,
        NOW,
        1,
    )
    assert (first.last_error, first.dead_at, first.held, first.state) == (None, None, False, None)


def test_what_is_queued_on_its_own_keeps_its_payload(store: SQLStore) -> None:
    store.queue(PAGE, PSID, "prompt", {"text": "é", "n": [1, None]}, NOW)
    (entry,) = claim(store)
    assert (entry.kind, entry.payload) == ("prompt", {"text": "é", "n": [1, None]})


def test_no_more_than_asked_for_are_claimed_and_nothing_before_its_time(store: SQLStore) -> None:
    for psid in ("1", "2", "3"):
        link(store, psid=psid)
    assert claim(store, NOW - 1) == []
    assert not store.has_due(NOW - 1)
    assert store.has_due(NOW)
    assert len(claim(store, limit=2)) == 2
    assert len(claim(store, limit=2)) == 1
    assert not store.has_due(NOW)


def test_each_page_gives_its_share_and_others_nothing(store: SQLStore) -> None:
    for page in ("1", "2", "3"):
        for psid in ("a", "b", "c"):
            put(store, psid, page=page)
    claimed = store.claim_due(NOW, NOW + MINUTE, {"1": 2, "3": 9})
    assert [(entry.page_id, entry.psid) for entry in claimed] == [
        ("1", "a"),
        ("1", "b"),
        ("3", "a"),
        ("3", "b"),
        ("3", "c"),
    ]


def test_pages_with_something_due_are_found_one_after_the_other(store: SQLStore) -> None:
    for page in ("c", "a", "d", "b"):
        for psid in ("1", "2"):
            put(store, psid, page=page)
    put(store, "1", page="later", now=NOW + 1)
    assert store.due_pages(NOW, most=9) == ["a", "b", "c", "d"]
    assert store.due_pages(NOW, most=2) == ["a", "b"]
    assert store.due_pages(NOW, after="b", most=9) == ["c", "d"]
    assert store.due_pages(NOW, after="later", most=9) == []
    assert store.due_pages(NOW + 1, after="d", most=9) == ["later"]
    store.claim_due(NOW, NOW + MINUTE, {"a": 9, "c": 1})
    assert store.due_pages(NOW, most=9) == ["b", "c", "d"]


def test_an_entry_without_a_page_is_found_like_any_other(store: SQLStore) -> None:
    put(store, "", page="", kind="deletion")
    put(store, "1", page="a")
    assert store.due_pages(NOW, most=9) == ["", "a"]
    assert store.due_pages(NOW, most=1) == [""]
    assert [entry.kind for entry in store.claim_due(NOW, NOW + MINUTE, {"": 9})] == ["deletion"]


def test_an_empty_outbox_has_no_page(store: SQLStore) -> None:
    assert store.due_pages(NOW, most=9) == []
    assert store.claim_due(NOW, NOW + MINUTE, {PAGE: 9}) == []


def test_fresh_news_goes_before_old_news(store: SQLStore) -> None:
    for psid in ("old 1", "old 2", "old 3"):
        put(store, psid)
    later = NOW + FRESH_MS + 1
    for number, psid in enumerate(("new 1", "new 2")):
        put(store, psid, now=later - 1 + number)
    assert [entry.psid for entry in claim(store, later, limit=3)] == ["new 1", "new 2", "old 1"]
    assert [entry.psid for entry in claim(store, later, limit=3)] == ["old 2", "old 3"]


def test_an_entry_that_was_tried_before_is_not_fresh(store: SQLStore) -> None:
    put(store, "tried")
    (entry,) = claim(store)
    postpone(store, entry, NOW + 1)
    put(store, "new", now=NOW + 2)
    assert [entry.psid for entry in claim(store, NOW + 2, limit=1)] == ["new"]


def test_old_news_goes_in_the_order_in_which_it_is_due(store: SQLStore) -> None:
    for psid in ("1", "2", "3"):
        put(store, psid)
    one, two, _ = claim(store, until=NOW + 1)
    settle(store, Postponed(one, NOW + 3, "x"), Postponed(two, NOW + 2, "x"))
    assert [entry.psid for entry in claim(store, NOW + HOUR, limit=2)] == ["2", "3"]


def test_no_other_worker_gets_a_claimed_entry_until_its_lease_runs_out(store: SQLStore) -> None:
    link(store)
    (entry,) = claim(store, until=NOW + 20)
    assert claim(store, NOW + 19) == []
    (again,) = claim(store, NOW + 20)
    assert (again.id, again.attempts) == (entry.id, 2)
    assert again.claim != entry.claim


def test_a_worker_that_lost_its_lease_can_do_no_more_to_the_entry(store: SQLStore) -> None:
    link(store)
    (lost,) = claim(store, until=NOW + 20)
    (held,) = claim(store, NOW + 20, until=NOW + HOUR)
    settle(store, Buried(lost, "late", "sorry"), Postponed(lost, NOW + 21, "late"), GivenBack(lost))
    assert store.list_dead() == []
    assert claim(store, NOW + 30) == []
    finish(store, held)
    assert claim(store, NOW + 2 * HOUR) == []


def test_a_renewed_lease_holds_longer(store: SQLStore) -> None:
    link(store)
    (entry,) = claim(store, until=NOW + 20)
    store.renew([entry], NOW + 40)
    assert claim(store, NOW + 39) == []
    assert len(claim(store, NOW + 40)) == 1


def test_an_entry_that_got_through_is_removed_and_counted_with_the_next_claim(store: SQLStore) -> None:
    link(store)
    store.receive([unlinked()], NOW + 1)
    link(store, psid="2")
    farewell, other = claim(store, NOW + 2)
    done = [Done(farewell, "sent", NOW + HOUR), Done(other)]
    link(store, psid="3", now=NOW + 3)
    assert [entry.psid for entry in claim(store, NOW + 3, settled=done)] == ["3"]
    assert store.find_limit("sent", NOW + 3, HOUR) == (1, NOW + HOUR)
    assert store.outbox_depth()["depth"] == 1


def test_many_outcomes_are_written_in_one_go(store: SQLStore) -> None:
    one, two, three, four = _four(store)
    settle(store, Done(one), Postponed(two, NOW + HOUR, "down"), Buried(three, "never"), GivenBack(four))
    assert store.outbox_depth() == {"depth": 2, "oldest": NOW, "held": 0, "dead": 1}
    (again,) = claim(store, NOW)
    assert (again.psid, again.attempts) == ("4", 1)


def test_an_entry_that_is_given_back_counts_as_untried(store: SQLStore) -> None:
    link(store)
    (entry,) = claim(store)
    settle(store, GivenBack(entry))
    (again,) = claim(store)
    assert (again.id, again.attempts) == (entry.id, 1)


# One person's entries


def test_a_person_has_one_entry_at_a_time_and_in_order(store: SQLStore) -> None:
    store.save_resume(PAGE, PSID, "order", NOW)
    link(store)
    link(store, psid="9")
    first = claim(store)
    assert [(entry.psid, entry.kind) for entry in first] == [(PSID, "linked"), ("9", "linked")]
    postpone(store, first[0], NOW + HOUR)
    assert claim(store, NOW + MINUTE) != [first[0]]
    assert [entry.kind for entry in claim(store, NOW + HOUR) if entry.psid == PSID] == ["linked"]


def test_the_entry_behind_a_finished_or_dead_one_comes_next(store: SQLStore) -> None:
    for psid in ("1", "2"):
        store.save_resume(PAGE, psid, psid, NOW)
        link(store, psid=psid)
    one, two = claim(store)
    finish(store, one)
    bury(store, two, "never")
    assert [(entry.psid, entry.kind, entry.payload) for entry in claim(store)] == [
        ("1", "resume", "1"),
        ("2", "resume", "2"),
    ]


@pytest.mark.parametrize("held_for", ["window", "page", "hour", "handler", "refused"])
def test_nothing_waits_for_an_entry_that_is_set_aside(store: SQLStore, held_for: str) -> None:
    put(store, PSID)
    put(store, PSID, kind="sorry")
    (first,) = claim(store)
    postpone(store, first, NOW + HOUR, held_for=held_for)
    assert [entry.kind for entry in claim(store, NOW + 1)] == ["sorry"]


def test_a_call_to_messenger_passes_messages_and_is_passed_while_it_is_not_tried(store: SQLStore) -> None:
    put(store, PSID)
    put(store, PSID, kind="unlink_call")
    message, call = claim(store)
    postpone(store, message, NOW + HOUR)
    postpone(store, call, NOW + HOUR)
    put(store, "2", kind="unlink_call")
    put(store, "2")
    (other_call,) = claim(store, NOW, limit=1)
    assert other_call.kind == "unlink_call"
    assert claim(store, NOW) == []  # not while the call is under way
    postpone(store, other_call, NOW + HOUR)
    assert [entry.kind for entry in claim(store, NOW + 1)] == ["refused"]


def test_burying_an_entry_may_queue_another_one(store: SQLStore) -> None:
    put(store, PSID, kind="resume")
    (entry,) = claim(store)
    settle(store, Buried(entry, "hopeless", "sorry"), now=NOW + 5)
    (word,) = claim(store, NOW + 5)
    assert (word.psid, word.kind, word.payload, word.created_at) == (PSID, "sorry", None, NOW + 5)


def test_a_postponed_entry_waits_and_remembers_why(store: SQLStore) -> None:
    link(store)
    (entry,) = claim(store)
    postpone(store, entry, NOW + HOUR, "down")
    assert claim(store, NOW + HOUR - 1) == []
    (again,) = claim(store, NOW + HOUR)
    assert (again.attempts, again.last_error) == (2, "down")


# Pages that wait


def test_a_pause_is_kept_with_its_reason(store: SQLStore) -> None:
    store.pause(Pause("1", NOW + HOUR, "limit"), NOW)
    store.pause(Pause("2", NOW + DAY, "190", "token", "keys"), NOW)
    assert store.pauses() == [
        Pause("1", NOW + HOUR, "limit", None, None, NOW),
        Pause("2", NOW + DAY, "190", "token", "keys", NOW),
    ]


def test_a_limit_neither_shortens_a_limit_nor_replaces_a_cause(store: SQLStore) -> None:
    store.pause(pause("limit", until=NOW + HOUR), NOW)
    store.pause(pause("limit", until=NOW + MINUTE), NOW)
    store.pause(pause("cause", until=NOW + HOUR, cause="token"), NOW)
    store.pause(pause("cause", until=NOW + DAY), NOW)
    assert [(each.until, each.cause) for each in store.pauses()] == [
        (NOW + HOUR, "token"),
        (NOW + HOUR, None),
    ]


def test_a_limit_replaces_a_pause_that_is_over(store: SQLStore) -> None:
    store.pause(pause(until=NOW + MINUTE, cause="permission"), NOW)
    store.pause(pause(until=NOW + HOUR), NOW + MINUTE)
    assert [(each.until, each.cause, each.since) for each in store.pauses()] == [
        (NOW + HOUR, None, NOW + MINUTE)
    ]


def test_a_pause_keeps_since_when_its_cause_lasts(store: SQLStore) -> None:
    for later in (0, MINUTE, HOUR):
        store.pause(pause(until=NOW + later + MINUTE, cause="permission"), NOW + later)
    assert [each.since for each in store.pauses()] == [NOW]
    store.pause(pause(until=NOW + DAY, cause="token"), NOW + 2 * HOUR)
    assert [each.since for each in store.pauses()] == [NOW + 2 * HOUR]


def test_a_pause_that_is_over_is_forgotten_and_no_other(store: SQLStore) -> None:
    store.pause(pause("over", until=NOW + 1), NOW)
    store.pause(pause("lasts"), NOW)
    store.pause(pause("other keys", until=NOW + DAY, cause="token"), NOW)
    for page in ("over", "lasts", "other keys"):
        store.resume_page(page, NOW + MINUTE, keys="new keys")
    assert [each.page_id for each in store.pauses()] == ["lasts", "other keys"]
    store.resume_page("other keys", NOW + HOUR, keys="keys")
    assert len(store.pauses()) == 2
    store.resume_page("other keys", NOW + HOUR, keys="new keys")
    assert [each.page_id for each in store.pauses()] == ["lasts"]


def test_a_pause_that_has_ended_is_purged_after_a_day(store: SQLStore) -> None:
    store.pause(pause("limit", until=NOW + 1), NOW)
    store.pause(pause("cause", until=NOW + 400 * DAY, cause="token"), NOW)
    store.purge(NOW + DAY)
    assert len(store.pauses()) == 2
    store.purge(NOW + DAY + 2)
    assert [each.page_id for each in store.pauses()] == ["cause"]


# What waits for its person


def _waiting(store: SQLStore, psid: str = PSID, *, page: str = PAGE, kind: str = "linked") -> OutboxEntry:
    put(store, psid, page=page, kind=kind)
    (entry,) = store.claim_due(NOW, NOW + MINUTE, {page: 1})
    postpone(store, entry, NOW + 7 * DAY, "window", held_for="window")
    return entry


def test_has_waiting_says_whether_an_entry_waits_for_its_person(store: SQLStore) -> None:
    assert (store.has_waiting(), store.count_waiting()) == (False, 0)
    _waiting(store)
    _waiting(store, "2")
    assert (store.has_waiting(), store.count_waiting()) == (True, 2)
    store.take_waiting(PAGE, PSID, NOW, NOW + MINUTE)
    assert store.count_waiting() == 2  # until it is known what came of it


def test_people_for_whom_something_waits_are_found_among_others(store: SQLStore) -> None:
    _waiting(store, "1", page="a")
    _waiting(store, "2", page="b")
    people = [("a", "1"), ("b", "1"), ("a", "2"), ("b", "2"), ("c", "9")]
    assert store.waiting_among(people) == [("a", "1"), ("b", "2")]
    assert store.waiting_among([]) == []


def test_waiting_entries_are_taken_in_order_with_the_time_at_which_the_person_wrote(store: SQLStore) -> None:
    first, second = _waiting(store), _waiting(store, kind="sorry")
    _waiting(store, page="other")
    _waiting(store, "2")
    taken = store.take_waiting(PAGE, PSID, NOW + HOUR, NOW + 2 * HOUR)
    assert [(entry.id, entry.heard_at, entry.held_for) for entry in taken] == [
        (first.id, NOW + HOUR, "window"),
        (second.id, NOW + HOUR, "window"),
    ]
    assert store.take_waiting(PAGE, PSID, NOW + HOUR, NOW + 2 * HOUR) == []
    for entry in taken:
        finish(store, entry)
    assert store.count_waiting() == 2


def test_a_waiting_entry_is_not_due_before_its_seven_days_are_over(store: SQLStore) -> None:
    _waiting(store)
    assert claim(store, NOW + 7 * DAY - 1) == []
    assert [entry.held_for for entry in claim(store, NOW + 7 * DAY)] == ["window"]


def test_newer_news_replaces_an_entry_that_waits_for_its_person(store: SQLStore) -> None:
    link(store)
    (entry,) = claim(store)
    postpone(store, entry, NOW + 7 * DAY, held_for="window")
    store.receive([unlinked()], NOW + 1)
    assert store.count_waiting() == 0
    assert queued(store) == [(PSID, "unlinked")]


def test_the_time_of_a_persons_last_event_is_kept(store: SQLStore) -> None:
    from bot_linking.core.identifiers import Identifiers

    assert store.contact_of(PAGE, PSID) == (None, None)
    store.bind(PAGE, PSID, Identifiers("ada"), "api", NOW)
    assert store.contact_of(PAGE, PSID).heard_at is None
    link(store, now=NOW + 1)
    assert store.contact_of(PAGE, PSID) == ("en_GB", NOW + 1)
    store.unlink(PAGE, PSID, "api", NOW + 2)
    assert store.contact_of(PAGE, PSID) == ("en_GB", NOW + 1)
    store.bind(PAGE, PSID, Identifiers("ada"), "cli", NOW + 3)
    store.receive([unlinked(at=NOW + 4)], NOW + 4)
    assert store.contact_of(PAGE, PSID).heard_at == NOW + 4


def test_a_person_who_was_asked_to_log_in_counts_as_heard_at_that_time(store: SQLStore) -> None:
    from bot_linking.core.identifiers import Identifiers

    store.save_resume(PAGE, PSID, "orders", NOW)
    store.bind(PAGE, PSID, Identifiers("ada"), "api", NOW + MINUTE)
    assert store.contact_of(PAGE, PSID).heard_at == NOW


# What an operator sees


def test_a_buried_entry_is_listed_with_its_reason_and_not_delivered(store: SQLStore) -> None:
    link(store)
    (entry,) = claim(store)
    bury(store, entry, "blocked", NOW + 5)
    (dead,) = store.list_dead()
    assert (dead.id, dead.kind, dead.last_error, dead.dead_at, dead.state) == (
        entry.id,
        "linked",
        "blocked",
        NOW + 5,
        "dead",
    )
    assert claim(store, NOW + DAY) == []
    assert not store.has_due(NOW + DAY)


def test_waiting_and_held_entries_are_listed_by_their_state(store: SQLStore) -> None:
    _waiting(store, "1")
    for psid, held_for in (("2", "page"), ("3", "hour"), ("4", "handler")):
        put(store, psid)
        (entry,) = claim(store)
        postpone(store, entry, NOW + HOUR, held_for, held_for=held_for)
    put(store, "5", page="paused")
    put(store, "6", page="limited")
    store.pause(Pause("paused", NOW + DAY, "190", "token", "keys"), NOW)
    store.pause(Pause("limited", NOW + DAY, "613"), NOW)
    assert [(entry.psid, entry.state, entry.last_error) for entry in store.list_dead()] == [
        ("1", "waiting", "window"),
        ("2", "held", "page"),
        ("5", "held", "190"),
    ]


def test_a_dead_letter_is_tried_again_as_if_for_the_first_time(store: SQLStore) -> None:
    link(store)
    (entry,) = claim(store)
    bury(store, entry, "blocked")
    assert store.retry_dead(entry.id, NOW + 9)
    assert store.list_dead() == []
    assert claim(store, NOW + 8) == []
    (again,) = claim(store, NOW + 9)
    assert (again.id, again.attempts, again.created_at) == (entry.id, 1, NOW + 9)


def test_a_held_entry_that_is_tried_again_ends_the_pause_of_its_page(store: SQLStore) -> None:
    link(store)
    (entry,) = claim(store)
    postpone(store, entry, NOW)
    store.pause(pause(until=NOW + DAY, cause="token"), NOW)
    assert store.retry_dead(entry.id, NOW + 1)
    assert store.pauses() == []
    assert [each.id for each in claim(store, NOW + 1)] == [entry.id]


def test_a_waiting_entry_may_be_tried_again(store: SQLStore) -> None:
    entry = _waiting(store)
    assert store.retry_dead(entry.id, NOW + 1)
    assert [(each.id, each.held_for) for each in claim(store, NOW + 1)] == [(entry.id, None)]


def test_only_what_is_dead_or_held_can_be_retried(store: SQLStore) -> None:
    """An entry that is being delivered must not be handed to a second worker."""
    link(store)
    (entry,) = claim(store)
    assert not store.retry_dead(entry.id, NOW + 1)
    assert not store.retry_dead(entry.id + 1000, NOW + 1)
    assert claim(store, NOW + 2) == []


def test_a_waiting_entry_that_is_being_sent_cannot_be_retried(store: SQLStore) -> None:
    entry = _waiting(store)
    store.take_waiting(PAGE, PSID, NOW, NOW + MINUTE)
    assert not store.retry_dead(entry.id, NOW + 2)
    assert claim(store, NOW + 3) == []


def test_all_dead_letters_are_retried_at_once_but_for_events(store: SQLStore) -> None:
    for number in range(20):
        put(store, str(number), kind="event" if number == 0 else "refused")
    for entry in claim(store):
        bury(store, entry, "Graph answered 500" if entry.id % 2 else "(#551) Blocked")
    assert store.retry_all_dead(NOW + 1) == 19
    assert [entry.kind for entry in store.list_dead()] == ["event"]
    assert len(claim(store, NOW + 1)) == 19


def test_dead_letters_are_retried_by_reason_and_by_age(store: SQLStore) -> None:
    for number in range(6):
        put(store, str(number))
    for number, entry in enumerate(claim(store)):
        bury(store, entry, "Graph answered 500" if number % 2 else "100% (#551) _Blocked_", NOW + number)
    assert store.retry_all_dead(NOW + 9, reason="graph ANSWERED", since=NOW + 2) == 2
    assert store.retry_all_dead(NOW + 9, reason="_B", since=NOW + 5) == 0
    assert store.retry_all_dead(NOW + 9, reason="100% (#551) _b") == 3
    assert store.retry_all_dead(NOW + 9, since=NOW + 1) == 1
    assert store.list_dead() == []


def test_more_dead_letters_than_fit_in_one_go_are_retried_too(
    store: SQLStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert RETRIED_AT_ONCE >= 1000
    monkeypatch.setattr("bot_linking.stores.outbox.RETRIED_AT_ONCE", 3)
    for number in range(8):
        put(store, str(number))
    for entry in claim(store):
        bury(store, entry, "no")
    assert store.retry_all_dead(NOW + 1) == 8


def test_what_dies_again_while_dead_letters_are_retried_is_not_retried_again(
    store: SQLStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that gives each entry up at once, between two portions."""
    monkeypatch.setattr("bot_linking.stores.outbox.RETRIED_AT_ONCE", 3)
    for number in range(8):
        put(store, str(number))
    for entry in claim(store):
        bury(store, entry, "no")
    write, portions = store.engine.write, list[int]()

    def write_and_bury(work: Callable[[Any], Any]) -> Any:
        written = write(work)
        portions.append(written)
        assert len(portions) < 10, "it would go on for ever"
        with monkeypatch.context() as inner:
            inner.setattr(store.engine, "write", write)
            for entry in claim(store, NOW + 2):
                bury(store, entry, "no again", NOW + 2)
        return written

    with monkeypatch.context() as patched:
        patched.setattr(store.engine, "write", write_and_bury)
        assert store.retry_all_dead(NOW + 1) == 8
    assert portions == [3, 3, 2, 0]
    assert {entry.last_error for entry in store.list_dead()} == {"no again"}


def test_entries_that_are_retried_in_bulk_come_after_fresh_news(store: SQLStore) -> None:
    for psid in ("1", "2"):
        put(store, psid)
    for entry in claim(store):
        bury(store, entry, "no")
    store.retry_all_dead(NOW + 1)
    put(store, "new", now=NOW + 2)
    assert [entry.psid for entry in claim(store, NOW + 2)] == ["new", "1", "2"]


def test_outbox_depth_counts_what_waits_and_what_is_dead(store: SQLStore) -> None:
    assert store.outbox_depth() == {"depth": 0, "oldest": None, "held": 0, "dead": 0}
    one, two, three, _ = _four(store)
    settle(
        store,
        Buried(one, "blocked"),
        Postponed(two, NOW, "approval", "page"),
        Postponed(three, NOW + DAY, "window", "window"),
    )
    assert store.outbox_depth() == {"depth": 3, "oldest": NOW, "held": 1, "dead": 1}
    put(store, "5", page="paused")
    store.pause(pause("paused", cause="token"), NOW)
    store.pause(pause("limited"), NOW)
    assert store.outbox_depth() == {"depth": 4, "oldest": NOW, "held": 2, "dead": 1}


def test_an_entry_that_waits_for_its_person_does_not_age_the_outbox(store: SQLStore) -> None:
    _waiting(store)
    assert store.outbox_depth() == {"depth": 1, "oldest": None, "held": 0, "dead": 0}


def test_a_call_that_is_refused_for_good_is_never_late_and_hides_nothing_that_is(store: SQLStore) -> None:
    for number in range(101):
        put(store, f"1{number}", kind="unlink_call")
    settle(store, *(Postponed(entry, NOW + DAY, "no", "refused") for entry in claim(store)))
    assert store.outbox_depth() == {"depth": 101, "oldest": None, "held": 0, "dead": 0}
    assert store.look_at_outbox() == store.outbox_depth()
    put(store, "2")
    assert store.look_at_outbox() == store.outbox_depth()
    assert store.outbox_depth()["oldest"] == NOW


def test_an_entry_held_for_the_hour_is_not_late_before_the_hour_is_over(store: SQLStore) -> None:
    (entry, *others) = _four(store)
    settle(store, Postponed(entry, NOW + DAY, "enough", "hour"), *(Buried(each, "no") for each in others))
    assert store.outbox_depth() == {"depth": 1, "oldest": NOW + DAY, "held": 0, "dead": 3}
    assert store.look_at_outbox() == store.outbox_depth()
