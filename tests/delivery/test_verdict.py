"""What each refusal leads to, for each kind of entry."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot_linking.core.errors import DeliveryFailed, GiveUp
from bot_linking.core.ports.outbox import Buried, OutboxEntry, Postponed
from bot_linking.delivery.backoff import LONGEST_PROBE_S, SHORTEST_PROBE_S
from bot_linking.delivery.pauses import FOR_EVER_MS
from bot_linking.delivery.verdict import NOBODY_WROTE, deadline_of, is_over, pause_after, verdict_on

from .post import Refusal

NOW = 1_800_000_000_000
HOUR, DAY = 3_600_000, 86_400_000
ENTRY = OutboxEntry(1, "claim", "page", "psid", "linked", None, NOW, 1)


def judge(problem: DeliveryFailed, entry: OutboxEntry = ENTRY, now: int = NOW) -> Buried | Postponed:
    outcome = verdict_on(entry, problem, now)
    assert isinstance(outcome, Buried | Postponed)
    return outcome


def test_a_passing_error_is_tried_again_for_a_day() -> None:
    soon, late = judge(Refusal("later")), judge(Refusal("later"), now=NOW + DAY + 1000)
    assert isinstance(soon, Postponed)
    assert NOW < soon.next_at <= NOW + 1000
    assert isinstance(late, Buried)


def test_a_retry_after_is_obeyed() -> None:
    outcome = judge(Refusal("later", retry_after=90))
    assert isinstance(outcome, Postponed)
    assert outcome.next_at == NOW + 90_000


@pytest.mark.parametrize("kind", ["linked", "unlinked", "refused", "sorry", "resume"])
def test_a_permanent_refusal_buries_the_entry_and_queues_nothing(kind: str) -> None:
    assert judge(Refusal("never"), replace(ENTRY, kind=kind)) == Buried(
        replace(ENTRY, kind=kind), "scripted never"
    )


@pytest.mark.parametrize(("kind", "word"), [("resume", "sorry"), ("linked", None)])
def test_a_person_whose_question_is_given_up_is_told(kind: str, word: str | None) -> None:
    entry = replace(ENTRY, kind=kind)
    for problem, now in ((GiveUp("no"), NOW), (Refusal("later"), NOW + 2 * DAY)):
        outcome = judge(problem, entry, now)
        assert isinstance(outcome, Buried)
        assert outcome.then == word


@pytest.mark.parametrize("advice", ["never", "window", "page", "later"])
@pytest.mark.parametrize("age", [0, DAY, 8 * DAY, 400 * DAY])
def test_a_call_to_messenger_is_never_given_up(advice: str, age: int) -> None:
    entry = replace(ENTRY, kind="unlink_call")
    outcome = judge(Refusal(advice, whole_page=advice == "page"), entry, NOW + age)
    assert isinstance(outcome, Postponed)
    assert NOW + age < outcome.next_at <= NOW + age + DAY
    assert outcome.held_for == ("refused" if advice == "never" else None)
    assert is_over(replace(entry, held_for="window"), NOW + age) is None


@pytest.mark.parametrize("advice", ["never", "window", "page", "later"])
def test_a_call_that_was_refused_for_good_is_set_aside_whatever_its_next_try_meets(advice: str) -> None:
    entry = replace(ENTRY, kind="unlink_call", held_for="refused")
    outcome = judge(Refusal(advice, whole_page=advice == "page"), entry, NOW + DAY)
    assert isinstance(outcome, Postponed)
    assert outcome.held_for == "refused"


# Outside the window


def test_outside_the_window_an_entry_waits_seven_days_from_its_queueing() -> None:
    outcome = judge(Refusal("window"), now=NOW + HOUR)
    assert isinstance(outcome, Postponed)
    assert (outcome.next_at, outcome.held_for) == (NOW + 7 * DAY, "window")
    assert deadline_of(ENTRY) == NOW + 7 * DAY


@pytest.mark.parametrize("advice", ["window", "never", "later", "page"])
def test_a_waiting_entry_goes_on_waiting_after_any_refusal(advice: str) -> None:
    waiting = replace(ENTRY, held_for="window")
    outcome = judge(Refusal(advice, whole_page=advice == "page"), waiting, NOW + 2 * DAY)
    assert isinstance(outcome, Postponed)
    assert outcome.held_for == "window"
    tried_soon = outcome.next_at < NOW + 3 * DAY
    assert tried_soon is (advice in ("later", "page"))


def test_an_entry_that_has_waited_seven_days_is_given_up_without_another_try() -> None:
    waiting = replace(ENTRY, held_for="window")
    assert is_over(waiting, NOW + 7 * DAY - 1) is None
    assert is_over(waiting, NOW + 7 * DAY) == Buried(waiting, NOBODY_WROTE)
    assert judge(Refusal("later"), waiting, NOW + 7 * DAY) == Buried(waiting, NOBODY_WROTE)


def test_a_handler_may_give_up_an_entry_that_waits() -> None:
    assert judge(GiveUp("no"), replace(ENTRY, held_for="window")) == Buried(
        replace(ENTRY, held_for="window"), "no"
    )


# What is to be mended


@pytest.mark.parametrize("age", [0, 400 * DAY])
def test_an_entry_that_waits_for_its_page_is_never_given_up(age: int) -> None:
    for whole in (True, False):
        outcome = judge(Refusal("page", whole_page=whole, cause="permission"), now=NOW + age)
        assert isinstance(outcome, Postponed)
        assert outcome.held_for == (None if whole else "page")


def test_only_an_error_of_the_whole_page_pauses_it() -> None:
    for advice in ("later", "never", "page", "window"):
        problem = Refusal(advice)
        assert pause_after(problem, judge(problem), NOW, keys="keys", paused_since=NOW) is None


@pytest.mark.parametrize("cause", ["token", "secret"])
def test_a_bad_token_or_secret_pauses_the_page_until_there_is_another(cause: str) -> None:
    problem = Refusal("page", whole_page=True, cause=cause)
    pause = pause_after(problem, judge(problem), NOW, keys="keys", paused_since=NOW)
    assert pause is not None
    assert (pause.cause, pause.keys, pause.until) == (cause, "keys", NOW + FOR_EVER_MS)


@pytest.mark.parametrize(
    ("waited_s", "probe_s"),
    [(0, SHORTEST_PROBE_S), (3000, SHORTEST_PROBE_S), (6000, 600), (10**6, LONGEST_PROBE_S)],
)
def test_a_page_to_be_mended_at_meta_is_tried_ever_more_seldom(waited_s: int, probe_s: float) -> None:
    problem = Refusal("page", whole_page=True, cause="permission")
    now = NOW + waited_s * 1000
    pause = pause_after(problem, judge(problem, now=now), now, keys="keys", paused_since=NOW)
    assert pause is not None
    assert (pause.until, pause.since, pause.keys) == (now + probe_s * 1000, NOW, "keys")


def test_a_limit_pauses_the_page_as_long_as_the_entry() -> None:
    problem = Refusal("later", whole_page=True, retry_after=60)
    pause = pause_after(problem, judge(problem), NOW, keys="keys", paused_since=NOW)
    assert pause is not None
    assert (pause.until, pause.cause, pause.keys) == (NOW + 60_000, None, None)


def test_a_limit_that_buries_an_old_entry_still_pauses_the_page() -> None:
    problem = Refusal("later", whole_page=True, retry_after=60)
    now = NOW + 2 * DAY
    pause = pause_after(problem, judge(problem, now=now), now, keys="keys", paused_since=now)
    assert pause is not None
    assert pause.until == now + 60_000


# What is kept of a refusal


def test_a_reason_is_one_line_and_has_an_end() -> None:
    outcome = judge(GiveUp("a\nb" + "x" * 10_000))
    assert outcome.reason.startswith("a\\nbxxx")
    assert len(outcome.reason) == 500
