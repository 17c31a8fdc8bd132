"""Codes are random, are kept as digests, and expire on time."""

from __future__ import annotations

import base64
import re
from dataclasses import replace

import pytest

from bot_linking.core.codes import (
    UNBOUND_MAX_AGE_S,
    PendingCode,
    digest_of,
    is_good,
    is_shaped_as_ours,
    mint_code,
)

CODE = PendingCode(1, "attempt", None, None, "1", None, None, None, None, 1_000_000, 1_300_000, None, None)


def test_a_code_holds_192_bits_in_url_safe_characters() -> None:
    code = mint_code()
    assert re.fullmatch(r"[A-Za-z0-9_-]{32}", code)
    assert len(base64.urlsafe_b64decode(code)) * 8 == 192


def test_ten_thousand_codes_differ_in_every_place() -> None:
    codes = [mint_code() for _ in range(10_000)]
    assert len(set(codes)) == len(codes)
    for place in range(32):
        assert len({code[place] for code in codes}) == 64


def test_a_code_of_ours_has_exactly_our_length_and_letters() -> None:
    code = mint_code()
    assert is_shaped_as_ours(code)
    foreign = (
        "",
        code[:-1],
        code + "A",
        code + "\n",
        " " + code,
        code[:-1] + "=",
        code[:-1] + "é",
        code[:-1] + "٣",
    )
    for other in (*foreign, "1234567890", None):
        assert not is_shaped_as_ours(other)


def test_a_digest_is_sha_256_and_tells_nothing_of_the_code() -> None:
    assert digest_of("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_digest_tells_spellings_apart_that_a_lenient_decoder_would_not() -> None:
    code = mint_code()
    assert (
        len({digest_of(each) for each in (code, code + "=", code + "==", " " + code, code.swapcase())}) == 5
    )


def test_a_lone_surrogate_has_a_digest_of_its_own() -> None:
    assert digest_of("\ud800") != digest_of("\ud801")


@pytest.mark.parametrize(("now", "good"), [(1_000_000, True), (1_300_000, True), (1_300_001, False)])
def test_on_time_our_clock_judges_to_the_millisecond(now: int, good: bool) -> None:
    assert is_good(CODE, event_ms=None, now_ms=now) is good


@pytest.mark.parametrize("event", [None, 5, 1_234_567_890_000])
def test_on_time_every_timestamp_is_good(event: int | None) -> None:
    assert is_good(CODE, event_ms=event, now_ms=1_299_999)


@pytest.mark.parametrize(
    ("event", "good"),
    [(None, False), (5, False), (939_999, False), (940_000, True), (1_000_000, True), (1_300_000, True),
     (1_300_001, False), (1_234_567_890_000, False)],
)  # fmt: skip
def test_late_the_signed_timestamp_judges_with_a_minute_for_clocks_that_differ(
    event: int | None, good: bool
) -> None:
    assert is_good(CODE, event_ms=event, now_ms=10**12) is good


def test_a_clock_that_is_behind_refuses_no_fresh_code() -> None:
    assert is_good(CODE, event_ms=None, now_ms=0)


def test_whether_a_code_has_expired_does_not_depend_on_who_used_it() -> None:
    assert is_good(replace(CODE, consumed_at=1), event_ms=None, now_ms=1_300_000)


def test_an_unbound_code_lives_a_minute() -> None:
    assert UNBOUND_MAX_AGE_S <= 60
