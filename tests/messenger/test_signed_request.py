"""A `signed_request` is believed only where an app secret signed these very bytes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from bot_linking.messenger.signed_request import (
    MOST_CHARACTERS,
    Flaw,
    SignedRequestRefused,
    app_user_of,
    context_of,
    read_signed,
)

SECRET = b"an-app-secret-of-a-test"
NOW = 1_800_000_000
PUBLISHED = (
    "Mf_s6nTb38UYqioBmPqu0Ewm9souPZB9I2fIGwV729U."
    "eyJ1c2VyX2lkIjoiMCIsImFsZ29yaXRobSI6IkhNQUMtU0hBMjU2IiwiaXNzdWVkX2F0IjoxNjI0MjQ0MTU2fQ"
)
CONTEXT: dict[str, Any] = {
    "psid": "9988776655443", "algorithm": "HMAC-SHA256", "thread_type": "USER_TO_PAGE",
    "tid": "9988776655443", "issued_at": NOW, "page_id": 1122334455,
}  # fmt: skip


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def signed(payload: Any, secret: bytes = SECRET) -> str:
    encoded = encode(payload if isinstance(payload, bytes) else json.dumps(payload).encode())
    return f"{encode(hmac.new(secret, encoded.encode(), hashlib.sha256).digest())}.{encoded}"


def flaw_of(text: str | None, secrets: tuple[bytes, ...] = (SECRET,)) -> Flaw:
    with pytest.raises(SignedRequestRefused) as refused:
        context_of(read_signed(text, secrets), NOW)
    return refused.value.flaw


def test_the_recorded_sample_is_read_under_its_key_and_under_no_other() -> None:
    user = app_user_of(read_signed(PUBLISHED, [b"another key", b"key"]))
    assert (user.user_id, user.issued_at) == ("0", 1624244156)
    assert flaw_of(PUBLISHED, (b"another key",)) is Flaw.FORGED


def test_a_context_names_page_and_person_and_the_secret_that_signed_it() -> None:
    read = read_signed(signed(CONTEXT), [b"another", SECRET])
    context = context_of(read, NOW)
    assert (context.page_id, context.psid, read.secret) == ("1122334455", "9988776655443", SECRET)


@pytest.mark.parametrize("text", [None, ""])
def test_none_is_missing(text: str | None) -> None:
    assert flaw_of(text) is Flaw.MISSING


def _variants() -> dict[str, str]:
    good = signed(CONTEXT)
    signature, encoded = good.split(".")
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other_last = last[last.index(signature[-1]) ^ 1]
    return {
        "one part": encoded,
        "three parts": good + ".x",
        "parts swapped": f"{encoded}.{signature}",
        "padded payload": good + "=",
        "padded signature": f"{signature}=.{encoded}",
        "another last character that decodes alike": f"{signature[:-1]}{other_last}.{encoded}",
        "standard alphabet": good.replace("_", "/").replace("-", "+") + "/",
        "white space": f" {good}",
        "line break at the end": good + "\n",
        "no signature": f".{encoded}",
        "no payload": f"{signature}.",
        "no ASCII": f"{signature}.é{encoded}",
        "half a surrogate pair": f"\ud800.{encoded}",
        "longer than any": "A" * (MOST_CHARACTERS + 1),
        "no JSON": signed(b"not json"),
        "no object": signed([CONTEXT]),
        "no UTF-8": signed(b"\xff\xfe"),
    }


@pytest.mark.parametrize("name", _variants())
def test_what_is_not_spelt_in_the_one_right_way_is_refused(name: str) -> None:
    assert flaw_of(_variants()[name]) in {Flaw.MALFORMED, Flaw.FORGED}


@pytest.mark.parametrize("algorithm", [None, "", "none", "hmac-sha256", "HMAC-SHA1", ["HMAC-SHA256"], True])
def test_the_algorithm_is_pinned(algorithm: Any) -> None:
    assert flaw_of(signed({**CONTEXT, "algorithm": algorithm})) is Flaw.ALGORITHM


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        ({"issued_at": NOW - 301}, Flaw.LATE),
        ({"issued_at": NOW + 61}, Flaw.EARLY),
        ({"issued_at": str(NOW)}, Flaw.LATE),
        ({"issued_at": NOW + 0.5}, Flaw.LATE),
        ({"issued_at": True}, Flaw.LATE),
        ({"issued_at": None}, Flaw.LATE),
        ({"issued_at": 10**40}, Flaw.EARLY),
        ({"page_id": "1122334455"}, Flaw.PAGE),
        ({"page_id": True}, Flaw.PAGE),
        ({"page_id": 1122334455.0}, Flaw.PAGE),
        ({"page_id": 0}, Flaw.PAGE),
        ({"page_id": -5}, Flaw.PAGE),
        ({"thread_type": "GROUP"}, Flaw.THREAD),
        ({"thread_type": "USER_TO_USER"}, Flaw.THREAD),
        ({"thread_type": None}, Flaw.THREAD),
        ({"psid": 9988776655443}, Flaw.PERSON),
        ({"psid": ""}, Flaw.PERSON),
        ({"psid": "12\n"}, Flaw.PERSON),
        ({"psid": "１２"}, Flaw.PERSON),
        ({"psid": "1" * 65}, Flaw.PERSON),
        ({"psid": ["1"]}, Flaw.PERSON),
    ],
)
def test_a_context_of_another_shape_is_refused(change: dict[str, Any], flaw: Flaw) -> None:
    assert flaw_of(signed({**CONTEXT, **change})) is flaw


@pytest.mark.parametrize("issued_at", [NOW - 300, NOW, NOW + 60])
def test_five_minutes_back_and_one_ahead_are_in_time(issued_at: int) -> None:
    assert context_of(read_signed(signed({**CONTEXT, "issued_at": issued_at}), [SECRET]), NOW)


@pytest.mark.parametrize("user_id", [0, "", "me", "1/2", None, "9" * 65])
def test_a_callback_without_an_app_scoped_id_is_refused(user_id: Any) -> None:
    read = read_signed(signed({"algorithm": "HMAC-SHA256", "user_id": user_id}), [SECRET])
    with pytest.raises(SignedRequestRefused) as refused:
        app_user_of(read)
    assert refused.value.flaw is Flaw.PERSON


def test_an_old_callback_is_read_all_the_same() -> None:
    read = read_signed(signed({"algorithm": "HMAC-SHA256", "user_id": "42", "issued_at": 1}), [SECRET])
    assert app_user_of(read).user_id == "42"


def test_a_refusal_says_what_to_mend_and_shows_nothing_of_the_request() -> None:
    for flaw in Flaw:
        assert flaw.sentence
        assert str(SignedRequestRefused(flaw)) == flaw.sentence
