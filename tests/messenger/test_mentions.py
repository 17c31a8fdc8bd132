"""One search of the raw bytes finds all events that can be ours, in any spelling, and few others."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_linking.messenger.events import mentions_ours, sort_events, without
from tests.wire import batch, linked_event, message_event

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
OURS: dict[str, tuple[dict[str, Any], str]] = {
    **{f"typed {words!r}": (text(words), words) for words in TYPED},
    "an address, open chat": (event_of(referral={"ref": TOKEN, "source": "SHORTLINK"}), TOKEN),
    "an address, new chat": (
        event_of(postback={"title": "Get Started", "payload": "start", "referral": {"ref": TOKEN}}),
        TOKEN,
    ),
    "an answer": (text("Connect", quick_reply={"payload": ANSWER}), ANSWER),
    "a tap": (event_of(postback={"title": "Forget me", "payload": "bl.erase"}), "bl.erase"),
}
ORDINARY: dict[str, dict[str, Any]] = {
    "a word": text("orders"),
    "a sentence about a link": text("Here is the link: 123456"),
    "numbers further in": text("order 123456"),
    "Chinese": text("你好，我的订单 123456 什么时候到？"),
    "an emoji": text("😀 123456"),
    "another quick reply": text("Yes", quick_reply={"payload": "yes.bl."}),
    "another ref": event_of(referral={"ref": "summer"}),
    "a picture": event_of(
        message={"mid": "m", "attachments": [{"type": "image", "payload": {"url": "https://x"}}]}
    ),
    "a read": event_of(read={"watermark": 1_700_000_000_000}),
}


@pytest.mark.parametrize("event", [event for event, _ in OURS.values()], ids=OURS.keys())
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" , ", " : ")], ids=str)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_what_may_be_ours_is_found(
    event: dict[str, Any], separators: tuple[str, str], ascii_only: bool
) -> None:
    body = json.dumps(json.loads(batch(event)), separators=separators, ensure_ascii=ascii_only)
    assert mentions_ours(body.encode())


@pytest.mark.parametrize("event", ORDINARY.values(), ids=ORDINARY.keys())
def test_an_ordinary_body_is_not_parsed_at_all(event: dict[str, Any]) -> None:
    assert not mentions_ours(batch(event))


@settings(max_examples=300)
@given(st.sampled_from(list(OURS)), st.data())
def test_any_json_spelling_of_what_may_be_ours_is_found(name: str, data: st.DataObject) -> None:
    event, value = OURS[name]
    spelt = "".join(
        f"\\u{ord(mark):04x}" if ord(mark) < 0x10000 and data.draw(st.booleans()) else json.dumps(mark)[1:-1]
        for mark in value
    )
    body = batch(event).replace(json.dumps(value)[1:-1].encode(), spelt.encode())
    assert json.loads(body) == json.loads(batch(event))
    assert mentions_ours(body)


def test_what_was_taken_is_gone_from_what_the_bot_sees_and_everything_else_is_as_it_came() -> None:
    kept = [message_event("hello"), OURS["an address, new chat"][0]]
    payload = json.loads(batch(kept[0], text("123456"), kept[1], text("LINK 7K4Q-9P2M"), linked_event("c")))
    whole = sort_events(payload, None)
    left = without(whole, {id(whole.others[1]), id(whole.others[3])})
    assert left.others == kept
    assert left.rest == json.loads(batch(*kept))
    assert (left.linking, left.taken) == (whole.linking, 2)
    assert left.holds_ours


def test_a_batch_of_which_everything_was_taken_leaves_no_entry() -> None:
    whole = sort_events(json.loads(batch(text("123456"))), None)
    assert not whole.holds_ours
    left = without(whole, {id(whole.others[0])})
    assert left.rest["entry"] == []
    assert left.holds_ours


def test_equal_events_are_told_apart() -> None:
    """The same digits come twice in one batch; each event is handled."""
    whole = sort_events(json.loads(batch(text("123456"), text("123456"))), None)
    left = without(whole, {id(whole.others[0])})
    assert left.others == [text("123456")]
    assert left.rest == json.loads(batch(text("123456")))
