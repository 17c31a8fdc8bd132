"""Links of another system are imported many at a time, by the same rules as a single link."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from bot_linking.core.conflicts import CANNOT_ASK, Consent, Policy
from bot_linking.core.events import (
    AccountLinked,
    AccountUnlinked,
    EventIgnored,
    LinkChanged,
    LinkingRefused,
    Outcome,
)
from bot_linking.core.links import Account, Link, from_ms
from bot_linking.core.ports.links import Import
from bot_linking.stores.notices import Notices
from bot_linking.stores.store import SQLStore

from .given import GRACE, NOW, PAGE, PSID, attempt_for, link, linked, queued, save_code, unlinked

OTHER = "24680135792468"
THEN = from_ms(NOW) - timedelta(days=100)


def take(store: SQLStore, links: list[Link], now: int, *, tell: bool = False) -> list[Outcome]:
    """The outcome for each link, by the default policy."""
    how = Import(Policy(), CANNOT_ASK, tell)
    return [first for first, *_ in store.import_links(links, how, now)]


def imported(psid: str = PSID, account: str = "77", page: str = PAGE, **names: str | None) -> Link:
    username, email, phone = (names.get(name) for name in ("username", "email", "phone_number"))
    return Link(page, psid, account, username, email, phone, "import", THEN, THEN)


def test_a_new_link_is_as_the_file_says_and_has_its_line_of_history(store: SQLStore) -> None:
    given = imported(email="mike@example.com")
    assert take(store, [given], NOW) == [AccountLinked(given)]
    assert store.find_link(PAGE, PSID) == given
    (change,) = store.history_of(PAGE, PSID)
    assert (change.source, change.what, change.account_after) == ("import", "linked", "77")
    assert (change.at, change.identifiers) == (from_ms(NOW), ("email",))


def test_an_import_queues_no_message_unless_told_to(store: SQLStore) -> None:
    store.save_resume(PAGE, PSID, "orders", NOW)
    take(store, [imported()], NOW)
    assert queued(store) == []
    take(store, [imported(account="78")], NOW, tell=True)
    assert queued(store) == [(PSID, "linked"), (PSID, "resume")]


def test_the_same_link_again_writes_nothing(store: SQLStore) -> None:
    take(store, [imported(email="mike@example.com")], NOW)
    before = store.find_link(PAGE, PSID)
    again = take(store, [imported(email="mike@example.com"), imported(OTHER)], NOW + 1, tell=True)
    assert [type(outcome) for outcome in again] == [EventIgnored, AccountLinked]
    assert store.find_link(PAGE, PSID) == before
    assert len(store.history_of(PAGE, PSID)) == 1
    assert queued(store) == [(OTHER, "linked")]


def test_the_same_account_gets_new_identifiers_and_keeps_the_others(store: SQLStore) -> None:
    link(store)
    first = store.find_link(PAGE, PSID)
    assert first is not None
    (outcome,) = take(store, [imported(account=first.account_id, email="new@example.com")], NOW + 1)
    assert isinstance(outcome, LinkChanged)
    assert outcome.identifiers == ("email",)
    now = store.find_link(PAGE, PSID)
    assert now is not None
    assert (now.username, now.email, now.linked_at) == (first.username, "new@example.com", first.linked_at)
    assert now.updated_at == from_ms(NOW + 1)


def test_events_that_are_older_than_the_login_stay_so_after_new_identifiers(store: SQLStore) -> None:
    link(store)
    first = store.find_link(PAGE, PSID)
    assert first is not None
    take(store, [imported(account=first.account_id, email="new@example.com")], NOW + 1)
    assert store.receive([unlinked(at=NOW - 1)], NOW + 2) == [EventIgnored("stale", PAGE, PSID)]
    assert store.find_link(PAGE, PSID) is not None


def test_another_account_replaces_the_old_one_and_its_identifiers(store: SQLStore) -> None:
    link(store)
    (outcome,) = take(store, [imported()], NOW + 1)
    assert isinstance(outcome, AccountLinked)
    assert outcome.previous_account_id == "1"
    assert store.find_link(PAGE, PSID) == imported()


@pytest.mark.parametrize("minted", ["before", "after"])
def test_a_login_under_way_links_after_an_import_too(store: SQLStore, minted: str) -> None:
    code = save_code(store, attempt_for(GRACE)) if minted == "before" else ""
    take(store, [imported()], NOW)
    code = code or save_code(store, attempt_for(GRACE))
    store.receive([linked(code, at=NOW + 5)], NOW + 5)
    found = store.find_link(PAGE, PSID)
    assert found is not None
    assert found.account_id == GRACE.id


def test_an_imported_link_is_unlinked_like_any_other(store: SQLStore) -> None:
    take(store, [imported()], NOW)
    store.receive([unlinked(at=NOW + 1)], NOW + 1)
    assert store.find_link(PAGE, PSID) is None
    assert [change.what for change in store.history_of(PAGE, PSID)] == ["linked", "unlinked"]


def test_one_person_on_two_pages_is_two_links(store: SQLStore) -> None:
    take(store, [imported(), imported(page="999", account="78")], NOW)
    assert [found.account_id for found in store.find_links_of_psid(PSID)] == ["77", "78"]


@pytest.mark.parametrize("text", ["'\"\\", "阿达 👩🏽", "{}[],:", "%s :page_id", "null"])
def test_every_text_arrives_as_it_was(store: SQLStore, text: str) -> None:
    given = imported(account=text, username=text, email=text, phone_number=text)
    take(store, [given], NOW)
    assert store.find_link(PAGE, PSID) == given


def test_followers_are_called_for_each_link_in_the_transaction(store: SQLStore) -> None:
    heard = list[object]()

    class Following(Notices):
        only_tells = False

        def follow(self, tx: object, outcome: object, now: int) -> None:
            heard.append(outcome)
            if len(heard) == 3:
                raise RuntimeError("no room")

    store.followers.append(Following())
    take(store, [imported(), imported(OTHER)], NOW)
    assert heard == [AccountLinked(imported()), AccountLinked(imported(OTHER))]
    with pytest.raises(RuntimeError):
        take(store, [imported("3")], NOW)
    assert store.find_link(PAGE, "3") is None


def test_imports_and_logins_side_by_side_end_in_one_state(store: SQLStore) -> None:
    """In the end every person is linked, by the last writer, and the history says the same."""
    people = [f"1000{number}" for number in range(12)]
    codes = {psid: save_code(store, attempt_for(GRACE, psid=psid)) for psid in people}

    def import_all() -> None:
        for first in range(0, 12, 4):
            take(store, [imported(psid) for psid in people[first : first + 4]], NOW)

    def log_in() -> None:
        for psid in people:
            store.receive([linked(codes[psid], psid=psid)], NOW)

    threads = [threading.Thread(target=work) for work in (import_all, log_in)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for psid in people:
        found = store.find_link(PAGE, psid)
        assert found is not None
        assert store.history_of(PAGE, psid)[-1].account_after == found.account_id


def test_a_follower_that_only_tells_is_called_only_when_people_are_told(store: SQLStore) -> None:
    store.followers.append(Notices())
    take(store, [imported()], NOW)
    assert queued(store) == []
    take(store, [imported(account="78")], NOW, tell=True)
    assert (PSID, "notice") in queued(store)


@pytest.mark.parametrize(
    ("word", "consent", "refused"),
    [
        ("move", Consent(), None),
        ("refuse", Consent(), "conflict_refused"),
        ("refuse", CANNOT_ASK, "conflict_refused"),
        ("ask", Consent(), "conflict_not_agreed"),
        ("ask", CANNOT_ASK, None),
        ("one_chat", CANNOT_ASK, None),
    ],
)
@pytest.mark.parametrize("judge_only", [True, False])
def test_the_policy_holds_and_judging_writes_nothing(
    store: SQLStore, word: str, consent: Consent, refused: str | None, judge_only: bool
) -> None:
    link(store)
    link(store, GRACE, psid=OTHER)
    before = (store.find_link(PAGE, PSID), store.find_link(PAGE, OTHER))
    how = Import(Policy(word), consent, judge_only=judge_only)
    ((first, *more),) = store.import_links([imported(account=GRACE.id)], how, NOW)
    if refused:
        assert first == LinkingRefused(refused, PAGE, PSID)
    else:
        assert isinstance(first, AccountLinked)
    if refused or judge_only:
        assert (store.find_link(PAGE, PSID), store.find_link(PAGE, OTHER)) == before
    elif word == "one_chat":
        assert [type(outcome) for outcome in more] == [AccountUnlinked]
        assert store.find_link(PAGE, OTHER) is None


def test_what_was_replaced_can_be_undone(store: SQLStore) -> None:
    link(store)
    before = store.find_link(PAGE, PSID)
    take(store, [imported()], NOW + 1)
    undo = store.find_undo(PAGE, PSID)
    assert undo is not None
    assert before is not None
    store.undo(PAGE, PSID, undo.change_id, NOW + 2)
    again = store.find_link(PAGE, PSID)
    assert again is not None
    assert (again.account_id, again.email) == (before.account_id, before.email)
    (barred,) = take(store, [imported()], NOW + 3)
    assert barred == LinkingRefused("pair_barred", PAGE, PSID)


def test_of_the_chats_that_a_file_links_to_one_account_the_policy_leaves_one(store: SQLStore) -> None:
    """Each line meets what the lines before it have changed."""
    link(store, Account("78"), psid="3")
    given = [imported("1"), imported("2"), imported("4", "78"), imported("3", "79")]
    outcomes = store.import_links(given, Import(Policy("one_chat"), CANNOT_ASK, False), NOW)
    assert [len(each) for each in outcomes] == [1, 2, 2, 1]  # with the chat that a line ends
    assert [each.psid for each in store.find_links_of_account("77")] == ["2"]
    history = [(each.account_before, each.account_after) for each in store.history_of(PAGE, "3")]
    assert history == [(None, "78"), ("78", None), (None, "79")]
