"""A name that others chose is one line in our sentences, without addresses and hidden characters, and keeps
its spelling."""

from __future__ import annotations

import sys
import unicodedata
from time import thread_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot_linking.core.text import LONGEST_NAME, one_line, safe_name

JOINERS = "\u200c\u200d"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("ada", "ada"),
        (" ada  lovelace ", "ada lovelace"),
        ("ada\nAdmin: pay now", "ada Admin: pay now"),
        ("a\r\nb\tc", "a b c"),
        ("a\u2028b\u2029c\x85d", "a b c d"),
        ("\u202emoc.live\u202c", "moc.live"),
        ("\u202dada\u202c", "ada"),
        ("a\u200bd\u2060a", "ada"),
        ("\x1b[31mred", "[31mred"),
        ("a\0b", "ab"),
        ("\ue000x", "x"),
        ("\U000e0041x", "x"),
        ("\u3164ada\u2800", "ada"),
        ("\u3164", ""),
        ("李小龍", "李小龍"),
        ("Zoë", "Zoë"),
        ("", ""),
        ("\u2066\u2069", ""),
        ("😀", "😀"),
    ],
    ids=ascii,
)
def test_a_chosen_name_is_one_line_without_hidden_marks(name: str, shown: str) -> None:
    assert one_line(name) == safe_name(name) == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Your prize: http://evil.example/x", "Your prize:"),
        ("https://evil.example", ""),
        ("HTTPS://EVIL.EXAMPLE ada", "ada"),
        ("https:\\\\evil.example ada", "ada"),
        ("ada www.evil.example", "ada"),
        ("//evil.example ada", "ada"),
        ("1http://evil.example", "1"),
        ("_www.evil.example", "_"),
        ("(http://evil.example)", "("),
        ("tel://123 ada", "ada"),
        ("evil.example/y", ""),
        ("ada evil.example/y lovelace", "ada lovelace"),
        ("ada sub.evil.example/", "ada"),
        ("ada evil.example./y", "ada"),
        ("ada evil.example:8080", "ada"),
        ("ada evil.example?y", "ada"),
        ("ada evil.example#y", "ada"),
        ("ada 192.0.2.1/y", "ada"),
        ("ada evil\uff0eexample\uff0fy", "ada"),
        ("ada evil\u3002example/y", "ada"),
        ("ada e\u200dvil.example/y", "ada"),
        ("ada evil.\u200bexample/y", "ada"),
    ],
    ids=ascii,
)
def test_an_address_in_a_name_does_not_reach_the_chat(name: str, shown: str) -> None:
    assert safe_name(name) == shown


@pytest.mark.parametrize(
    "name",
    [
        "ada.lovelace",
        "ada@example.com",
        "A. Lovelace",
        "Dr. Strange/Love",
        "3/4",
        "ada (v1.2)",
        "what?",
        "a:b",
    ],
)
def test_dots_slashes_and_question_marks_alone_are_part_of_a_name(name: str) -> None:
    assert safe_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647",  # Persian
        "\u0915\u094d\u200d\u0937",  # Devanagari, a half letter
        "\u0dc1\u0dca\u200d\u0dbb\u0dd3",  # Sinhala
        "\u0d05\u0d35\u0d28\u0d4d\u200d",  # Malayalam, at the end of a word
        "\u06f1\u06f0\u200c\u0647\u0627",  # Persian, after a number
        "\U0001f469\u200d\U0001f469\u200d\U0001f467",  # a family
        "\u2764\ufe0f\u200d\U0001f525",  # a heart on fire
        "\U0001f469\U0001f3fd\u200d\U0001f680",  # an astronaut
        "\U0001f642\u200d\u2194\ufe0f",  # a shaken head
    ],
    ids=ascii,
)
def test_a_joiner_stays_where_it_is_part_of_the_spelling(name: str) -> None:
    assert one_line(name) == safe_name(name) == name


@pytest.mark.parametrize("joiner", JOINERS, ids=ascii)
@pytest.mark.parametrize(
    ("name", "shown"),
    [("{}ada", "ada"), ("ada{}", "ada"), ("ada{} l", "ada l"), ("ada {}l", "ada l"), ("a{0}{0}b", "a{0}b")],
)
def test_a_joiner_that_joins_nothing_goes(joiner: str, name: str, shown: str) -> None:
    assert safe_name(name.format(joiner)) == shown.format(joiner)


@given(st.text(max_size=300))
def test_every_name_is_shown_short_visible_and_without_an_address(name: str) -> None:
    shown = safe_name(name)
    assert len(shown) <= LONGEST_NAME
    assert all(mark.isprintable() or mark in JOINERS for mark in shown)
    assert "//" not in shown
    assert shown == safe_name(shown) == one_line(shown)


@given(st.text(alphabet="ab./\\:?#@\u200d\u3002\uff0f \u094d", max_size=120))
def test_a_safe_name_stays_as_it_is(name: str) -> None:
    assert safe_name(safe_name(name)) == safe_name(name)


def test_no_mark_that_turns_the_reading_direction_survives() -> None:
    for code in range(sys.maxunicode):
        if unicodedata.bidirectional(chr(code)) in {
            "LRE",
            "RLE",
            "LRO",
            "RLO",
            "PDF",
            "LRI",
            "RLI",
            "FSI",
            "PDI",
        }:
            assert one_line(f"a{chr(code)}b") == "ab"


@pytest.mark.parametrize(
    "piece", ["a", "a.", "a:", "//", "www.", "a\u200d", "\u202e", "é", "a.b/", " "], ids=ascii
)
def test_a_name_of_any_length_costs_next_to_nothing(piece: str) -> None:
    began = thread_time()
    safe_name(piece * 1_000_000)
    assert thread_time() - began < 0.5


MARKS = [*"a.。．｡/／\\＼:#?@-% ", "www.", "http:", "\u200d", "\u200c", "क्", "\u0301"]


@pytest.mark.parametrize("first", MARKS, ids=ascii)
def test_no_repeated_pair_of_characters_costs_more(first: str) -> None:
    """Among them dots of every script, of which a name may consist: `。。。。。。`."""
    began = thread_time()
    for second in MARKS:
        safe_name((first + second) * 500)
    assert thread_time() - began < 0.5


def test_a_name_of_full_stops_alone_is_a_name() -> None:
    assert safe_name("。" * 40) == "。" * 40
