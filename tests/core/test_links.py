"""The values: what an Account accepts, and how a Link looks as plain JSON."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime
from typing import Any

import pytest

from bot_linking.core.events import LinkingEvent
from bot_linking.core.links import Account, Link, from_ms

LINK = Link(
    "page", "psid", "1", "ada", None, "+44", "login", from_ms(1_800_000_000_123), from_ms(1_800_000_001_000)
)


@pytest.mark.parametrize("value", ["", None, 1, 1.0, True, b"1", "x" * 256])
def test_an_account_without_a_text_id_is_refused_where_it_is_made(value: Any) -> None:
    with pytest.raises(TypeError, match=r"Account\.id"):
        Account(value)


@pytest.mark.parametrize("value", ["0", "0123", "x" * 255, "用户", "a b"])
def test_an_account_id_is_any_text_of_the_site(value: str) -> None:
    assert Account(value).id == value


@pytest.mark.parametrize("name", ["username", "email", "phone_number", "display_name"])
def test_every_field_of_an_account_is_text_or_none(name: str) -> None:
    with pytest.raises(TypeError, match=name):
        Account("1", **{name: 441234})  # type: ignore[arg-type]
    assert getattr(Account("1", **{name: "x"}), name) == "x"


def test_a_label_is_the_friendliest_name_there_is() -> None:
    names: dict[str, str] = {}
    labels = [Account("1").label]
    for name in ("phone_number", "username", "email", "display_name"):
        names[name] = name
        labels.append(Account("1", **names).label)
    assert labels == ["1", "phone_number", "username", "email", "display_name"]


def test_values_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Account("1").id = "2"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        LINK.account_id = "2"  # type: ignore[misc]


def test_a_link_as_a_dict_is_json_with_every_field_and_rfc_3339_times() -> None:
    assert json.loads(json.dumps(LINK.as_dict())) == {
        "page_id": "page", "psid": "psid", "account_id": "1", "username": "ada", "email": None,
        "phone_number": "+44", "source": "login", "linked_at": "2027-01-15T08:00:00.123+00:00",
        "updated_at": "2027-01-15T08:00:01.000+00:00",
    }  # fmt: skip


def test_times_are_aware_and_utc() -> None:
    assert from_ms(0) == datetime(1970, 1, 1, tzinfo=UTC)
    assert from_ms(1_800_000_000_123).microsecond == 123_000


def test_an_event_shows_itself_without_its_code() -> None:
    assert "secret" not in repr(LinkingEvent("page", "psid", "linked", "secret", 1))
