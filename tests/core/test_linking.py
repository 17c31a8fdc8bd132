"""The verbs send events after the store has committed, and only for what happened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from bot_linking.core.errors import PageUnknown, StoreUnavailable
from bot_linking.core.events import (
    AccountLinked,
    AccountUnlinked,
    EventIgnored,
    Happening,
    LinkingEvent,
    LinkingRefused,
    LoginCancelled,
    Outcome,
    PersonErased,
)
from bot_linking.core.hooks import Hooks, MayLink
from bot_linking.core.identifiers import Identifiers
from bot_linking.core.journey import MAX_AGE_MS, Stage
from bot_linking.core.linking import Linking
from bot_linking.core.links import Account
from bot_linking.core.ports import Attempt, Store
from bot_linking.core.ports.attempts import MOST_CODES
from tests.bots import START, Clock

NOW_MS = int(START * 1000)
NewLinking = Callable[..., "Heard"]


class Heard:
    """A `Linking`, and the events that it sent."""

    def __init__(
        self, store: Store, clock: Clock, *, may_link: MayLink | None = None, **given: object
    ) -> None:
        self.told: list[Happening] = []
        self.woken = 0
        hooks = Hooks(clock=clock, may_link=may_link)
        self.linking = Linking(store, tell=self.told.append, wake=self._wake, hooks=hooks, **given)  # type: ignore[arg-type]

    def _wake(self) -> None:
        self.woken += 1

    def code(self, psid: str | None = "psid", page: str = "page", account: str = "ada") -> str:
        attempt = Attempt(f"attempt-{account}-{psid}", Account(account), "token", "https://x", 0, page, psid)
        code = self.linking.approve(attempt)
        assert code is not None
        return code

    def link(self, psid: str = "psid", page: str = "page") -> list[Outcome]:
        code = self.code(psid, page)
        return self.linking.receive([LinkingEvent(page, psid, "linked", code, None)])


@pytest.fixture
def new_linking(store: Store, clock: Clock) -> NewLinking:
    return lambda **given: Heard(store, clock, **given)


@pytest.fixture
def heard(new_linking: NewLinking) -> Heard:
    return new_linking()


def test_receive_returns_the_events_that_it_sent_in_order(heard: Heard) -> None:
    code = heard.code()
    outcomes = heard.linking.receive(
        [
            LinkingEvent("page", "psid", "linked", code, None),
            LinkingEvent("page", "psid", "linked", code, None),
            LinkingEvent("page", "psid", "linked", "made up", None),
            LinkingEvent("page", "psid", "unlinked", None, None),
        ]
    )
    assert [type(each) for each in outcomes] == [AccountLinked, EventIgnored, LinkingRefused, AccountUnlinked]
    assert heard.told == outcomes
    assert heard.woken == 1


def test_no_event_is_sent_when_the_store_fails(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(events: Sequence[LinkingEvent], now: int, **how: object) -> list[Outcome]:
        raise StoreUnavailable("away")

    code = heard.code()
    with monkeypatch.context() as patched:
        patched.setattr(heard.linking.store, "receive", fail)
        with pytest.raises(StoreUnavailable):
            heard.linking.receive([LinkingEvent("page", "psid", "linked", code, None)])
    assert (heard.told, heard.woken) == ([], 0)
    heard.linking.receive([LinkingEvent("page", "psid", "linked", code, None)])
    assert isinstance(heard.told[0], AccountLinked)


def test_without_events_the_store_is_not_called(heard: Heard) -> None:
    assert heard.linking.receive([]) == []
    assert heard.woken == 0


@pytest.mark.parametrize(("psid", "life"), [("psid", 300), (None, 60)])
def test_a_bound_code_lives_five_minutes_and_an_unbound_one_a_minute(
    heard: Heard, clock: Clock, psid: str | None, life: int
) -> None:
    in_time, too_late = heard.code(psid), heard.code(psid, account="grace")
    clock.advance(life)
    events = [LinkingEvent("page", "psid", "linked", code, None) for code in (in_time, too_late)]
    assert isinstance(heard.linking.receive(events[:1])[0], AccountLinked)
    clock.advance(0.001)
    assert heard.linking.receive(events[1:]) == [LinkingRefused("code_expired", "page", "psid")]


def test_a_late_event_is_judged_by_its_own_timestamp(heard: Heard, clock: Clock) -> None:
    code = heard.code()
    tapped = clock.ms + 100_000
    clock.advance(36 * 3600)
    assert isinstance(
        heard.linking.receive([LinkingEvent("page", "psid", "linked", code, tapped)])[0], AccountLinked
    )


def test_a_refused_account_is_told_once_and_its_code_is_used_up(new_linking: NewLinking) -> None:
    """A refused person signs in again: an old consent must not link them later."""
    allowed = list[str]()
    heard = new_linking(may_link=lambda account_id: account_id in allowed)
    event = LinkingEvent("page", "psid", "linked", heard.code(), None)
    assert heard.linking.receive([event]) == [LinkingRefused("account_refused", "page", "psid")]
    allowed.append("ada")
    assert heard.linking.receive([event]) == [EventIgnored("duplicate", "page", "psid")]
    assert heard.linking.link_of("psid") is None


def test_when_the_site_cannot_say_the_others_are_applied_and_messenger_is_to_send_again(
    new_linking: NewLinking, caplog: pytest.LogCaptureFixture
) -> None:
    away = ["ada"]

    def may_link(account_id: str) -> bool:
        if account_id in away:
            raise ConnectionError("the site's own database")
        return True

    heard = new_linking(may_link=may_link)
    events = [
        LinkingEvent("page", psid, "linked", heard.code(psid, account=account), None)
        for psid, account in (("1", "ada"), ("2", "grace"))
    ]
    with pytest.raises(StoreUnavailable):
        heard.linking.receive(events)
    assert [heard.linking.link_of(psid) is not None for psid in ("1", "2")] == [False, True]
    away.clear()
    assert [type(each) for each in heard.linking.receive(events)] == [AccountLinked, EventIgnored]
    assert "may_link failed" in caplog.text


def consenting(account: str = "ada", **values: Any) -> Attempt:
    """An attempt at the consent, held by one browser."""
    attempt = Attempt("attempt", Account(account, display_name="Ada"), "token", "https://x", NOW_MS)
    given: dict[str, Any] = {
        "page_id": "page",
        "psid": "psid",
        "stage": Stage.CONSENT_SHOWN,
        "session_digest": "digest",
    }
    return replace(attempt, **(given | values))


def test_pending_codes_and_attempts_of_an_account_end_when_its_password_changes(heard: Heard) -> None:
    attempt = consenting()
    assert heard.linking.keep(attempt)
    code = heard.linking.approve(attempt)
    heard.linking.drop_pending("ada")
    assert heard.linking.attempt_of("attempt") is None
    assert heard.linking.approve(attempt) is None
    assert heard.linking.receive([LinkingEvent("page", "psid", "linked", code, None)]) == [
        LinkingRefused("code_unknown", "page", "psid")
    ]


def test_an_attempt_expires_a_quarter_of_an_hour_after_it_was_opened(heard: Heard, clock: Clock) -> None:
    attempt = consenting()
    assert heard.linking.keep(attempt)
    kept = heard.linking.attempt_of("attempt")
    assert kept == replace(attempt, expires_at=NOW_MS + MAX_AGE_MS)
    clock.advance(MAX_AGE_MS // 1000)
    late = heard.linking.attempt_of("attempt")
    assert late is not None
    assert late.stage is Stage.EXPIRED
    assert heard.linking.approve(attempt) is None


def test_a_step_is_taken_from_where_the_attempt_is(heard: Heard) -> None:
    """Of two requests at once, the one that writes second changes nothing."""
    attempt = consenting()
    assert heard.linking.keep(attempt)
    assert not heard.linking.keep(attempt), "it is kept already"
    renewed = replace(attempt, session_digest="another")
    assert heard.linking.keep(renewed, before=attempt)
    assert not heard.linking.keep(replace(attempt, stage=Stage.LEFT), before=attempt)
    assert heard.linking.approve(attempt) is None, "its secret is an old one"
    assert heard.linking.approve(replace(renewed, account=Account("grace"))) is None
    assert heard.linking.approve(renewed)


def test_leaving_deletes_the_codes(heard: Heard) -> None:
    attempt = consenting()
    assert heard.linking.keep(attempt)
    code = heard.linking.approve(attempt)
    approved = replace(attempt, stage=Stage.APPROVED)
    assert heard.linking.keep(replace(approved, stage=Stage.LEFT), before=approved)
    assert heard.linking.approve(approved) is None
    assert heard.linking.receive([LinkingEvent("page", "psid", "linked", code, None)]) == [
        LinkingRefused("code_unknown", "page", "psid")
    ]


@pytest.mark.parametrize("stage", sorted(set(Stage) - {Stage.OPENED, Stage.CONSENT_SHOWN, Stage.APPROVED}))
def test_an_attempt_that_is_not_at_the_consent_gets_no_code(heard: Heard, stage: Stage) -> None:
    attempt = consenting(stage=stage)
    assert heard.linking.keep(attempt)
    assert heard.linking.approve(attempt) is None
    assert heard.linking.approve(replace(attempt, stage=Stage.CONSENT_SHOWN)) is None
    assert heard.linking.approve(replace(attempt, stage=Stage.OPENED)) is None


def test_a_button_that_is_pressed_without_end_mints_ten_codes(heard: Heard) -> None:
    attempt = consenting()
    assert heard.linking.keep(attempt)
    codes = [heard.linking.approve(attempt) for _ in range(200)]
    assert len(set(codes) - {None}) == MOST_CODES == 10


def test_a_link_that_is_made_ends_its_attempt(heard: Heard) -> None:
    attempt = consenting()
    assert heard.linking.keep(attempt)
    code = heard.linking.approve(attempt)
    heard.linking.receive([LinkingEvent("page", "psid", "linked", code, None)])
    kept = heard.linking.attempt_of("attempt")
    assert kept is not None
    assert kept.stage is Stage.DONE


def test_a_used_attempt_mints_no_code_and_says_so(heard: Heard) -> None:
    heard.link()
    attempt = Attempt("attempt-ada-psid", Account("ada"), "token", "https://x", 0, "page", "psid")
    assert heard.linking.approve(attempt) is None
    assert heard.told[-1] == LinkingRefused("attempt_over", "page", "psid")


def test_unlinking_twice_tells_and_queues_once(heard: Heard) -> None:
    heard.link()
    assert heard.linking.unlink("psid")
    assert not heard.linking.unlink("psid")
    assert [each for each in heard.told if isinstance(each, AccountUnlinked)] == [
        AccountUnlinked("page", "psid", "ada", "python")
    ]


def test_a_psid_on_two_pages_needs_a_page_id(heard: Heard) -> None:
    heard.link(page="one")
    assert heard.linking.link_of("psid") == heard.linking.link_of("psid", "one")
    code = heard.code("psid", "two", "grace")
    heard.linking.receive([LinkingEvent("two", "psid", "linked", code, None)])
    with pytest.raises(PageUnknown):
        heard.linking.link_of("psid")
    link = heard.linking.link_of("psid", "two")
    assert link is not None
    assert link.account_id == "grace"


def test_the_only_page_is_meant_when_none_is_named(new_linking: NewLinking) -> None:
    heard = new_linking(page_id="one")
    heard.link(page="two")
    assert heard.linking.link_of("psid") is None


def test_what_was_interrupted_comes_back_with_the_link_once(heard: Heard) -> None:
    heard.linking.remember("psid", {"order": 7}, "page")
    (outcome,) = heard.link()
    assert isinstance(outcome, AccountLinked)
    assert outcome.resume == {"order": 7}
    heard.linking.unlink("psid")
    code = heard.code(account="grace")
    (again,) = heard.linking.receive([LinkingEvent("page", "psid", "linked", code, None)])
    assert isinstance(again, AccountLinked)
    assert again.resume is None


def test_what_was_interrupted_is_forgotten_after_an_hour(heard: Heard, clock: Clock) -> None:
    heard.linking.remember("psid", "order", "page")
    clock.advance(3601)
    (outcome,) = heard.link()
    assert isinstance(outcome, AccountLinked)
    assert outcome.resume is None


def test_a_person_who_cancels_is_not_asked_again(heard: Heard) -> None:
    heard.linking.remember("psid", "order")
    assert heard.linking.cancel("page", "psid") == LoginCancelled("page", "psid", "order")
    assert heard.linking.cancel("page", "psid") == LoginCancelled("page", "psid", None)
    assert heard.linking.cancel("page", None) == LoginCancelled("page", None, None)


def test_an_account_is_unlinked_everywhere_and_its_logins_under_way_end(heard: Heard) -> None:
    for psid in ("one", "two"):
        heard.linking.receive([LinkingEvent("page", psid, "linked", heard.code(psid), 10)])
    heard.linking.receive([LinkingEvent("page", "other", "linked", heard.code("other", account="grace"), 10)])
    under_way = heard.code("three")
    assert heard.linking.unlink_account("ada") == 2
    assert [type(event) for event in heard.told[-2:]] == [AccountUnlinked, AccountUnlinked]
    heard.linking.receive([LinkingEvent("page", "three", "linked", under_way, 20)])
    linked = [psid for psid in ("one", "two", "three", "other") if heard.linking.link_of(psid, "page")]
    assert linked == ["other"]
    assert heard.linking.unlink_account("ada") == 0


def test_a_link_that_has_moved_to_another_account_meanwhile_stays(
    heard: Heard, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard.link()
    stale = store.find_links_of_account("ada")
    heard.linking.receive([LinkingEvent("page", "psid", "linked", heard.code(account="grace"), 20)])
    monkeypatch.setattr(store, "find_links_of_account", lambda account_id: stale)
    assert heard.linking.unlink_account("ada") == 0
    link = heard.linking.link_of("psid", "page")
    assert link is not None
    assert link.account_id == "grace"


@pytest.mark.parametrize("account_id", ["username:ada", "email:ada@example.com", "tel:42"])
def test_a_sign_in_with_an_id_made_of_a_name_is_refused(heard: Heard, account_id: str) -> None:
    attempt = Attempt("attempt", Account(account_id), "token", "https://x", 0, "page", "psid")
    with pytest.raises(ValueError, match="the site's own id"):
        heard.linking.approve(attempt)
    with pytest.raises(ValueError, match="the site's own id"):
        heard.linking.keep(attempt)


def test_the_event_of_an_erasure_has_the_rows_and_no_person(heard: Heard) -> None:
    heard.link()
    rows = heard.linking.erase("psid")
    assert rows >= 3  # the link, its code, its message
    assert heard.told[-1] == PersonErased(rows)
    assert heard.linking.erase("psid") == 0
    assert heard.linking.link_of("psid") is None


def test_an_erased_person_is_not_brought_back_by_a_redelivery(heard: Heard) -> None:
    event = LinkingEvent("page", "psid", "linked", heard.code(), 10)
    heard.linking.receive([event])
    heard.linking.erase("psid")
    assert heard.linking.receive([event]) == [EventIgnored("duplicate", "page", "psid")]
    assert heard.linking.link_of("psid") is None


def test_an_erased_person_is_not_linked_by_a_code_that_was_under_way(heard: Heard) -> None:
    code = heard.code()
    heard.linking.erase("psid")
    heard.linking.receive([LinkingEvent("page", "psid", "linked", code, 10)])
    assert heard.linking.link_of("psid") is None


def test_binding_by_the_site_links_updates_and_keeps_quiet_when_nothing_is_new(heard: Heard) -> None:
    ada = Identifiers(username="ada", email="ada@example.com")
    assert isinstance(heard.linking.bind("psid", ada, "page", source="api"), AccountLinked)
    assert heard.linking.bind("psid", ada, "page", source="api") == EventIgnored("unchanged", "page", "psid")
    heard.linking.bind("psid", Identifiers(phone_number="+44"), "page", source="api")
    link = heard.linking.link_of("psid", "page")
    assert link is not None
    assert (link.account_id, link.email, link.phone_number) == ("username:ada", "ada@example.com", "+44")
