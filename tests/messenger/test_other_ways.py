"""What may be ours in a chat is known by its form, and the raw bytes tell where none of it can be."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_linking.core.reading import read_json
from bot_linking.messenger.events import sort_events
from bot_linking.messenger.other_ways import Form, mentions_other_ways, said_in
from tests.conftest import batch, linked_event, message_event

TOKEN = "bl." + "A" * 32
ANSWER = "bl.yes." + "A" * 22


def text(words: str, **more: Any) -> dict[str, Any]:
    return message_event("x") | {"message": {"mid": "m", "text": words, **more}}


def event_of(**parts: Any) -> dict[str, Any]:
    event = message_event("x")
    del event["message"]
    return event | parts


TYPED = (
    *("LINK 7K4Q-9P2M", "link 7k4q-9p2m", "Link 7K4Q9P2M", "  lInK 7K4Q 9P2M ", "LINK 7K4Q–9P2M"),
    *("ＬＩＮＫ ７Ｋ４Ｑ-９Ｐ２Ｍ", "\tLINK 7K4Q-9P2M", "\u2003LINK 7K4Q-9P2M"),
    *("123456", "123 456", " 123456\n", "１２３４５６", "１２３　４５６", "\u3000123456", "\u00a0123456"),
)
JUNK: tuple[dict[str, Any], ...] = (
    *({"message": None}, {"message": []}, {"message": {"text": 123456}}, {"message": {"quick_reply": "bl."}}),
    *({"referral": TOKEN}, {"referral": {"ref": None}}, {"postback": {"referral": [TOKEN]}}),
    {"postback": "bl."},
)
OURS: dict[str, tuple[dict[str, Any], Form, str]] = {
    **{f"typed {words!r}": (text(words), Form.TYPED, words) for words in TYPED},
    "an address, open chat": (event_of(referral={"ref": TOKEN, "source": "SHORTLINK"}), Form.REF, TOKEN),
    "an address, new chat": (
        event_of(postback={"title": "Get Started", "payload": "start", "referral": {"ref": TOKEN}}),
        Form.REF,
        TOKEN,
    ),
    "a form that is no proof": (event_of(referral={"ref": "bl."}), Form.REF, "bl."),
    "an answer": (text("Connect", quick_reply={"payload": ANSWER}), Form.ANSWER, ANSWER),
    "an answer with digits for a title": (
        text("123456", quick_reply={"payload": ANSWER}),
        Form.ANSWER,
        ANSWER,
    ),
}
NOT_OURS: dict[str, Any] = {
    "a word": text("orders"),
    "seven digits": text("1234567"),
    "five digits": text("12345"),
    "digits and words": text("123456 please"),
    "a sentence about a link": text("LINK me up, it's 9!"),
    "a long text": text("LINK " + "A" * 100),
    "an echo of ours": text("123456", is_echo=True),
    "another quick reply": text("Yes", quick_reply={"payload": "yes"}),
    "another ref": event_of(referral={"ref": "summer"}),
    "a ref in other letters": event_of(referral={"ref": "BL.x"}),
    "a postback's payload": event_of(postback={"payload": TOKEN}),
    "Arabic digits": text("١٢٣٤٥٦"),
    **{f"junk {junk!r}": event_of(**junk) for junk in JUNK},
}


@pytest.mark.parametrize(("event", "form", "value"), OURS.values(), ids=OURS.keys())
def test_what_may_be_ours_is_told_with_its_form_and_value(
    event: dict[str, Any], form: Form, value: str
) -> None:
    assert said_in(event) == (form, value, event)
    for separators in ((",", ":"), (", ", ": "), (" , ", " : ")):
        for ascii_only in (True, False):
            body = json.dumps(json.loads(batch(event)), separators=separators, ensure_ascii=ascii_only)
            assert mentions_other_ways(body.encode())


@pytest.mark.parametrize("event", NOT_OURS.values(), ids=NOT_OURS.keys())
def test_what_is_not_ours_by_its_form_is_none(event: dict[str, Any]) -> None:
    assert said_in(event) is None


@pytest.mark.parametrize(
    "name", ["a word", "another ref", "another quick reply", "a long text", "an echo of ours"]
)
def test_ordinary_bodies_are_not_parsed_but_for_what_looks_alike(name: str) -> None:
    assert mentions_other_ways(batch(NOT_OURS[name])) is (
        "LINK" in str(NOT_OURS[name]) or "123" in str(NOT_OURS[name])
    )


@settings(max_examples=300)
@given(st.sampled_from(list(OURS)), st.data())
def test_any_json_spelling_of_what_may_be_ours_is_found(name: str, data: st.DataObject) -> None:
    event, _, value = OURS[name]
    spelt = "".join(
        f"\\u{ord(mark):04x}" if ord(mark) < 0x10000 and data.draw(st.booleans()) else json.dumps(mark)[1:-1]
        for mark in value
    )
    body = batch(event).replace(json.dumps(value)[1:-1].encode(), spelt.encode())
    assert said_in(read_json(body)["entry"][0]["messaging"][0]) is not None
    assert mentions_other_ways(body)


def test_what_was_taken_is_gone_from_what_the_bot_sees_and_everything_else_is_as_it_came() -> None:
    kept = [message_event("hello"), OURS["an address, new chat"][0]]
    taken = [text("123456"), OURS["an address, open chat"][0], OURS["an answer"][0]]
    payload = json.loads(batch(kept[0], taken[0], taken[1], kept[1], taken[2], linked_event("c")))
    batched = sort_events(payload, None)
    assert [said.form for said in batched.said] == [Form.TYPED, Form.REF, Form.REF, Form.ANSWER]
    left = batched.without(batched.said)
    assert left.others == kept
    assert left.rest == json.loads(batch(*kept))
    assert (left.linking, left.taken) == (batched.linking, 3)
    assert left.holds_ours
    assert batched.without([]) is batched


def test_a_batch_of_which_everything_was_taken_leaves_no_entry() -> None:
    batched = sort_events(json.loads(batch(text("123456"))), None)
    assert not batched.holds_ours
    left = batched.without(batched.said)
    assert left.rest["entry"] == []
    assert left.holds_ours


def test_equal_events_are_told_apart() -> None:
    """The same digits twice in one batch: each is looked at by itself."""
    batched = sort_events(json.loads(batch(text("123456"), text("123456"))), None)
    left = batched.without(batched.said[:1])
    assert left.others == [text("123456")]
    assert left.rest == json.loads(batch(text("123456")))
