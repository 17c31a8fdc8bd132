"""Free places go to the page that waits, or by turns to several; a page that hangs does not slow the
others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot_linking.delivery.shares import shares_of


def share(pages: list[str], under_way: dict[str, int], places: int = 8, room: int = 99) -> dict[str, int]:
    return shares_of(pages, under_way, places=places, room=lambda page: room)


def test_a_page_that_waits_alone_has_all_free_places() -> None:
    assert share(["a"], {}) == {"a": 8}
    assert share(["a"], {"a": 3}) == {"a": 5}
    assert share(["a"], {"a": 2, "b": 1}) == {"a": 5}


def test_pages_that_wait_together_share_by_turns() -> None:
    assert share(["a", "b"], {}) == {"a": 4, "b": 4}
    assert share(["a", "b", "c"], {}) == {"a": 3, "b": 3, "c": 2}


def test_a_page_with_many_under_way_comes_after_the_others() -> None:
    assert share(["a", "b"], {"a": 5}) == {"b": 3}
    assert share(["a", "b"], {"a": 2}) == {"a": 2, "b": 4}


def test_a_page_with_nothing_under_way_gets_a_place_where_all_are_taken() -> None:
    assert share(["a", "b"], {"a": 8}) == {"b": 1}
    assert share(["a", "b", "c"], {"a": 8, "b": 1}) == {"c": 1}
    assert share(["a", "b"], {"a": 8, "b": 1}) == {}


def test_no_more_than_twice_the_places_are_ever_taken() -> None:
    pages = [str(number) for number in range(100)]
    assert sum(share(pages, {"a": 8}).values()) == 8
    assert share(pages, {str(number): 1 for number in range(50, 66)}) == {}


def test_a_single_place_stays_single() -> None:
    assert share(["a", "b"], {"a": 1}, places=1) == {}
    assert share(["a", "b"], {}, places=1) == {"a": 1}


@pytest.mark.parametrize("room", [0, 1, 3])
def test_no_page_gets_more_than_its_pace_allows(room: int) -> None:
    assert share(["a"], {}, room=room) == ({"a": room} if room else {})
    assert share(["a", "b"], {}, room=room) == ({"a": room, "b": room} if room else {})


@given(
    st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=8),
    st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 20), max_size=8),
    st.integers(1, 12),
    st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 9), max_size=8),
)
def test_the_limits_hold_and_no_free_place_is_idle(
    pages: list[str], under_way: dict[str, int], places: int, rooms: dict[str, int]
) -> None:
    taken = shares_of(pages, under_way, places=places, room=lambda page: rooms.get(page, 5))
    busy = sum(under_way.values())
    assert taken.keys() <= set(pages)
    assert all(0 < count <= rooms.get(page, 5) for page, count in taken.items())
    assert not taken or busy + sum(taken.values()) <= max(places, 2 * places if places > 1 else places)
    wanted = sum(rooms.get(page, 5) for page in pages)
    assert sum(taken.values()) >= min(max(0, places - busy), wanted)
