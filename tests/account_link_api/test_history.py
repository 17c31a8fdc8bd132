"""The history: every change by every door, in the transaction of the change; ids and no secrets."""

from __future__ import annotations

from typing import Any

import pytest

from bot_linking.core.identifiers import Identifiers
from tests.wire import OTHER_PSID, PAGE, PSID, batch, unlinked_event

from .calls import Caller, a_call, changed


def lines(caller: Caller, psid: str = PSID) -> list[tuple[Any, ...]]:
    return [
        (change.source, change.what, change.account_before, change.account_after)
        for change in caller.bot.linking.history_of(psid)
    ]


def test_every_door_leaves_a_line_for_each_change_and_none_for_what_changed_nothing(caller: Caller) -> None:
    caller.bot.link()
    caller.link(phone_number="1")
    caller.link(phone_number="1")
    caller.link(username="grace")
    caller.bot.post(batch(unlinked_event(at=caller.bot.clock.ms + 1)))
    caller.unlink()
    caller.bot.linking.core.bind(PSID, Identifiers(email="e@x"), source="cli")
    caller.bot.linking.unlink(PSID)
    caller.link(email="e@x")
    caller.unlink()
    assert lines(caller) == [
        ("login", "linked", None, "1"),
        ("api", "changed", "1", "1"),
        ("api", "linked", "1", "username:grace"),
        ("messenger", "unlinked", "username:grace", None),
        ("cli", "linked", None, "email:e@x"),
        ("python", "unlinked", "email:e@x", None),
        ("api", "linked", None, "email:e@x"),
        ("api", "unlinked", "email:e@x", None),
    ]


def test_a_line_names_the_key_the_request_and_its_meta(caller: Caller) -> None:
    call = changed(a_call(username="ada"), request__id=7, request__meta={"why": "newsletter"})
    caller.send(call)
    (change,) = caller.bot.linking.history_of(PSID)
    (key,) = caller.bot.linking.store.list_api_keys()
    assert (change.key_id, change.request_id, change.meta) == (key.id, "7", '{"why": "newsletter"}')
    assert change.at.timestamp() * 1000 == caller.bot.clock.ms
    assert change.page_id == PAGE


def test_a_line_holds_no_identifier_and_no_key(caller: Caller) -> None:
    caller.link(username="ada", email="canary@example.com", phone_number="5550100")
    caller.unlink()
    kept = str(caller.bot.rows()["history"])
    assert "canary" not in kept
    assert "5550100" not in kept
    assert caller.key not in kept
    (linked, unlinked) = caller.bot.linking.history_of(PSID)
    assert linked.identifiers == unlinked.identifiers == ("username", "email", "phone_number")


@pytest.mark.parametrize(
    ("meta", "kept"), [("x" * 9000, "x" * 4096), ("a\0b", "a\ufffdb"), ("", None), (None, None)]
)
def test_meta_is_kept_as_text_of_bounded_length(caller: Caller, meta: Any, kept: str | None) -> None:
    caller.send(changed(a_call(username="ada"), request__meta=meta))
    (change,) = caller.bot.linking.history_of(PSID)
    assert change.meta == kept


def test_a_change_that_failed_to_commit_left_no_line(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    statements = caller.bot.linking.store.engine.statements  # type: ignore[attr-defined]
    monkeypatch.setitem(statements, "queue", "insert into nowhere values (:page_id)")
    assert caller.link(username="ada").status_code == 503
    assert lines(caller) == []
    assert caller.bot.linking.link_of(PSID) is None


def test_a_line_cannot_be_written_without_its_change(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    statements = caller.bot.linking.store.engine.statements  # type: ignore[attr-defined]
    monkeypatch.setitem(statements, "save_history", "insert into nowhere values (:psid)")
    assert caller.link(username="ada").status_code == 503
    assert caller.bot.linking.link_of(PSID) is None


def test_erasing_a_person_erases_their_history_and_nobody_elses(caller: Caller) -> None:
    caller.link(username="ada")
    caller.link(OTHER_PSID, username="grace")
    caller.bot.linking.erase(PSID)
    assert lines(caller) == []
    assert len(lines(caller, OTHER_PSID)) == 1


def test_history_is_kept_for_400_days_and_then_forgotten(caller: Caller) -> None:
    caller.link(username="ada")
    caller.bot.clock.advance(400 * 86_400)
    caller.bot.linking.store.purge(caller.bot.clock.ms)
    assert len(lines(caller)) == 1
    caller.bot.clock.advance(1)
    caller.bot.linking.store.purge(caller.bot.clock.ms)
    assert lines(caller) == []
    assert caller.bot.linking.link_of(PSID) is not None


def test_a_change_is_plain_json_for_whoever_exports_it(caller: Caller) -> None:
    caller.link(username="ada")
    (change,) = caller.bot.linking.history_of(PSID)
    assert change.as_dict() == {
        "at": "2027-01-15T08:00:00.000+00:00", "page_id": PAGE, "psid": PSID, "source": "api",
        "what": "linked", "account_before": None, "account_after": "username:ada",
        "identifiers": ["username"], "key_id": change.key_id, "request_id": "r-1", "meta": None,
    }  # fmt: skip
