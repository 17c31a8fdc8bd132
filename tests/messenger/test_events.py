"""Linking events are found in every shape that Messenger sends, and no other event is taken for one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot_linking.core.errors import PayloadTooLarge, PayloadUnreadable
from bot_linking.core.events import LinkingEvent
from bot_linking.core.reading import read_json
from bot_linking.messenger.events import (
    KEY,
    MOST_EVENTS,
    mentions_ours,
    read_linking_event,
    sort_events,
)
from tests.wire import OTHER_PSID, PAGE, PSID, linked_event, message_event, unlinked_event


def payload(*entries: Any, kind: str = "page") -> dict[str, Any]:
    return {"object": kind, "entry": list(entries)}


def entry(*events: Any, page: str = PAGE, **more: Any) -> dict[str, Any]:
    return {"id": page, "time": 1, "messaging": list(events), **more}


def number_of_events(body: Any) -> int:
    batch = sort_events(body, None)
    return len(batch.linking) + batch.passed_over + len(batch.others)


def test_a_linked_event_is_read_with_its_code_and_time() -> None:
    event = read_linking_event(linked_event("c0de", at=1_800_000_000_000))
    assert event == LinkingEvent(PAGE, PSID, "linked", "c0de", 1_800_000_000_000)


def test_an_unlinked_event_has_no_code_even_if_somebody_adds_one() -> None:
    event = unlinked_event(at=1_800_000_000_000)
    event[KEY]["authorization_code"] = "c0de"
    assert read_linking_event(event) == LinkingEvent(PAGE, PSID, "unlinked", None, 1_800_000_000_000)


def test_numeric_ids_are_taken_by_their_decimal_form() -> None:
    event = linked_event("c0de") | {"sender": {"id": int(PSID)}, "recipient": {"id": int(PAGE)}}
    assert read_linking_event(event) == LinkingEvent(PAGE, PSID, "linked", "c0de", None)


def test_the_literal_ids_of_the_published_samples_are_taken() -> None:
    event = linked_event("c0de") | {"sender": {"id": "USER_ID"}, "recipient": {"id": "PAGE_ID"}}
    assert read_linking_event(event) == LinkingEvent("PAGE_ID", "USER_ID", "linked", "c0de", None)


@pytest.mark.parametrize(
    ("given_time", "read"),
    [
        (1_800_000_000_000, 1_800_000_000_000), (1_800_000_000, 1_800_000_000_000),
        (1234567890, 1_234_567_890_000), ("1800000000000", 1_800_000_000_000),
        ("1800000000", 1_800_000_000_000), (1_800_000_000.5, 1_800_000_000_500), (0, 0),
        (None, None), ("", None), ("soon", None), (True, None), (-1, None), (10**15, None), (2**63, None),
        (1e300, None), ([], None), ({}, None), ("٣٣", None), ("9" * 5000, None),
    ],
    ids=repr,
)  # fmt: skip
def test_a_timestamp_is_milliseconds_or_seconds_or_left_out(given_time: object, read: int | None) -> None:
    event = read_linking_event(linked_event("c") | {"timestamp": given_time})
    assert event is not None
    assert event.timestamp == read


def test_a_missing_timestamp_is_no_obstacle() -> None:
    event = read_linking_event(linked_event("c"))
    assert event is not None
    assert event.timestamp is None


@pytest.mark.parametrize(
    "linking",
    [
        None, [], "linked", 1, True, {}, {"status": None}, {"status": "pending", "authorization_code": "c"},
        {"status": "LINKED", "authorization_code": "c"}, {"status": "linked"},
        {"status": "linked", "authorization_code": None}, {"status": "linked", "authorization_code": 7},
        {"status": "linked", "authorization_code": ["c"]}, {"status": ["linked"], "authorization_code": "c"},
    ],
    ids=repr,
)  # fmt: skip
def test_a_malformed_or_unknown_account_linking_is_passed_over(linking: object) -> None:
    event = message_event("x") | {KEY: linking}
    assert read_linking_event(event) is None
    assert not sort_events(payload(entry(event)), None).linking


@pytest.mark.parametrize("role", ["sender", "recipient"])
@pytest.mark.parametrize(
    "party",
    [
        None, [], "1", {}, {"id": None}, {"id": ""}, {"id": True}, {"id": 1.5}, {"id": ["1"]},
        {"id": "1" * 65}, {"id": "a b"}, {"id": "1/../2"}, {"id": "1?access_token=x"}, {"id": "1\n"},
        {"id": "٣"}, {"id": 2**300}, {"user_ref": "ref-1"},
    ],
    ids=repr,
)  # fmt: skip
def test_an_event_of_nobody_we_can_name_is_passed_over(role: str, party: object) -> None:
    assert read_linking_event(linked_event("c") | {role: party}) is None


@pytest.mark.parametrize("role", ["sender", "recipient"])
def test_an_event_without_sender_or_recipient_is_passed_over(role: str) -> None:
    event = linked_event("c")
    del event[role]
    assert read_linking_event(event) is None


def test_every_event_of_every_entry_is_looked_at_in_order() -> None:
    body = payload(
        entry(message_event("a"), linked_event("c1"), linked_event("c2", psid=OTHER_PSID)),
        entry(unlinked_event(), message_event("b")),
    )
    assert [event.authorization_code for event in sort_events(body, None).linking] == ["c1", "c2", None]
    assert number_of_events(body) == 5


@pytest.mark.parametrize(
    "odd",
    [
        {"id": PAGE, "time": 1, "standby": [message_event("x")]},
        {"id": PAGE, "time": 1, "changes": [{"field": "feed", "value": {}}]},
        {"id": PAGE, "time": 1}, {"id": PAGE, "messaging": None}, {"id": PAGE, "messaging": {}},
        {"id": PAGE, "messaging": [None, 1, "x", []]}, None, 1, "entry", [],
    ],
    ids=repr,
)  # fmt: skip
def test_an_entry_of_another_shape_does_not_hide_its_neighbours(odd: Any) -> None:
    body = payload(odd, entry(linked_event("c")), odd)
    assert [event.authorization_code for event in sort_events(body, None).linking] == ["c"]
    assert number_of_events(body) == 1


def test_account_linking_in_standby_is_another_apps_and_stays_untouched() -> None:
    body = payload({"id": PAGE, "standby": [linked_event("c")]})
    assert not sort_events(body, None).linking
    assert sort_events(body, None).rest == body


@pytest.mark.parametrize("kind", ["instagram", "user", "", None, ["page"]])
def test_events_of_another_object_do_not_act(kind: Any) -> None:
    assert not sort_events(payload(entry(linked_event("c")), kind=kind), None).linking


@pytest.mark.parametrize(
    ("entry_page", "recipient", "allowed", "acts"),
    [
        (PAGE, PAGE, None, True), (PAGE, PAGE, {PAGE}, True), (int(PAGE), PAGE, {PAGE}, True),
        (PAGE, PAGE, {"999"}, False), ("999", PAGE, {PAGE, "999"}, False), (PAGE, "999", {PAGE}, False),
        ("999", PAGE, None, False), (None, PAGE, {PAGE}, False), ("", PAGE, {PAGE}, False),
    ],
)  # fmt: skip
def test_an_event_counts_only_for_the_page_that_its_entry_names_and_its_secret_may_speak_for(
    entry_page: Any, recipient: str, allowed: set[str] | None, acts: bool
) -> None:
    body = payload(entry(linked_event("c", page=recipient), page=entry_page))
    assert bool(sort_events(body, allowed).linking) is acts


@pytest.mark.parametrize(
    "body", [None, [], "x", 1, {}, {"entry": None}, {"entry": {}}, {"entry": "x"}], ids=repr
)
def test_what_has_no_entry_array_is_no_webhook_payload(body: Any) -> None:
    with pytest.raises(PayloadUnreadable):
        sort_events(body, None)


def test_a_thousand_events_are_read_and_one_more_is_too_many() -> None:
    full = payload(entry(*[message_event("x")] * 600), entry(*[message_event("x")] * 400))
    assert number_of_events(full) == MOST_EVENTS == 1000
    with pytest.raises(PayloadTooLarge):
        sort_events(payload(*full["entry"], entry(message_event("x"))), None)


# What is left for the bot


def test_what_is_not_linking_is_left_as_it_was_and_in_order() -> None:
    first, last = message_event("a"), message_event("b")
    body = payload(
        entry(first, linked_event("c"), last), entry(unlinked_event()), {"id": PAGE, "changes": []}
    )
    assert sort_events(body, None).rest == payload(entry(first, last), {"id": PAGE, "changes": []})


def test_an_entry_with_standby_or_changes_stays_when_its_linking_events_go() -> None:
    body = payload(entry(linked_event("c"), standby=[message_event("x")]))
    assert sort_events(body, None).rest == payload(entry(standby=[message_event("x")]))


@pytest.mark.parametrize("linking", [None, {"status": "pending"}, []])
def test_malformed_linking_events_do_not_reach_the_bot_either(linking: object) -> None:
    assert sort_events(payload(entry(message_event("x") | {KEY: linking})), None).rest == payload()


def test_a_payload_without_linking_events_comes_back_equal() -> None:
    body = payload(entry(message_event("a")), entry(), {"id": PAGE, "changes": [1]}, None)
    assert sort_events(body, None).rest == body


def test_the_payload_that_was_given_is_not_changed() -> None:
    body = payload(entry(message_event("a"), linked_event("c")))
    before = json.dumps(body)
    sort_events(body, None)
    assert json.dumps(body) == before


# Found however it is spelt


def spell(draw: Callable[[Any], Any], text: str) -> str:
    """One of the spellings that JSON allows for a string."""
    out = []
    for mark in text:
        choice = draw(st.sampled_from(["plain", "lower", "upper"]))
        code = f"{ord(mark):04x}"
        out.append(mark if choice == "plain" else "\\u" + (code if choice == "lower" else code.upper()))
    return "".join(out)


@st.composite
def spelt_keys(draw: Callable[[Any], Any]) -> str:
    return spell(draw, KEY)


@given(spelt_keys())
def test_any_json_spelling_of_the_key_is_found(key: str) -> None:
    body = f'{{"object":"page","entry":[{{"messaging":[{{"{key}":{{"status":"unlinked"}}}}]}}]}}'.encode()
    assert KEY in read_json(body)["entry"][0]["messaging"][0]
    assert mentions_ours(body)
    assert mentions_ours(body)


@given(st.binary(max_size=300))
def test_bytes_that_may_not_link_hold_no_key_once_parsed(body: bytes) -> None:
    text = json.dumps(body.decode("latin-1"))
    if not mentions_ours(text.encode()):
        assert KEY not in json.loads(text)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        json.dumps(message_event("hello")).encode(),
        rb'{"text":"\u00e4\u00f6\u00fc"}',
        b'{"a":"\\\\n"}',
    ],
)
def test_ordinary_bodies_are_not_parsed_at_all(body: bytes) -> None:
    assert not mentions_ours(body)
