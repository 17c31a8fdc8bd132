"""Each ordering rule by its number, against the store, and the pure functions at their edges."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from bot_linking.core.codes import PendingCode, digest_of
from bot_linking.core.events import AccountLinked, AccountUnlinked, EventIgnored, LinkingEvent, LinkingRefused
from bot_linking.core.identifiers import Identifiers
from bot_linking.core.ordering import Person, is_outrun, is_stale_unlink, refusal_of
from bot_linking.core.ports import Store

from .histories import STATIC_MS, Stage

PAGE, PSID = "page", "psid"
ADA, GRACE = "ada", "grace"


class Life:
    """One person's taps, as they arrive."""

    def __init__(self, store: Store) -> None:
        self.stage = Stage(store)
        self._attempts = 0

    def mint(self, account: str = ADA, *, attempt: str | None = None, psid: str | None = PSID) -> str:
        self._attempts += 1
        return self.stage.mint(attempt or f"attempt-{self._attempts}", PAGE, psid, account)

    def linked(self, code: str, at: int | None, *, psid: str = PSID, page: str = PAGE) -> object:
        return self.stage.linking.receive([LinkingEvent(page, psid, "linked", code, at)])[0]

    def unlinked(self, at: int | None) -> object:
        return self.stage.linking.receive([LinkingEvent(PAGE, PSID, "unlinked", None, at)])[0]

    def bind(self, account: str) -> None:
        self.stage.linking.bind(PSID, Identifiers(username=account), PAGE, source="api")

    def account_of_code(self, code: str) -> str | None:
        return self.stage.store.account_of_code(digest_of(code))

    @property
    def account(self) -> str | None:
        return self.stage.account_of((PAGE, PSID))

    @property
    def queued(self) -> list[str]:
        entries = self.stage.store.claim_due(10**15, 10**15, {PAGE: 100})
        return [entry.kind for entry in entries]


@pytest.fixture
def life(store: Store) -> Life:
    return Life(store)


def test_rule_1_consuming_a_code_writes_the_link_and_its_message_together(life: Life) -> None:
    code = life.mint()
    assert isinstance(life.linked(code, 10), AccountLinked)
    assert (life.account, life.queued) == (ADA, ["linked"])


def test_rule_1_a_code_consumes_all_codes_of_its_attempt(life: Life) -> None:
    first, second = life.mint(attempt="one"), life.mint(attempt="one")
    life.linked(second, 10)
    assert life.linked(first, 20) == EventIgnored("duplicate", PAGE, PSID)


def test_rule_1_an_attempt_that_has_linked_mints_no_more_codes(life: Life) -> None:
    life.linked(life.mint(attempt="one"), 10)
    assert life.mint(attempt="one") == "refused"


def test_rule_1_an_attempt_stays_with_the_account_it_began_with(life: Life) -> None:
    life.mint(ADA, attempt="one")
    assert life.mint(GRACE, attempt="one") == "refused"


def test_rule_2_a_consumed_code_changes_nothing_while_linked(life: Life) -> None:
    code = life.mint()
    life.linked(code, 10)
    assert life.linked(code, 99) == EventIgnored("duplicate", PAGE, PSID)
    assert life.queued == ["linked"]


def test_rule_2_a_consumed_code_changes_nothing_after_an_unlink(life: Life) -> None:
    code = life.mint()
    life.linked(code, 10)
    life.unlinked(20)
    assert life.linked(code, 99) == EventIgnored("duplicate", PAGE, PSID)
    assert life.account is None


def test_rule_2_a_consumed_code_of_another_person_is_refused_and_the_first_keeps_the_link(life: Life) -> None:
    code = life.mint(psid=None)
    life.linked(code, 10)
    assert life.linked(code, 20, psid="thief") == LinkingRefused("code_used_by_another", PAGE, "thief")
    assert life.account == ADA
    assert life.stage.account_of((PAGE, "thief")) is None


def test_rule_3_a_code_minted_after_the_unlink_is_a_new_attempt_whatever_the_timestamps(life: Life) -> None:
    life.linked(life.mint(), 100)
    life.unlinked(200)
    assert isinstance(life.linked(life.mint(GRACE), 50), AccountLinked)


def test_rule_3_a_code_minted_before_the_unlink_does_not_link_when_its_event_is_older(life: Life) -> None:
    code = life.mint()
    life.unlinked(200)
    assert life.linked(code, 100) == EventIgnored("stale", PAGE, PSID)
    assert life.account is None


def test_rule_3_a_code_minted_before_the_unlink_links_when_its_event_is_newer(life: Life) -> None:
    code = life.mint()
    life.unlinked(200)
    assert isinstance(life.linked(code, 201), AccountLinked)


def test_rule_3_holds_over_a_link_that_the_api_made_since(life: Life) -> None:
    late = life.mint(GRACE)
    life.unlinked(200)
    life.bind(ADA)
    assert life.linked(late, 100) == EventIgnored("stale", PAGE, PSID)
    assert life.account == ADA


def test_rule_3_counts_from_the_unlink_and_not_from_the_link_that_came_after_it(life: Life) -> None:
    life.unlinked(STATIC_MS)
    fresh = life.mint(GRACE)
    life.bind(ADA)
    assert isinstance(life.linked(fresh, STATIC_MS), AccountLinked)
    assert life.account == GRACE


def test_rule_3_holds_over_a_link_whose_event_is_older_than_the_unlink(life: Life) -> None:
    before_unlink = life.mint(GRACE)
    life.unlinked(200)
    life.linked(life.mint(ADA), 40)
    assert life.linked(before_unlink, 150) == EventIgnored("stale", PAGE, PSID)
    assert life.account == ADA


def test_rule_4_an_older_unlink_is_stale(life: Life) -> None:
    life.linked(life.mint(), 100)
    assert life.unlinked(99) == EventIgnored("stale", PAGE, PSID)
    assert life.account == ADA


@pytest.mark.parametrize("at", [100, 101])
def test_rule_4_an_equal_or_newer_unlink_applies(life: Life, at: int) -> None:
    life.linked(life.mint(), 100)
    assert isinstance(life.unlinked(at), AccountUnlinked)
    assert life.account is None


def test_rule_4_a_link_by_the_api_ends_by_any_unlink_that_was_not_seen(life: Life) -> None:
    life.bind(ADA)
    assert isinstance(life.unlinked(1), AccountUnlinked)


def test_rule_4_a_link_by_the_api_stays_when_an_unlink_is_seen_again(life: Life) -> None:
    life.linked(life.mint(), 100)
    life.unlinked(200)
    life.bind(GRACE)
    assert life.unlinked(200) == EventIgnored("stale", PAGE, PSID)
    assert life.account == GRACE


def test_rule_5_at_the_same_moment_the_person_ends_unlinked_in_either_order(life: Life) -> None:
    early, late = life.mint(), life.mint(GRACE)
    life.linked(early, 100)
    life.unlinked(100)
    assert life.account is None
    assert life.linked(late, 100) == EventIgnored("stale", PAGE, PSID)
    assert life.account is None


def test_rule_6_one_person_of_one_page_has_one_link(life: Life) -> None:
    life.linked(life.mint(ADA), 100)
    outcome = life.linked(life.mint(GRACE), 200)
    assert isinstance(outcome, AccountLinked)
    assert outcome.previous_account_id == ADA
    assert [link.account_id for link in life.stage.store.find_links_of_psid(PSID)] == [GRACE]


def test_rule_6_of_two_links_in_a_row_the_newer_event_stays(life: Life) -> None:
    first, second = life.mint(ADA), life.mint(GRACE)
    life.linked(second, 200)
    assert life.linked(first, 100) == EventIgnored("stale", PAGE, PSID)
    assert life.account == GRACE


def test_rule_6_of_two_links_at_one_moment_the_later_code_stays(life: Life) -> None:
    first, second = life.mint(ADA), life.mint(GRACE)
    life.linked(second, 100)
    life.linked(first, 100)
    assert life.account == GRACE


def test_rule_7_a_webhook_that_beats_the_browser_finds_its_code(life: Life) -> None:
    """The code is committed before `approve` returns it."""
    found = list[str | None]()
    code = life.mint()
    thread = threading.Thread(target=lambda: found.append(life.account_of_code(code)))
    thread.start()
    thread.join(60)
    assert found == [ADA]


def test_rule_8_without_timestamps_the_order_of_arrival_decides(life: Life) -> None:
    first, second = life.mint(ADA), life.mint(GRACE)
    life.linked(first, None)
    life.unlinked(None)
    assert life.account is None
    life.linked(second, None)
    assert life.account == GRACE


def test_rule_8_an_unlink_without_timestamp_is_newer_than_the_link_it_ends(life: Life) -> None:
    late, present = life.mint(GRACE), life.mint(ADA)
    life.linked(present, 100)
    life.unlinked(None)
    assert life.linked(late, 90) == EventIgnored("stale", PAGE, PSID)


def test_the_rules_hold_with_the_one_timestamp_of_the_published_samples(life: Life) -> None:
    for account in (ADA, GRACE, ADA):
        assert isinstance(life.linked(life.mint(account), STATIC_MS), AccountLinked)
        assert isinstance(life.unlinked(STATIC_MS), AccountUnlinked)
        assert life.unlinked(STATIC_MS) == EventIgnored("not_linked", PAGE, PSID)


def test_an_unlink_by_us_is_not_undone_by_a_late_event(life: Life) -> None:
    life.linked(life.mint(ADA), life.stage.now)
    late = life.mint(GRACE)
    at = life.stage.now
    life.stage.now_s += 5
    assert life.stage.linking.unlink(PSID, PAGE)
    assert life.linked(late, at) == EventIgnored("stale", PAGE, PSID)
    assert life.account is None


CODE = PendingCode(5, "attempt", PAGE, PSID, ADA, None, None, None, None, 1000, 2000, None, None)
EVENT = LinkingEvent(PAGE, PSID, "linked", "code", 1500)


@pytest.mark.parametrize(
    ("code", "event", "now", "expected"),
    [
        (None, EVENT, 1500, "code_unknown"),
        (replace(CODE, consumed_at=1, consumed_by=PSID), EVENT, 1500, "duplicate"),
        (replace(CODE, consumed_at=1, consumed_by=None), EVENT, 1500, "duplicate"),
        (replace(CODE, consumed_at=1, consumed_by="other"), EVENT, 1500, "code_used_by_another"),
        (replace(CODE, page_id="elsewhere"), EVENT, 1500, "code_wrong_page"),
        (replace(CODE, psid="other"), EVENT, 1500, "code_wrong_person"),
        (CODE, replace(EVENT, timestamp=None), 2001, "code_expired"),
        (CODE, EVENT, 2001, None),
        (replace(CODE, page_id=None, psid=None), EVENT, 1500, None),
        (CODE, EVENT, 1500, None),
    ],
)
def test_a_code_is_refused_for_one_named_reason(
    code: PendingCode | None, event: LinkingEvent, now: int, expected: str | None
) -> None:
    assert refusal_of(code, event, now_ms=now) == expected


def test_a_stolen_code_is_no_duplicate_even_when_it_has_expired_too() -> None:
    """The refusal says that another person used the code."""
    used = replace(CODE, consumed_at=1, consumed_by="other")
    assert refusal_of(used, EVENT, now_ms=10**13) == "code_used_by_another"


def test_nothing_outruns_the_first_link_of_a_person() -> None:
    assert not is_outrun(CODE, EVENT, Person())
    assert not is_outrun(CODE, replace(EVENT, timestamp=None), Person())


@pytest.mark.parametrize(("at", "outrun"), [(1499, True), (1500, True), (1501, False), (None, False)])
def test_an_old_code_links_an_unlinked_person_only_by_a_newer_event(at: int | None, outrun: bool) -> None:
    person = Person(changed_tick=5, unlinked_ms=1500, unlinked_tick=5)
    assert is_outrun(CODE, replace(EVENT, timestamp=at), person) is outrun


@pytest.mark.parametrize(
    ("at", "tick", "outrun"), [(99, 5, True), (100, 4, False), (100, 6, True), (101, 6, False)]
)
def test_of_two_links_the_pair_of_timestamp_and_code_decides(at: int, tick: int, outrun: bool) -> None:
    person = Person(ADA, event_ms=100, code_tick=tick, changed_tick=9)
    assert is_outrun(CODE, replace(EVENT, timestamp=at), person) is outrun


@pytest.mark.parametrize(("at", "seen", "stale"), [(5, False, False), (5, True, True), (None, False, False)])
def test_a_link_without_timestamp_only_outlives_an_unlink_seen_before(
    at: int | None, seen: bool, stale: bool
) -> None:
    event = LinkingEvent(PAGE, PSID, "unlinked", None, at)
    assert is_stale_unlink(event, Person(ADA), seen_before=seen) is stale


@pytest.mark.parametrize(("at", "stale"), [(99, True), (100, False), (101, False), (None, False)])
def test_a_link_with_a_timestamp_outlives_older_unlinks_whether_seen_or_not(
    at: int | None, stale: bool
) -> None:
    event = LinkingEvent(PAGE, PSID, "unlinked", None, at)
    for seen in (False, True):
        assert is_stale_unlink(event, Person(ADA, event_ms=100), seen_before=seen) is stale
