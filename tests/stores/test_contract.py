"""What every store promises, method by method."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock

import pytest

from bot_linking.core.codes import digest_of, limits_of, mint_code
from bot_linking.core.events import (
    AccountLinked,
    AccountUnlinked,
    EventIgnored,
    LinkChanged,
    LinkingEvent,
    LinkingRefused,
)
from bot_linking.core.history import Audit
from bot_linking.core.identifiers import Identifiers
from bot_linking.core.journey import Stage
from bot_linking.core.links import Account, from_ms
from bot_linking.core.ports import ApiKey, Attempt, Refusal, Store
from bot_linking.core.ports.attempts import MOST_CODES
from bot_linking.stores import open_store
from bot_linking.stores.engine import Tx
from bot_linking.stores.store import SQLStore
from bot_linking.stores.upkeep import PURGED_AT_ONCE, RETENTION

from .given import (
    ADA,
    DATABASES,
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
from .memory import MemoryStore
from .test_importing import imported, take


@pytest.fixture(params=["memory", *sorted(DATABASES)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SQLStore]:
    """Every store of ours, and one that was written from the prose of the contract alone."""
    if request.param == "memory":
        yield cast(SQLStore, MemoryStore())
        return
    with DATABASES[request.param](tmp_path) as address, closing(open_store(address)) as opened:
        yield opened


def test_the_store_is_a_store_to_the_type_checker(store: SQLStore) -> None:
    promised: Store = store
    promised.check()


# Links


def test_a_link_is_found_by_page_and_person_with_all_its_fields(store: SQLStore) -> None:
    outcome = link(store)
    assert isinstance(outcome, AccountLinked)
    found = store.find_link(PAGE, PSID)
    assert found == outcome.link
    assert found is not None
    assert found.as_dict() | {"linked_at": "", "updated_at": ""} == {
        "page_id": PAGE, "psid": PSID, "account_id": "1", "username": "ada", "email": "ada@example.com",
        "phone_number": "+44 1815", "source": "login", "linked_at": "", "updated_at": "",
    }  # fmt: skip
    assert found.linked_at == found.updated_at == from_ms(NOW)


def test_no_link_is_found_under_another_page_or_person(store: SQLStore) -> None:
    link(store)
    assert store.find_link(PAGE, PSID + "0") is None
    assert store.find_link(PAGE + "0", PSID) is None
    assert store.find_link(PSID, PAGE) is None


def test_ids_are_text_so_that_look_alike_numbers_are_different_people(store: SQLStore) -> None:
    people = [
        "0123",
        "123",
        "123.0",
        "+123",
        "1e2",
        "100",
        "1E2",
        "00100",
        "0x7b",
        "9" * 30,
        "inf",
        "NaN",
        "-0",
        "0",
    ]
    for number, psid in enumerate(people):
        link(store, Account(psid), psid=psid, page="007" if number % 2 else "7")
    for number, psid in enumerate(people):
        found = store.find_link("007" if number % 2 else "7", psid)
        assert found is not None
        assert (found.psid, found.account_id) == (psid, psid)
        assert [each.psid for each in store.find_links_of_account(psid)] == [psid]
        assert [each.account_id for each in store.find_links_of_psid(psid)] == [psid]


@pytest.mark.parametrize("text", ["'; drop table links; --", "用户", "a\tb", "%", "_", "😀", "x" * 255])
def test_an_account_may_be_called_anything(store: SQLStore, text: str) -> None:
    link(store, Account(text, text, text, text))
    found = store.find_link(PAGE, PSID)
    assert found is not None
    assert (found.account_id, found.username, found.email, found.phone_number) == (text,) * 4


def test_a_name_with_a_null_character_is_kept_whole_or_refused_whole(store: SQLStore) -> None:
    """PostgreSQL cannot keep such text. It is never cut short: the rest could be another account's."""
    try:
        link(store, Account("ada\x00"))
    except ValueError:
        assert list(store.list_links()) == store.find_links_of_account("ada") == []
    else:
        assert [each.account_id for each in store.list_links()] == ["ada\x00"]
    assert store.find_links_of_account("ada") == []
    assert store.find_link(PAGE, PSID + "\x00") is None


def test_links_of_an_account_come_by_age_and_without_those_that_ended(store: SQLStore) -> None:
    for age, psid in enumerate(("30", "10", "20")):
        link(store, psid=psid, now=NOW + age)
    link(store, GRACE, psid="40")
    store.unlink(PAGE, "10", "python", NOW + 9)
    assert [each.psid for each in store.find_links_of_account("1")] == ["30", "20"]
    assert store.find_links_of_account("3") == []


def test_links_of_a_psid_are_told_apart_by_page(store: SQLStore) -> None:
    for page in ("1", "2"):
        link(store, page=page)
    link(store, page="3", psid="another")
    assert [each.page_id for each in store.find_links_of_psid(PSID)] == ["1", "2"]


def test_all_links_are_listed_once_over_page_after_page(store: SQLStore) -> None:
    many = [f"{number:04}" for number in range(1001)]
    if hasattr(store, "import_links"):
        take(store, [imported(psid) for psid in many], NOW)
    else:  # the model imports nothing
        for psid in many:
            link(store, psid=psid)
    store.unlink(PAGE, "0500", "python", NOW)
    assert [each.psid for each in store.list_links()] == [psid for psid in many if psid != "0500"]


def test_pages_are_known_from_their_links(store: SQLStore) -> None:
    assert store.find_pages() == []
    link(store, page="1")
    assert store.find_pages() == ["1"]
    link(store, page="2")
    assert store.find_pages() == ["1", "2"]


def test_the_locale_of_the_linking_pages_is_kept_and_survives_an_unlink(store: SQLStore) -> None:
    assert store.contact_of(PAGE, PSID).locale is None
    link(store)
    store.unlink(PAGE, PSID, "python", NOW)
    assert store.contact_of(PAGE, PSID).locale == "en_GB"


def test_a_new_link_to_the_same_account_keeps_the_day_it_began(store: SQLStore) -> None:
    link(store)
    assert link(store, now=NOW + 5) == EventIgnored("unchanged", PAGE, PSID)
    found = store.find_link(PAGE, PSID)
    assert found is not None
    assert (found.linked_at, found.updated_at) == (from_ms(NOW), from_ms(NOW + 5))
    link(store, GRACE, now=NOW + 7)
    found = store.find_link(PAGE, PSID)
    assert found is not None
    assert found.linked_at == from_ms(NOW + 7)


# Events


def test_a_refused_code_is_not_used_up(store: SQLStore) -> None:
    code = save_code(store)
    for thief in (linked(code, psid="thief"), linked(code, page="elsewhere")):
        (outcome,) = store.receive([thief], NOW)
        assert isinstance(outcome, LinkingRefused)
    assert isinstance(store.receive([linked(code)], NOW)[0], AccountLinked)


def test_a_refusal_is_told_to_the_person_once_in_ten_minutes(store: SQLStore) -> None:
    for now in (NOW, NOW + 1, NOW + 10 * MINUTE - 1):
        store.receive([linked(mint_code())], now)
    assert queued(store) == [(PSID, "refused")]
    store.receive([linked(mint_code())], NOW + 10 * MINUTE)
    assert queued(store) == [(PSID, "refused")]


@pytest.mark.parametrize(
    "code", ["", "1234567890", "something", "é" * 32, "x" * 33, "x" * 31, "x" * 31 + "="]
)
def test_a_code_of_another_shape_is_another_apps_and_queues_nothing(store: SQLStore, code: str) -> None:
    assert store.receive([linked(code)], NOW) == [LinkingRefused("code_unknown", PAGE, PSID)]
    assert queued(store) == []


def test_an_unknown_code_of_our_shape_is_explained(store: SQLStore) -> None:
    assert store.receive([linked("x" * 32)], NOW) == [LinkingRefused("code_unknown", PAGE, PSID)]
    assert queued(store) == [(PSID, "refused")]


@pytest.mark.parametrize("poison", [2**63, -(2**70)])
def test_an_event_that_cannot_be_stored_is_kept_as_a_dead_letter_and_harms_no_other(
    store: SQLStore, poison: int
) -> None:
    first, bad, last = (save_code(store, attempt_for(psid=psid)) for psid in ("1", "2", "3"))
    outcomes = store.receive(
        [
            linked(first, psid="1"),
            linked(bad, psid="2", at=poison),
            unlinked(psid="2", at=poison),
            linked(last, psid="3"),
        ],
        NOW,
    )
    assert [type(each) for each in outcomes] == [AccountLinked, LinkingRefused, LinkingRefused, AccountLinked]
    assert outcomes[1] == LinkingRefused("event_failed", PAGE, "2")
    assert [(entry.psid, entry.kind) for entry in store.list_dead()] == [("2", "event"), ("2", "event")]
    assert isinstance(store.receive([linked(bad, psid="2")], NOW)[0], AccountLinked)


def test_unlinking_by_our_side_queues_the_farewell_and_the_call_to_messenger(store: SQLStore) -> None:
    link(store)
    assert store.unlink(PAGE, PSID, "python", NOW + 1) == AccountUnlinked(PAGE, PSID, "1", "python")
    assert store.find_link(PAGE, PSID) is None
    assert queued(store) == [(PSID, "unlinked"), (PSID, "unlink_call")]


def test_unlinking_a_person_without_a_link_queues_nothing(store: SQLStore) -> None:
    assert store.unlink(PAGE, PSID, "python", NOW) == EventIgnored("not_linked", PAGE, PSID)
    assert queued(store) == []


def test_logging_in_again_withdraws_an_unlink_call_that_was_not_made(store: SQLStore) -> None:
    link(store)
    store.unlink(PAGE, PSID, "python", NOW + 1)
    link(store, now=NOW + 2)
    assert queued(store) == [(PSID, "linked")]


def test_an_unlinked_event_leaves_no_identifiers(store: SQLStore) -> None:
    link(store)
    assert store.receive([unlinked()], NOW + 1) == [AccountUnlinked(PAGE, PSID, "1", "messenger")]
    assert store.find_links_of_account("1") == []
    assert store.find_links_of_psid(PSID) == []


def test_newer_news_replaces_a_message_that_waits(store: SQLStore) -> None:
    link(store)
    store.receive([unlinked()], NOW + 1)
    link(store, GRACE, now=NOW + 2)
    store.receive([unlinked(at=NOW + 3)], NOW + 3)
    assert queued(store) == [(PSID, "unlinked")]


def test_newer_news_follows_a_message_that_is_being_delivered(store: SQLStore) -> None:
    link(store)
    (entry,) = claim(store)
    store.receive([unlinked()], NOW + 1)
    assert claim(store, NOW + 2) == []
    finish(store, entry)
    assert queued(store) == [(PSID, "unlinked")]


# Binding by the site


def test_binding_links_a_person_by_what_the_site_gave(store: SQLStore) -> None:
    (outcome,) = store.bind(PAGE, PSID, Identifiers(email="ada@example.com"), "api", NOW)
    assert isinstance(outcome, AccountLinked)
    assert (outcome.link.account_id, outcome.link.source) == ("email:ada@example.com", "api")
    assert queued(store) == [(PSID, "linked")]


def test_binding_the_same_facts_again_writes_nothing(store: SQLStore) -> None:
    given = Identifiers(username="ada", email="ada@example.com")
    store.bind(PAGE, PSID, given, "api", NOW)
    before = store.find_link(PAGE, PSID)
    assert store.bind(PAGE, PSID, given, "api", NOW + 5) == [EventIgnored("unchanged", PAGE, PSID)]
    assert store.find_link(PAGE, PSID) == before
    assert len(store.history_of(PAGE, PSID)) == 1


def test_binding_other_identifiers_of_the_same_account_changes_the_link(store: SQLStore) -> None:
    store.bind(PAGE, PSID, Identifiers(username="ada"), "api", NOW)
    (outcome,) = store.bind(PAGE, PSID, Identifiers(email="ada@example.com"), "api", NOW + 5)
    assert isinstance(outcome, LinkChanged)
    assert outcome.identifiers == ("email",)
    assert (outcome.link.linked_at, outcome.link.updated_at) == (from_ms(NOW), from_ms(NOW + 5))


def test_the_history_has_each_change_with_its_source_and_its_request(store: SQLStore) -> None:
    link(store)
    audit = Audit("key-1", "request-1", '{"a": 1}')
    store.bind(PAGE, PSID, Identifiers(username="grace"), "api", NOW + 1, audit=audit)
    store.unlink(PAGE, PSID, "python", NOW + 2)
    store.unlink(PAGE, PSID, "python", NOW + 3)
    changes = store.history_of(PAGE, PSID)
    assert [(each.source, each.what, each.account_before, each.account_after) for each in changes] == [
        ("login", "linked", None, "1"),
        ("api", "linked", "1", "username:grace"),
        ("python", "unlinked", "username:grace", None),
    ]
    assert (changes[1].key_id, changes[1].request_id, changes[1].meta) == ("key-1", "request-1", '{"a": 1}')
    assert store.history_of("elsewhere", PSID) == []
    assert store.history_of(None, PSID) == changes


# Attempts and codes


def kept(store: SQLStore, **values: Any) -> Attempt:
    """An attempt that is saved in the store."""
    given: dict[str, Any] = {
        "session_digest": "session",
        "expires_at": NOW + MINUTE,
        "stage": Stage.CONSENT_SHOWN,
    }
    attempt = replace(attempt_for(), **(given | values))
    assert store.save_attempt(attempt)
    return attempt


def test_an_attempt_comes_back_as_it_was_whatever_its_stage_and_age(store: SQLStore) -> None:
    for stage in Stage:
        refusal = Refusal("login", "many", "adä", "a@example.com", "username", "No.", NOW)
        attempt = kept(store, stage=stage, refusal=refusal, page_hint="9", second_factor_at=NOW, expires_at=1)
        assert store.find_attempt(attempt.attempt_id) == attempt
    assert store.find_attempt("other") is None


def test_an_attempt_without_an_account_comes_back_without_one(store: SQLStore) -> None:
    attempt = kept(store, account=None, page_id=None, psid=None, profile_name=None, stage=Stage.OPENED)
    assert store.find_attempt(attempt.attempt_id) == attempt


def test_an_attempt_is_kept_once(store: SQLStore) -> None:
    attempt = kept(store)
    assert not store.save_attempt(replace(attempt, account=GRACE, session_digest="another"))
    assert store.find_attempt(attempt.attempt_id) == attempt


@pytest.mark.parametrize(
    "seen",
    [
        {"session_digest": "other"},
        {"stage": Stage.PASSWORD_GIVEN},
        {"attempt_id": "other"},
        {"session_digest": None},
    ],
    ids=str,
)
def test_an_attempt_is_changed_only_as_the_caller_read_it(store: SQLStore, seen: dict[str, Any]) -> None:
    attempt = kept(store)
    after = replace(attempt, account=GRACE, stage=Stage.APPROVED, session_digest="another")
    assert not store.save_attempt(replace(after, **{k: v for k, v in seen.items() if k == "attempt_id"}),
                                  before=replace(attempt, **seen))  # fmt: skip
    assert store.find_attempt(attempt.attempt_id) == attempt
    assert store.save_attempt(after, before=attempt)
    assert store.find_attempt(attempt.attempt_id) == after


def test_leaving_an_attempt_deletes_its_unused_codes(store: SQLStore) -> None:
    attempt, other = kept(store), attempt_for(GRACE, psid="9")
    code, others = save_code(store, attempt), save_code(store, other)
    approved = replace(attempt, stage=Stage.APPROVED)
    assert not store.save_attempt(replace(attempt, stage=Stage.LEFT), before=attempt), "it is approved by now"
    assert store.account_of_code(digest_of(code)) == "1"
    assert store.save_attempt(replace(attempt, stage=Stage.LEFT), before=approved)
    assert store.account_of_code(digest_of(code)) is None
    assert isinstance(store.receive([linked(others, psid="9")], NOW)[0], AccountLinked)


def test_only_an_attempt_at_the_consent_gets_a_code(store: SQLStore) -> None:
    for stage in set(Stage) - {Stage.CONSENT_SHOWN, Stage.APPROVED}:
        attempt = kept(store, stage=stage)
        for claimed in (stage, Stage.CONSENT_SHOWN, Stage.APPROVED, Stage.OPENED):
            word = replace(attempt, stage=claimed)
            assert not store.save_code(f"digest {stage} {claimed}", word, None, NOW, NOW + 1), (
                stage,
                claimed,
            )


def test_a_code_needs_the_attempts_own_session_account_and_time(store: SQLStore) -> None:
    attempt = kept(store)
    for wrong in (replace(attempt, session_digest="x"), replace(attempt, account=GRACE)):
        assert not store.save_code("digest", wrong, None, NOW, NOW + 1)
    assert not store.save_code("digest", attempt, None, NOW + MINUTE, NOW + MINUTE + 1)
    assert store.save_code("digest", attempt, None, NOW, NOW + 1)
    found = store.find_attempt(attempt.attempt_id)
    assert found is not None
    assert found.stage is Stage.APPROVED


def test_an_attempt_gives_a_bounded_number_of_codes(store: SQLStore) -> None:
    attempt = kept(store)
    given = [store.save_code(f"digest {number}", attempt, None, NOW, NOW + 1) for number in range(20)]
    assert given == [True] * MOST_CODES + [False] * (20 - MOST_CODES)


def test_a_used_code_ends_its_attempt(store: SQLStore) -> None:
    attempt = kept(store)
    store.receive([linked(save_code(store, attempt))], NOW)
    found = store.find_attempt(attempt.attempt_id)
    assert found is not None
    assert found.stage is Stage.DONE


def test_the_account_of_a_code_is_known_until_the_code_is_used(store: SQLStore) -> None:
    code = save_code(store)
    assert store.account_of_code(digest_of(code)) == "1"
    assert store.account_of_code(digest_of("made up")) is None
    store.receive([linked(code)], NOW)
    assert store.account_of_code(digest_of(code)) is None


def test_an_attempt_gives_no_code_after_it_linked_nor_for_another_account(store: SQLStore) -> None:
    attempt = attempt_for()
    code = save_code(store, attempt)
    assert not store.save_code("digest", replace(attempt, account=GRACE), None, NOW, NOW + 1)
    assert store.save_code("another", attempt, None, NOW, NOW + 1)
    store.receive([linked(code)], NOW)
    assert not store.save_code("third", attempt, None, NOW, NOW + 1)


def test_pending_codes_and_attempts_of_one_account_are_dropped_and_its_link_stays(store: SQLStore) -> None:
    link(store)
    adas, graces = save_code(store), save_code(store, attempt_for(GRACE, psid="9"))
    attempt = kept(store)
    store.drop_pending("1")
    assert store.find_attempt(attempt.attempt_id) is None
    assert store.receive([linked(adas)], NOW) == [LinkingRefused("code_unknown", PAGE, PSID)]
    assert isinstance(store.receive([linked(graces, psid="9")], NOW)[0], AccountLinked)
    assert store.find_link(PAGE, PSID) is not None


def test_a_used_code_stays_used_when_its_account_drops_what_is_pending(store: SQLStore) -> None:
    code = save_code(store)
    store.receive([linked(code)], NOW)
    store.drop_pending("1")
    assert store.receive([linked(code)], NOW) == [EventIgnored("duplicate", PAGE, PSID)]


# What was interrupted


def test_what_was_interrupted_is_kept_per_person_and_taken_once(store: SQLStore) -> None:
    store.save_resume(PAGE, PSID, {"order": [1, "ä"]}, NOW)
    store.save_resume(PAGE, "9", "other", NOW)
    assert store.take_resume(PAGE, PSID) == {"order": [1, "ä"]}
    assert store.take_resume(PAGE, PSID) is None
    assert store.take_resume(PAGE, "9") == "other"


def test_the_latest_of_what_was_interrupted_counts_with_or_without_a_page(store: SQLStore) -> None:
    store.save_resume(PAGE, PSID, "first", NOW)
    store.save_resume(PAGE, PSID, "second", NOW + 1)
    store.save_resume("", PSID, "third", NOW + 2)
    assert store.take_resume(PAGE, PSID) == "third"
    assert store.take_resume(PAGE, PSID) is None


# Throttles


def test_hits_are_counted_in_a_window_that_does_not_slide(store: SQLStore) -> None:
    assert [store.hit("key", NOW + 100, NOW), store.hit("key", NOW + 150, NOW + 50)] == [1, 2]
    assert store.find_limit("key", NOW + 99, HOUR) == (2, NOW + 100)
    assert store.find_limit("key", NOW + 100, HOUR) == (0, NOW + 100)
    assert store.hit("key", NOW + 200, NOW + 100) == 1
    assert store.find_limit("key", NOW + 150, HOUR) == (1, NOW + 200)


def test_hits_are_refunded_down_to_zero_at_most(store: SQLStore) -> None:
    store.hit("key", NOW + 100, NOW)
    store.refund("key", NOW + 1)
    store.refund("key", NOW + 1)
    store.refund("never hit", NOW + 1)
    assert [store.hit("key", NOW + 100, NOW + 2), store.hit("key", NOW + 100, NOW + 2)] == [1, 2]
    assert store.hit("never hit", NOW + 100, NOW) == 1


def test_no_hit_is_refunded_in_a_window_that_has_ended(store: SQLStore) -> None:
    store.hit("key", NOW + 100, NOW)
    store.refund("key", NOW + 100)
    assert store.hit("key", NOW + 300, NOW + 200) == 1


def test_a_limit_starts_again_when_it_is_dropped(store: SQLStore) -> None:
    store.hit("key", NOW + 100, NOW)
    store.drop_limit("key")
    assert store.find_limit("key", NOW, HOUR) == (0, NOW)


# API keys


KEY = ApiKey("k1", "shop", "digest", (PAGE,), NOW)


def test_an_api_key_is_found_by_its_digest_until_it_is_revoked(store: SQLStore) -> None:
    assert store.save_api_key(KEY)
    assert store.find_api_key("digest") == KEY
    assert store.find_api_key("other") is None
    assert store.revoke_api_key("shop", NOW + 5)
    assert not store.revoke_api_key("shop", NOW + 6)
    assert store.find_api_key("digest") is None
    assert store.list_api_keys() == [replace(KEY, revoked_at=NOW + 5)]


def test_a_name_is_free_again_once_its_key_is_revoked(store: SQLStore) -> None:
    assert store.save_api_key(KEY)
    second = replace(KEY, id="k2", digest="second", created_at=NOW + 1)
    assert not store.save_api_key(second)
    store.revoke_api_key("shop", NOW)
    assert store.save_api_key(second)
    assert store.find_api_key("second") == second


def test_the_last_use_of_a_key_is_kept_and_never_goes_back(store: SQLStore) -> None:
    store.save_api_key(KEY)
    for now in (NOW + 5, NOW + 3):
        store.touch_api_key("k1", now)
    assert store.find_api_key("digest") == replace(KEY, last_used_at=NOW + 5)


# Upkeep


def test_a_great_many_old_rows_are_purged_in_short_steps(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(url)
    many = 2 * PURGED_AT_ONCE + 1

    def count_many(tx: Tx) -> None:
        for number in range(many):
            tx.put("hit", key=str(number), expires_at=NOW + 1, now=NOW)

    store.engine.write(count_many)
    write = Mock(side_effect=store.engine.write)
    monkeypatch.setattr(store.engine, "write", write)
    store.purge(NOW + 2)
    assert store.find_limit("0", NOW, HOUR) == store.find_limit(str(many - 1), NOW, HOUR) == (0, NOW)
    assert write.call_count == len(RETENTION) + 3  # two more of the many, and what was abandoned
    store.close()


def test_nothing_is_forgotten_while_an_event_may_still_need_it(store: SQLStore) -> None:
    late = save_code(store)
    store.save_resume(PAGE, PSID, "order", NOW)
    store.receive([unlinked(psid="9", at=NOW)], NOW)
    store.purge(NOW + HOUR)
    assert store.take_resume(PAGE, PSID) == "order"
    store.purge(NOW + 36 * HOUR)  # the longest that a webhook is retried
    assert isinstance(store.receive([linked(late)], NOW + 36 * HOUR)[0], AccountLinked)


def test_a_stale_event_stays_stale_for_as_long_as_a_webhook_is_retried(store: SQLStore) -> None:
    code = save_code(store)
    store.receive([unlinked(at=NOW + 10)], NOW)
    store.purge(NOW + 36 * HOUR)
    assert store.receive([linked(code, at=NOW + 5)], NOW + 36 * HOUR) == [EventIgnored("stale", PAGE, PSID)]


def test_a_captured_unlink_is_still_stale_after_a_hundred_days(
    store: SQLStore,
) -> None:
    link(store)
    captured = unlinked(at=NOW + 1)
    store.receive([captured], NOW + 1)
    store.bind(PAGE, PSID, Identifiers(username="ada"), "api", NOW + DAY)
    later = NOW + 100 * DAY
    store.purge(later)
    assert store.receive([captured], later) == [EventIgnored("stale", PAGE, PSID)]
    assert isinstance(store.receive([unlinked(at=later)], later)[0], AccountUnlinked)


def test_purging_never_takes_a_link_or_what_waits_to_be_sent(store: SQLStore) -> None:
    link(store)
    store.purge(NOW + 1000 * DAY)
    assert store.find_link(PAGE, PSID) is not None
    assert queued(store) == [(PSID, "linked")]


def test_a_store_that_works_passes_its_check(store: SQLStore) -> None:
    store.check()


def test_a_closed_store_opens_itself_again(store: SQLStore) -> None:
    link(store)
    store.close()
    assert store.find_link(PAGE, PSID) is not None


def test_one_post_may_link_unlink_and_link_a_person_again(store: SQLStore) -> None:
    codes = [save_code(store, attempt_for(account)) for account in (ADA, GRACE)]
    events: list[LinkingEvent] = [
        linked(codes[0], at=NOW + 1),
        unlinked(at=NOW + 2),
        linked(codes[1], at=NOW + 3),
        linked(codes[0], at=NOW + 1),
    ]
    assert [type(each) for each in store.receive(events, NOW)] == [
        AccountLinked, AccountUnlinked, AccountLinked, EventIgnored,
    ]  # fmt: skip
    found = store.find_link(PAGE, PSID)
    assert found is not None
    assert found.account_id == "2"


def test_a_chat_that_another_account_has_is_not_erased_with_the_former(store: SQLStore) -> None:
    link(store)
    assert store.erase(PAGE, PSID, NOW, account_id=GRACE.id) == 0
    assert store.find_link(PAGE, PSID) is not None
    assert store.erase(PAGE, PSID, NOW, account_id=ADA.id) > 0
    assert store.find_link(PAGE, PSID) is None


@pytest.mark.parametrize("page", [PAGE, None])
def test_erasing_a_person_forgets_how_often_they_were_written_to(store: SQLStore, page: str | None) -> None:
    """The counters' keys are digests of page and PSID, which a holder of a list of PSIDs could compute."""
    store.receive([linked("x" * 32)], NOW)
    link(store)
    keys = limits_of(PAGE, PSID)
    for key in keys:
        store.hit(key, NOW + HOUR, NOW)
    store.hit("another's", NOW + HOUR, NOW)
    store.erase(page, PSID, NOW)
    assert [store.find_limit(key, NOW, HOUR)[0] for key in (*keys, "another's")] == [0, 0, 0, 1]
