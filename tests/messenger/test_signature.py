"""The signature is over the bytes received, with SHA-256 and nothing else."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot_linking.messenger.signature import sign, signer_of

SAMPLES: list[dict[str, str]] = json.loads(
    (Path(__file__).parent / "samples" / "signed_bodies.json").read_text("utf-8")
)
BODY = b'{"object":"page","entry":[]}'
NEW, OLD = b"new-app-secret", b"old-app-secret"


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample["name"])
def test_a_recorded_body_is_signed_as_openssl_and_the_rfc_say(sample: dict[str, str]) -> None:
    body, secret = base64.b64decode(sample["body_base64"]), sample["secret"].encode()
    assert sign(body, secret) == sample["signature"]
    assert signer_of(body, sample["signature"], [secret]) == secret


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample["name"])
def test_a_recorded_body_with_one_byte_changed_is_refused(sample: dict[str, str]) -> None:
    body, secret = base64.b64decode(sample["body_base64"]), sample["secret"].encode()
    changed = bytes([body[0] ^ 1]) + body[1:] if body else b"\0"
    assert signer_of(changed, sample["signature"], [secret]) is None


def test_escaped_unicode_is_signed_as_it_came_not_as_it_would_be_written_again() -> None:
    escaped = rb'{"text":"\u00e4\/"}'
    written_again = json.dumps(json.loads(escaped)).encode()
    assert written_again != escaped
    assert signer_of(escaped, sign(escaped, NEW), [NEW]) == NEW
    assert signer_of(escaped, sign(written_again, NEW), [NEW]) is None


@pytest.mark.parametrize("order", [[NEW, OLD], [OLD, NEW]])
@pytest.mark.parametrize("signer", [NEW, OLD])
def test_while_one_secret_replaces_the_other_both_are_good_and_told_apart(
    order: list[bytes], signer: bytes
) -> None:
    assert signer_of(BODY, sign(BODY, signer), order) == signer


def test_a_secret_that_was_taken_away_signs_nothing_any_more() -> None:
    assert signer_of(BODY, sign(BODY, OLD), [NEW]) is None


GOOD = sign(BODY, NEW)
SHA1 = "sha1=" + hmac.new(NEW, BODY, hashlib.sha1).hexdigest()
MD5 = "md5=" + hmac.new(NEW, BODY, hashlib.md5).hexdigest()


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "sha256=",
        "sha256",
        "=",
        GOOD[7:],
        SHA1,
        MD5,
        SHA1.replace("sha1", "sha256"),
        GOOD.upper(),
        "SHA256=" + GOOD[7:],
        "sha256=" + GOOD[7:].upper(),
        GOOD + "0",
        GOOD[:-1],
        " " + GOOD,
        GOOD + " ",
        GOOD + "\n",
        GOOD + ",",
        f"{GOOD}, {GOOD}",
        "sha256=" + "0" * 64,
        "sha256=\xe9" + GOOD[8:],
        "\xff",
        "é" * 71,
        GOOD.replace("a", "а"),
        "sha256=" + "é" * 64,
        "x" * 100_000,
        "\udcff" * 71,
    ],
    ids=repr,
)
def test_any_other_header_is_refused_and_none_raises(header: str | None) -> None:
    assert signer_of(BODY, header, [NEW]) is None


def test_without_secrets_nothing_is_signed() -> None:
    assert signer_of(BODY, sign(BODY, b""), []) is None


@given(st.binary(max_size=200), st.text(max_size=100))
def test_no_header_that_was_not_computed_with_the_secret_passes(body: bytes, header: str) -> None:
    assert signer_of(body, header, [NEW]) == (NEW if header == sign(body, NEW) else None)


@given(st.binary(min_size=1, max_size=200), st.data())
def test_whatever_byte_is_changed_the_signature_is_void(body: bytes, data: Any) -> None:
    at = data.draw(st.integers(0, len(body) - 1))
    flip = data.draw(st.integers(1, 255))
    changed = body[:at] + bytes([body[at] ^ flip]) + body[at + 1 :]
    assert signer_of(changed, sign(body, NEW), [NEW]) is None
