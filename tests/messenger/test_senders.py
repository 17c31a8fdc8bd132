"""Who made an event: which events open the 24-hour window, and which are automatic."""

from __future__ import annotations

from typing import Any

import pytest

from bot_linking.messenger.senders import is_automatic, mid_of, names_no_sender, opens_the_window


@pytest.mark.parametrize(
    ("event", "opens", "nobodys"),
    [
        ({"message": {"mid": "m", "text": "hi"}}, True, False),
        ({"message": {"mid": "m", "is_echo": False}}, True, False),
        ({"message": {"mid": "m", "is_echo": True}}, False, True),
        ({"message": {"mid": "m", "is_echo": True}, "postback": {}}, False, True),
        ({"postback": {"payload": "x"}}, True, False),
        ({"referral": {"ref": "x"}}, True, False),
        ({"optin": {}}, True, False),
        ({"read": {"watermark": 1}}, False, True),
        ({"delivery": {}}, False, True),
        ({"account_linking": {"status": "unlinked"}}, False, False),
        ({"reaction": {"mid": "m"}}, False, False),
        ({"take_thread_control": {}}, False, True),
        ({"message": {"mid": "m"}, "read": {}}, True, False),
        ({"message": None}, False, False),
        ({"message": None, "read": {}}, False, True),
        ({"message": {"mid": "m"}, "read": None}, True, False),
        ({}, False, False),
    ],
)
def test_an_event_is_a_persons_or_automatic(event: dict[str, Any], opens: bool, nobodys: bool) -> None:
    assert (opens_the_window(event), is_automatic(event)) == (opens, nobodys)


@pytest.mark.parametrize("event", ["24680", None, ["x"], 7], ids=repr)
def test_what_is_no_event_is_not_automatic_and_has_no_mid(event: object) -> None:
    assert not is_automatic(event)
    assert mid_of(event) is None


@pytest.mark.parametrize(
    ("event", "mid"),
    [
        ({"message": {"mid": "m_1"}}, "m_1"),
        ({"postback": {"mid": "m_2"}}, "m_2"),
        ({"postback": {"payload": "x"}}, None),
        ({"message": {"mid": 7}}, None),
        ({"message": "m_1"}, None),
        ({"referral": {"mid": "m"}}, None),
    ],
)
def test_a_message_or_postback_has_a_mid(event: dict[str, Any], mid: str | None) -> None:
    assert mid_of(event) == mid


@pytest.mark.parametrize(
    ("event", "none"),
    [
        ({"policy_enforcement": {}}, True),
        ({"optin": {"user_ref": "x"}, "sender": None}, True),
        ({"optin": {"user_ref": "x"}, "sender": {"user_ref": "x"}}, True),
        ({"message": {"mid": "m"}, "sender": {"id": "24680"}}, False),
        ({"sender": {}}, False),
        ({"postback": None}, False),
        ("24680", False),
    ],
)
def test_only_an_event_of_messengers_own_may_name_no_sender(event: Any, none: bool) -> None:
    assert names_no_sender(event) is none
