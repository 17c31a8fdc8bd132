"""The reader of JSON takes UTF-8 JSON only, and raises its own error only."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot_linking.core.errors import PayloadUnreadable
from bot_linking.core.reading import DEEPEST, read_id, read_json

REFUSED = {
    "nothing": b"",
    "blank": b" ",
    "not JSON": b"entry=1",
    "NaN": b'{"timestamp": NaN}',
    "Infinity": b"[Infinity]",
    "minus Infinity": b"[-Infinity]",
    "a float beyond a float": b"[1e400]",
    "a negative float beyond a float": b"[-1e999]",
    "an integer of 5,000 digits": b"[" + b"9" * 5000 + b"]",
    "nesting of 100,000": b"[" * 100_000 + b"]" * 100_000,
    "nested objects of 100,000": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "an open nesting": b"[" * 100_000,
    "nesting of 101": b"[" * 101 + b"]" * 101,
    "objects in lists, 102 levels": b'[{"a":' * 51 + b"1" + b"}]" * 51,
    "a deep one beside many flat ones": b"[" + b"[]," * 500 + b"[" * 100 + b"]" * 100 + b"]",
    "a key that is half a surrogate pair": b'{"\\ud800": 1}',
    "a key that ends in half a pair, in capitals": b'{"a": [{"b\\uDFFF": 1}]}',
    "a key of a pair the wrong way round": b'{"\\ude00\\ud83d": 1}',
    "UTF-16": '{"a": "b"}'.encode("utf-16"),
    "UTF-16 without a mark": '{"a": "b"}'.encode("utf-16-le"),
    "UTF-32": '{"a": "b"}'.encode("utf-32"),
    "UTF-8 with a mark": b'\xef\xbb\xbf{"a": "b"}',
    "Latin-1": '{"a": "é"}'.encode("latin-1"),
    "a raw surrogate": b'{"a": "\xed\xa0\x80"}',
    "an overlong slash": b'{"a": "\xc0\xaf"}',
    "a trailing comma": b'{"a": 1,}',
    "single quotes": b"{'a': 1}",
    "a comment": b'{"a": 1} // b',
    "two values": b"{}{}",
    "a raw line break in text": b'{"a": "b\nc"}',
    "a zero byte": b'{"a": "\x00"}',
    "a number with a leading zero": b"[01]",
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_utf_8_json_is_refused_by_name(body: bytes) -> None:
    with pytest.raises(PayloadUnreadable):
        read_json(body)


@pytest.mark.parametrize("whole", ["7.0", "70e-1", "7e0", "-0.0", "9007199254740991.0", "1e17"])
def test_a_number_that_is_whole_as_it_is_written_is_whole(whole: str) -> None:
    assert read_json(whole.encode()).is_integer()


ROUNDED = (
    "9007199254740990.6", "4503599627370497.5", "6.9999999999999999999", "7.00000000000000000001",
    "1e-400", "-1e-400", "1e-99999999999999999999", "0." + "0" * 5000 + "1",
)  # fmt: skip


@pytest.mark.parametrize("fraction", ROUNDED)
def test_a_fraction_that_only_rounding_makes_whole_is_not_whole(fraction: str) -> None:
    """A door that takes 7.0 for an id takes no other's id for a fraction."""
    found = read_json(fraction.encode())
    assert found == float(fraction)
    assert not found.is_integer()
    json.dumps(found)


def test_the_refusal_repeats_nothing_of_the_body() -> None:
    with pytest.raises(PayloadUnreadable) as refusal:
        read_json(b'{"token": "EAAG-secret"')
    assert "EAAG" not in str(refusal.value)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": "\\u00e4"}', {"a": "ä"}),
        ('{"a": "ä😀"}'.encode(), {"a": "ä😀"}),
        (b'"\\ud83d\\ude00"', "😀"),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b"[1e308, 1.5, -0.0, 1E-400]", [1e308, 1.5, -0.0, 0.0]),
        (b"[18446744073709551616]", [2**64]),
        (b" \r\n\t null ", None),
        (b"[" * 100 + b"]" * 100, json.loads("[" * 100 + "]" * 100)),
        (b"[" + b"{}," * 500 + b"1]", [*[{}] * 500, 1]),
    ],
)
def test_what_is_json_is_read(body: bytes, value: object) -> None:
    assert read_json(body) == value


@given(st.recursive(st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_what_was_read_can_be_written(value: object) -> None:
    assert read_json(json.dumps(value).encode()) == value


def test_an_escaped_lone_surrogate_is_read_and_is_no_id() -> None:
    """It is JSON, and may be in a person's message; it must not be a key or an id."""
    text = read_json(b'"\\ud800"')
    assert text == "\ud800"
    assert read_id(text) is None


@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise_another_error(body: bytes) -> None:
    try:
        value = read_json(body)
    except PayloadUnreadable:
        return
    assert json.loads(body.decode("utf-8")) == value


@given(st.integers(1, 130), st.integers(0, 130), st.booleans())
def test_what_is_read_can_be_written_and_is_at_most_a_hundred_levels_deep(
    lists: int, objects: int, beside: bool
) -> None:
    inner = b'{"a":' * objects + b"[" * lists + b"]" * lists + b"}" * objects
    body = b"[" + b"{}," * 200 + inner + b"]" if beside else inner
    depth = lists + objects + beside
    if depth > DEEPEST:
        with pytest.raises(PayloadUnreadable, match="deeper than 100"):
            read_json(body)
    else:
        assert json.loads(json.dumps(read_json(body))) == json.loads(body)


@pytest.mark.parametrize(
    "key", ["é", "😀", "\\ud83d\\ude00", "\\ud800\\udc00", "\\\\ud800", "\\u00e4", "ud800"]
)
def test_a_key_of_whole_characters_is_read(key: str) -> None:
    assert list(read_json(f'{{"{key}": "\\ud800"}}'.encode())) == list(json.loads(f'{{"{key}": 1}}'))


def test_no_broken_webhook_makes_it_raise_another_error() -> None:
    rng = random.Random(1)
    body = json.dumps(
        {"object": "page", "entry": [{"id": "1", "messaging": [{"sender": {"id": "ä"}}]}]}
    ).encode()
    unreadable = 0
    for _ in range(3000):
        broken = bytearray(body)
        for _ in range(rng.randrange(1, 4)):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        try:
            read_json(bytes(broken))
        except PayloadUnreadable:
            unreadable += 1
    assert 0 < unreadable < 3000


@pytest.mark.parametrize("value", ["1", "0123", "USER_ID", "1e2", "a.b-c_d", "x" * 64, "00"])
def test_an_id_is_kept_to_the_letter(value: str) -> None:
    assert read_id(value) == value


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (10**62, "1" + "0" * 62), (254459154682919, "254459154682919")]
)
def test_an_integer_id_is_its_decimal_form(value: int, text: str) -> None:
    assert read_id(value) == text


@pytest.mark.parametrize(
    "value",
    ["", " 1", "1 ", "1\n", "x" * 65, "ä", "１２３", "1/2", "a?b", "a%20b", "\x00", "\ud800", True, False,
     None, 1.0, 10**63, -(10**70), [], {}, ["1"], b"1"],
)  # fmt: skip
def test_what_is_no_id_is_none(value: object) -> None:
    assert read_id(value) is None
