"""No token, TOTP secret or recovery code is in a log, in the database's bytes, in an error or in a repr."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from bot_linking.external_account.tokens import mint_token

from .shop import KEYS, USER, MakeShop


def test_nothing_secret_is_written_anywhere(
    new_shop: MakeShop, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    shop = new_shop()
    shop.bind()
    enrolment = shop.external.enable_two_factor("shop", USER)
    secret = enrolment.address.partition("secret=")[2].partition("&")[0]
    authenticator = shop.enrol()
    token = shop.token(authenticator.code())
    texts = [
        shop.sign_in(authenticator.wrong()).text, shop.sign_in("abc").text, shop.sign_in().text,
        shop.sign_in(token="ea_canary-of-a-wrong-token").text, shop.update(1, token, **{"x" * 60: 1}).text,
        repr(enrolment), repr(shop.external), repr(shop.external._here().settings), repr(mint_token()),
    ]  # fmt: skip
    shop.external.check_second_factor("shop", USER, authenticator.recovery_codes[0])
    cli = shop.app.test_cli_runner()
    texts += [cli.invoke(args=["linking", *names]).output for names in (["token", "list"], ["app", "list"])]
    database = b"".join(path.read_bytes() for path in tmp_path.glob("shop.db*"))
    assert b"wechat" in database
    written = "\n".join([*texts, caplog.text]).encode() + database
    canaries = [
        shop.user, shop.other, shop.back_end, token, secret, authenticator.totp.secret, KEYS,
        *enrolment.recovery_codes, *authenticator.recovery_codes, "ea_canary-of-a-wrong-token",
    ]  # fmt: skip
    canaries += [code.replace("-", "") for code in authenticator.recovery_codes]
    assert [number for number, canary in enumerate(canaries) if canary.encode() in written] == []
