"""The operator's commands: what a script needs is alone on stdout."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyotp
import pytest
from click.testing import Result

from .shop import UNION, USER, Shop

TOKEN = re.compile(r"ea_[A-Za-z0-9_-]{43}\n")


def run(shop: Shop, *arguments: object, given: str | None = None) -> Result:
    return shop.app.test_cli_runner().invoke(args=["linking", *map(str, arguments)], input=given)


def out(shop: Shop, *arguments: object) -> str:
    """The one line on stdout of a command that worked."""
    ran = run(shop, *arguments)
    assert ran.exit_code == 0, ran.output
    return ran.stdout


def test_app_create_prints_the_back_ends_token_alone(shop: Shop) -> None:
    printed = out(shop, "app", "create", "acme")
    assert TOKEN.fullmatch(printed)
    token = printed.strip()
    answer = shop.call("POST", "/SignIn", app="acme", token=token, json=UNION)
    assert answer.status_code == 404, "it may sign in, but nobody is bound"
    again = run(shop, "app", "create", "acme")
    assert (again.exit_code, again.stdout) == (1, "")
    replaced = out(shop, "app", "token", "acme").strip()
    assert shop.call("POST", "/SignIn", app="acme", token=replaced, json=UNION).status_code == 404
    assert [line.split("\t")[0] for line in out(shop, "app", "list").splitlines()] == ["acme", "shop"]


@pytest.mark.parametrize("app_key", ["", " ", "a/b", "a\nb", "a" * 129, "a\u202eb"])
def test_an_app_key_is_visible_and_has_no_slash(shop: Shop, app_key: str) -> None:
    assert run(shop, "app", "create", app_key).exit_code == 1


def test_an_app_key_may_be_in_any_script(shop: Shop) -> None:
    token = out(shop, "app", "create", "商店 1").strip()
    assert shop.call("POST", "/SignIn", app="商店 1", token=token, json=UNION).status_code == 404


@pytest.mark.parametrize(
    ("options", "scopes"),
    [
        ([], {"accounts", "bind"}),
        (["--scope", "accounts"], {"accounts"}),
        (["--scope", "bind", "--scope", "signin"], {"bind", "signin"}),
        (["--scope", "accounts,bind,signin"], {"accounts", "bind", "signin"}),
    ],
)
def test_token_create_prints_a_users_token_of_these_scopes(
    shop: Shop, options: Sequence[str], scopes: set[str]
) -> None:
    printed = out(shop, "token", "create", "shop", 42, *options)
    assert TOKEN.fullmatch(printed)
    kept = shop.external._here().find_token(printed.strip())
    assert kept is not None
    assert (kept.user_id, set(kept.scopes)) == (42, scopes)


def test_a_token_lives_as_long_as_the_operator_says(shop: Shop) -> None:
    token = out(shop, "token", "create", "shop", USER, "--expires-in", 60).strip()
    assert shop.is_good(token)
    shop.clock.advance(61)
    assert not shop.is_good(token)


@pytest.mark.parametrize(
    "arguments",
    [
        ["token", "create", "nosuchapp", "1"],
        ["token", "create", "shop", "ada"],
        ["token", "create", "shop", "-1"],
        ["token", "create", "shop", str(2**63)],
        ["token", "create", "shop", "1", "--scope", "everything"],
        ["token", "create", "shop", "1", "--scope", ""],
        ["token", "create", "shop", "1", "--expires-in", "0"],
        ["token", "revoke", "nosuchtoken"],
        ["two-factor", "enable", "nosuchapp", "1"],
        ["two-factor", "disable", "shop", "7"],
        ["two-factor", "recover", "shop", "7"],
    ],
)
def test_what_does_not_work_leaves_stdout_empty_and_fails(shop: Shop, arguments: list[str]) -> None:
    ran = run(shop, *arguments)
    assert ran.exit_code != 0
    assert ran.stdout == ""
    assert "Traceback" not in ran.output


def test_a_typed_byte_that_is_no_utf_8_is_one_sentence(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    out(shop, "two-factor", "enable", "shop", USER)
    monkeypatch.setattr("click.prompt", lambda *_, **__: b"\xff".decode())
    ran = run(shop, "two-factor", "recover", "shop", USER)
    assert (ran.exit_code, ran.stdout, ran.stderr) == (1, "", "Error: stdin is not UTF-8 text\n")


@pytest.mark.parametrize(
    "arguments", [["someid", "--app", "shop"], ["--user", "7"], ["someid", "--user", "7"]]
)
def test_a_token_that_is_named_in_two_ways_is_wrong_usage(shop: Shop, arguments: list[str]) -> None:
    ran = run(shop, "token", "revoke", *arguments)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert shop.is_good(shop.user)
    assert shop.is_good(shop.other)


def test_the_help_says_that_the_id_of_a_token_may_be_left_out(shop: Shop) -> None:
    assert "revoke [OPTIONS] [ID]\n" in out(shop, "token", "revoke", "--help")


def test_a_token_is_revoked_by_its_id_by_itself_or_with_all_of_a_user(shop: Shop) -> None:
    listed = [line.split("\t") for line in out(shop, "token", "list").splitlines()]
    by_user = {line[2]: line[0] for line in listed}
    assert run(shop, "token", "revoke", by_user["7"]).exit_code == 0
    assert not shop.is_good(shop.user)
    assert run(shop, "token", "revoke", given=f"{shop.other}\n").exit_code == 0
    assert not shop.is_good(shop.other)
    more = [out(shop, "token", "create", "shop", USER).strip() for _ in range(3)]
    ran = run(shop, "token", "revoke", "--app", "shop", "--user", USER)
    assert (ran.exit_code, ran.stdout) == (0, "")
    assert not any(map(shop.is_good, more))
    assert shop.call("POST", "/SignIn", token=shop.back_end, json=UNION).status_code == 404


def test_two_factor_enable_prints_the_otpauth_address_alone(shop: Shop) -> None:
    shop.bind()
    ran = run(shop, "two-factor", "enable", "shop", USER)
    assert ran.exit_code == 0
    (address,) = ran.stdout.splitlines()
    assert address.startswith("otpauth://totp/")
    totp = pyotp.parse_uri(address)
    assert isinstance(totp, pyotp.TOTP)
    assert (totp.digits, totp.interval, len(totp.secret)) == (6, 30, 32)
    assert len(re.findall(r"^  ([a-z2-9]{4}-){3}[a-z2-9]{4}$", ran.stderr, re.MULTILINE)) == 10
    assert shop.sign_in().status_code == 401
    assert shop.sign_in(totp.at(int(shop.clock()))).status_code == 200
    off = run(shop, "two-factor", "disable", "shop", USER)
    assert (off.exit_code, off.stdout) == (0, "")
    assert shop.sign_in().status_code == 200


def test_a_qr_code_is_drawn_on_a_terminal_only(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    from bot_linking.external_account.commands import _draw

    _draw("otpauth://totp/shop:7?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=shop")
    drawn = capsys.readouterr()
    assert drawn.out == ""
    assert len(drawn.err.splitlines()) > 15


def test_two_factor_recover_opens_what_wrong_codes_have_closed(shop: Shop) -> None:
    shop.bind()
    authenticator = shop.enrol()
    for _ in range(4):
        for _ in range(5):
            shop.sign_in("000000")
        shop.clock.advance(901)
    assert run(shop, "two-factor", "recover", "shop", USER, given="aaaa-aaaa-aaaa-aaaa\n").exit_code == 1
    code = authenticator.recovery_codes[3]
    ran = run(shop, "two-factor", "recover", "shop", USER, given=f"{code}\n")
    assert (ran.exit_code, ran.stdout) == (0, "")
    assert code not in ran.output
    assert shop.sign_in(authenticator.code()).status_code == 200


def test_two_factor_rotate_encrypts_again(shop: Shop) -> None:
    shop.enrol()
    ran = run(shop, "two-factor", "rotate")
    assert (ran.exit_code, ran.stdout) == (0, "")
    assert ran.stderr.startswith("1 secret")
