"""Two-factor sign-in: codes, limits, recovery, and secrets that are useless in the database alone."""

from __future__ import annotations

import hashlib
import hmac
import struct
from typing import Any

import pyotp
import pytest

from bot_linking import ConfigurationError
from bot_linking.doors.throttle import TooManyAttempts
from bot_linking.external_account import (
    AppKeyRefused,
    SecondFactorLocked,
    SecondFactorRefused,
    SecondFactorUnreadable,
)
from bot_linking.external_account.two_factor import Vault

from .shop import KEYS, USER, MakeShop, Shop


@pytest.fixture
def bound(shop: Shop) -> Shop:
    shop.bind()
    return shop


def test_the_code_is_required_where_two_factor_sign_in_is_on(bound: Shop) -> None:
    authenticator = bound.enrol()
    for answer in (bound.sign_in(), bound.sign_in(""), bound.sign_in(twoFactorCode=None)):
        assert (answer.status_code, answer.json()["data"]) == (401, None)
        assert answer.json()["error"].startswith("twoFactorCode is required")
    assert bound.sign_in(authenticator.code()).status_code == 200


def test_the_code_is_the_one_of_rfc_6238(bound: Shop) -> None:
    """Computed by this test from the standard, and not by the library."""
    authenticator = bound.enrol()
    counter = struct.pack(">Q", int(bound.clock()) // 30)
    mac = hmac.new(authenticator.totp.byte_secret(), counter, hashlib.sha1).digest()
    at = mac[-1] & 15
    number = struct.unpack(">I", mac[at : at + 4])[0] & 0x7FFFFFFF
    assert bound.sign_in(f"{number % 1_000_000:06d}").status_code == 200


@pytest.mark.parametrize(
    "code",
    [
        123456, 12345, "12345", "1234567", "12345a", "123456\n", " 123456", "１２３４５６", "٣٣٣٣٣٣",
        "²²²²²²", True, ["123456"],
    ],
)  # fmt: skip
def test_a_code_is_six_ascii_digits_as_text(bound: Shop, code: Any) -> None:
    """Another form is refused with or without a second factor, and does not count as a guess."""
    for _ in range(2):
        answer = bound.sign_in(code)
        assert (answer.status_code, answer.json()["data"]) == (400, None)
        assert answer.json()["error"].startswith("twoFactorCode")
    authenticator = bound.enrol()
    assert bound.sign_in(code).status_code == 400
    assert bound.sign_in(authenticator.code()).status_code == 200


def test_a_code_is_ignored_for_a_user_without_a_second_factor(bound: Shop) -> None:
    for code in ("123456", "", None):
        assert bound.sign_in(twoFactorCode=code).status_code == 200


@pytest.mark.parametrize(("steps", "accepted"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_one_step_either_way_is_tolerated(bound: Shop, steps: int, accepted: bool) -> None:
    authenticator = bound.enrol()
    answer = bound.sign_in(authenticator.code(steps))
    assert answer.status_code == (200 if accepted else 401)
    assert (answer.json()["data"] is None) is not accepted


def test_a_code_is_accepted_once_and_no_older_one_after_it(bound: Shop) -> None:
    authenticator = bound.enrol()
    now, before, after = (authenticator.code(steps) for steps in (0, -1, 1))
    assert bound.sign_in(now).status_code == 200
    assert bound.sign_in(now).status_code == 401
    assert bound.sign_in(before).status_code == 401
    assert bound.sign_in(after).status_code == 200


def test_a_clock_that_steps_back_revives_no_code(bound: Shop) -> None:
    authenticator = bound.enrol()
    used = authenticator.code()
    bound.token(used)
    bound.clock.advance(-30)
    assert bound.sign_in(used).status_code == 401
    assert bound.sign_in(authenticator.code()).status_code == 401


def test_five_wrong_codes_pass_in_fifteen_minutes_however_they_are_spread(bound: Shop) -> None:
    authenticator = bound.enrol()
    for _ in range(5):
        assert bound.sign_in(authenticator.wrong()).status_code == 401
        bound.clock.advance(170)
    answer = bound.sign_in(authenticator.code())
    assert (answer.status_code, answer.json()["data"]) == (429, None)
    wait = int(answer.headers["Retry-After"])
    assert wait == 50, "until the first of them is fifteen minutes old"
    bound.clock.advance(wait)
    assert bound.sign_in(authenticator.wrong()).status_code == 401, "one more"
    assert bound.sign_in(authenticator.code()).status_code == 429
    bound.clock.advance(900)
    assert bound.sign_in(authenticator.code()).status_code == 200


def test_a_right_code_forgives_no_wrong_ones_of_the_window(bound: Shop) -> None:
    authenticator = bound.enrol()
    for _ in range(4):
        bound.sign_in(authenticator.wrong())
    bound.token(authenticator.code())
    bound.clock.advance(30)
    assert bound.sign_in(authenticator.wrong()).status_code == 401
    assert bound.sign_in(authenticator.code()).status_code == 429


def test_the_limit_is_the_users_whichever_account_or_token_is_used(bound: Shop) -> None:
    bound.bind(unionID="second")
    authenticator = bound.enrol()
    more = bound.external.create_back_end_token("shop")
    for number in range(5):
        unions = {"unionID": "second"} if number % 2 else {}
        assert bound.sign_in(authenticator.wrong(), token=more, **unions).status_code == 401
    assert bound.sign_in(authenticator.code()).status_code == 429
    with pytest.raises(TooManyAttempts):
        bound.external.check_second_factor("shop", USER, authenticator.code())


@pytest.mark.parametrize(
    "typed",
    [
        "{0[0]}{0[1]}{0[2]} {0[3]}{0[4]}{0[5]}",
        "{0}\r\n",
        "\u200e{0}",
        "{0[0]}-{0[1]}-{0[2]}{0[3]}{0[4]}{0[5]}",
    ],
)
@pytest.mark.parametrize("zero", "0٠۰०０")
def test_a_sign_in_of_the_sites_own_takes_a_code_as_it_is_typed(bound: Shop, typed: str, zero: str) -> None:
    code = bound.enrol().code().translate({48 + digit: ord(zero) + digit for digit in range(10)})
    bound.external.check_second_factor("shop", USER, typed.format(code))


def lock(shop: Shop, wrong: str) -> None:
    """Twenty wrong codes in a row, as slowly as the limit allows."""
    for _ in range(4):
        for _ in range(5):
            assert shop.sign_in(wrong).status_code == 401
        shop.clock.advance(901)


def test_twenty_wrong_codes_in_a_row_end_it_until_a_recovery_code_opens_it(bound: Shop) -> None:
    authenticator = bound.enrol()
    lock(bound, "000000")
    for _ in range(3):
        answer = bound.sign_in(authenticator.code())
        assert answer.status_code == 403
        assert "recovery" in answer.json()["error"]
        bound.clock.advance(86_400)
    with pytest.raises(SecondFactorLocked):
        bound.external.check_second_factor("shop", USER, authenticator.code())
    bound.external.check_second_factor("shop", USER, authenticator.recovery_codes[0])
    assert bound.sign_in(authenticator.code()).status_code == 200


def test_a_new_secret_by_the_operator_opens_it_too(bound: Shop) -> None:
    bound.enrol()
    lock(bound, "000000")
    assert bound.sign_in(bound.enrol().code()).status_code == 200


def test_a_right_code_starts_the_row_again(bound: Shop) -> None:
    authenticator = bound.enrol()
    for _ in range(6):
        for _ in range(4):
            assert bound.sign_in(authenticator.wrong()).status_code == 401
        assert bound.sign_in(authenticator.code()).status_code == 200
        bound.clock.advance(901)


def test_a_recovery_code_is_good_once_however_it_is_typed(bound: Shop) -> None:
    first, second, *_ = bound.enrol().recovery_codes
    bound.external.check_second_factor("shop", USER, f" {first.upper().replace('-', ' ')}\n")
    with pytest.raises(SecondFactorRefused):
        bound.external.check_second_factor("shop", USER, first)
    bound.external.check_second_factor("shop", USER, second)


def test_guessed_recovery_codes_count_like_guessed_codes(bound: Shop) -> None:
    authenticator = bound.enrol()
    for _ in range(5):
        with pytest.raises(SecondFactorRefused):
            bound.external.check_second_factor("shop", USER, "aaaa-aaaa-aaaa-aaaa")
    with pytest.raises(TooManyAttempts):
        bound.external.check_second_factor("shop", USER, authenticator.recovery_codes[0])


def test_a_new_secret_brings_new_recovery_codes(bound: Shop) -> None:
    old, new = bound.enrol().recovery_codes, bound.enrol().recovery_codes
    assert len(set(old) | set(new)) == 20
    with pytest.raises(SecondFactorRefused):
        bound.external.check_second_factor("shop", USER, old[0])
    bound.external.check_second_factor("shop", USER, new[0])


def test_a_recovery_code_has_no_place_in_the_protocol(bound: Shop) -> None:
    assert bound.sign_in(bound.enrol().recovery_codes[0]).status_code == 400


def test_a_secret_that_the_person_has_already_can_be_kept(bound: Shop) -> None:
    secret = pyotp.random_base32()
    enrolment = bound.external.enable_two_factor("shop", USER, secret=secret)
    assert pyotp.parse_uri(enrolment.address).secret == secret
    assert bound.sign_in(pyotp.TOTP(secret).at(int(bound.clock()))).status_code == 200
    for wrong in ("", "short", "A" * 25, "a" * 32, "A" * 31 + "1", "A" * 33):
        with pytest.raises(ValueError, match="base 32"):
            bound.external.enable_two_factor("shop", USER, secret=wrong)


def test_the_site_can_ask_whether_it_is_on(shop: Shop) -> None:
    assert not shop.external.is_two_factor_on("shop", USER)
    shop.enrol()
    assert shop.external.is_two_factor_on("shop", USER)
    assert not shop.external.is_two_factor_on("other", USER)
    assert shop.external.disable_two_factor("shop", USER)
    assert not shop.external.disable_two_factor("shop", USER)
    assert not shop.external.is_two_factor_on("shop", USER)


def test_nobody_can_be_enrolled_in_an_application_that_is_not_there(shop: Shop) -> None:
    with pytest.raises(AppKeyRefused):
        shop.external.enable_two_factor("nosuchapp", USER)


def test_the_second_factor_belongs_to_one_user_of_one_application(bound: Shop) -> None:
    bound.bind(bound.other, unionID="theirs")
    other_app = bound.external.create_app("other")
    token = bound.external.create_token("other", USER)
    bound.enrol()
    assert bound.sign_in(unionID="theirs").status_code == 200
    body = {"unionID": "u", "platform": "p"}
    assert bound.call("POST", app="other", token=token, json=body).status_code == 200
    assert bound.call("POST", "/SignIn", app="other", token=other_app, json=body).status_code == 200


# Secrets at rest


def test_the_secret_is_encrypted_with_the_newest_key_and_read_with_every_one(new_shop: MakeShop) -> None:
    old, new = "old-key-" + "o" * 32, "new-key-" + "n" * 32
    shop = new_shop(EXTERNAL_KEYS=[old])
    shop.bind()
    authenticator = shop.enrol()
    service = shop.external._here()
    service.second_factors._vault = Vault([new, old])
    assert shop.sign_in(authenticator.code()).status_code == 200
    assert service.second_factors.reseal() == 1
    service.second_factors._vault = Vault([new])
    shop.clock.advance(60)
    assert shop.sign_in(authenticator.code()).status_code == 200
    service.second_factors._vault = Vault([old])
    shop.clock.advance(60)
    assert shop.sign_in(authenticator.code()).status_code == 503


def test_without_the_key_nobody_with_a_second_factor_gets_in(bound: Shop) -> None:
    authenticator = bound.enrol()
    bound.external._here().second_factors._vault = Vault([])
    answer = bound.sign_in(authenticator.code())
    assert (answer.status_code, answer.json()["data"]) == (503, None)
    assert "BOT_LINKING" not in answer.text
    assert bound.sign_in().status_code == 401
    with pytest.raises(ConfigurationError, match="BOT_LINKING_EXTERNAL_KEYS"):
        bound.external.enable_two_factor("shop", USER)


def test_a_secret_cannot_be_moved_to_another_user() -> None:
    vault = Vault([KEYS])
    sealed = vault.seal("shop", USER, "SECRET")
    assert vault.open("shop", USER, sealed) == "SECRET"
    for app_key, user_id in (("shop", 8), ("other", USER)):
        with pytest.raises(SecondFactorUnreadable):
            vault.open(app_key, user_id, sealed)
    assert vault.seal("shop", USER, "SECRET") != sealed, "the same twice does not show"
