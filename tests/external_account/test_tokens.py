"""Who may call: scopes, applications, users, and everything that ends a token."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bot_linking.core.codes import digest_of
from bot_linking.external_account import AppKeyRefused

from .shop import OTHER_USER, UNION, USER, MakeShop, Shop

CALLS: list[tuple[str, str, Any]] = [
    ("GET", "", []),
    ("POST", "", False),
    ("PUT", "/1", False),
    ("DELETE", "/1", False),
    ("POST", "/SignIn", None),
]


def everything_wrong(shop: Shop) -> dict[str, str | None]:
    """An Authorization header of each wrong kind."""
    expired = shop.external.create_token("shop", USER, ["accounts", "bind", "signin"], expires_in=1)
    revoked = shop.external.create_token("shop", USER, ["accounts", "bind", "signin"])
    shop.external.revoke_token(revoked)
    shop.external.create_app("other")
    foreign = shop.external.create_token("other", USER, ["accounts", "bind", "signin"])
    shop.clock.advance(2)
    return {
        "missing": None,
        "unknown": "Bearer ea_unknown",
        "expired": f"Bearer {expired}",
        "revoked": f"Bearer {revoked}",
        "of another application": f"Bearer {foreign}",
        "of another scheme": f"Basic {shop.user}",
        "bare": shop.user,
        "cut": f"Bearer {shop.user[:-1]}",
        "other case": f"Bearer {shop.user.swapcase()}",
        "two": f"Bearer {shop.user}, Bearer {shop.user}",
        "beyond ASCII": "Bearer ea_\u00e9",
        "empty": "Bearer ",
        "long": "Bearer " + "a" * 5000,
        "digest": f"Bearer {digest_of(shop.user)}",
    }


def test_an_application_may_be_called_like_a_call(shop: Shop) -> None:
    shop.external.create_app("signin")
    token = shop.external.create_token("signin", USER)
    assert shop.call("POST", app="signin", token=token, json=UNION).json()["data"] is True
    assert shop.call("POST", app="signin", token=token, json={}).json()["data"] is False
    assert shop.call("POST", app="signin", json=UNION).json()["data"] is False


@pytest.mark.parametrize(("method", "path", "nothing"), CALLS)
def test_every_kind_of_wrong_token_gets_the_same_answer(
    shop: Shop, method: str, path: str, nothing: Any
) -> None:
    answers = set()
    for kind, header in everything_wrong(shop).items():
        headers = {} if header is None else {"Authorization": header.encode("latin-1")}
        answer = shop.call(method, path, json=UNION, headers=headers)
        assert (answer.status_code, answer.json()["data"]) == (401, nothing), kind
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        answers.add(answer.content)
    answers.add(shop.call(method, path, app="nosuchapp", token=shop.user, json=UNION).content)
    answers.add(shop.call(method, path, app="%00%e9", token=shop.user, json=UNION).content)
    assert len(answers) == 1


def test_the_token_is_judged_before_anything_of_the_body(shop: Shop) -> None:
    headers = {"Content-Type": "text/html"}
    assert shop.call("POST", data=b" " * (600 * 1024), headers=headers).status_code == 401


def test_a_token_in_the_address_is_no_token(shop: Shop) -> None:
    assert shop.call("GET", f"?access_token={shop.user}").status_code == 401


@pytest.mark.parametrize("scope", ["accounts", "bind", "signin"])
def test_a_token_may_do_what_its_scope_says_and_no_more(shop: Shop, scope: str) -> None:
    account_id = shop.bound()
    token = shop.external.create_token("shop", USER, [scope])
    answers = {
        "bind": [shop.bind(token)],
        "signin": [shop.sign_in(token=token)],
        "accounts": [
            shop.call("GET", token=token), shop.update(account_id, token, data="x"),
            shop.unbind(account_id, token),
        ],
    }  # fmt: skip
    for name, given in answers.items():
        assert {answer.status_code for answer in given} == ({200} if name == scope else {403}), name


def test_one_token_may_have_all_scopes(shop: Shop) -> None:
    token = shop.external.create_token("shop", USER, ["accounts", "bind", "signin"])
    assert shop.bind(token).status_code == 200
    assert shop.sign_in(token=token).status_code == 200
    (account,) = shop.accounts(token)
    assert shop.unbind(account["id"], token).status_code == 200


def test_a_back_ends_token_signs_in_but_has_no_user_to_bind_to(shop: Shop) -> None:
    """Its `bind` needs a user; the sentence says what is needed."""
    answer = shop.bind(shop.back_end)
    assert (answer.status_code, answer.json()["data"]) == (403, False)
    assert "user" in answer.json()["error"]
    assert shop.call("GET", token=shop.back_end).status_code == 403


def test_knowing_a_union_id_is_not_enough_to_get_in(shop: Shop) -> None:
    shop.bind()
    for token in (None, shop.user, shop.other, shop.token()):
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        answer = shop.call("POST", "/SignIn", json=UNION, headers=headers)
        assert answer.status_code in {401, 403}
        assert answer.json()["data"] is None


def test_a_token_from_a_sign_in_cannot_bind_or_sign_in(shop: Shop) -> None:
    shop.bind()
    token = shop.token()
    assert shop.bind(token, unionID="more").status_code == 403
    assert shop.sign_in(token=token).status_code == 403


def test_two_applications_and_two_users_never_see_each_other(shop: Shop) -> None:
    """The same pair is another account in each application, and no token reads the other."""
    external = shop.external
    external.create_app("other")
    tokens = {
        (app, user): external.create_token(app, user, ["accounts", "bind"])
        for app in ("shop", "other")
        for user in (USER, OTHER_USER)
    }
    for (app, user), token in tokens.items():
        answer = shop.call("POST", app=app, token=token, json=UNION | {"unionID": f"u{user}"})
        assert answer.status_code == 200
    seen = {
        whose: shop.call("GET", app=whose[0], token=token).json()["data"] for whose, token in tokens.items()
    }
    assert {whose: [a["unionID"] for a in accounts] for whose, accounts in seen.items()} == {
        (app, user): [f"u{user}"] for app, user in tokens
    }
    ids = {whose: accounts[0]["id"] for whose, accounts in seen.items()}
    for (app, user), token in tokens.items():
        for whose, account_id in ids.items():
            if whose != (app, user):
                for method in ("PUT", "DELETE"):
                    answer = shop.call(method, f"/{account_id}", app=app, token=token, json={"data": "x"})
                    assert answer.status_code == 404
                    foreign = shop.call(
                        method, f"/{account_id}", app=whose[0], token=token, json={"data": "x"}
                    )
                    assert foreign.status_code == (401 if whose[0] != app else 404)
    assert len({json for accounts in seen.values() for json in map(str, accounts)}) == 4
    assert shop.sign_in(token=shop.back_end, unionID="u7").status_code == 200


# What ends a token


def test_a_token_ends_when_its_time_is_over(new_shop: MakeShop) -> None:
    shop = new_shop(EXTERNAL_TOKEN_AGE=60)
    shop.bind()
    token = shop.token()
    shop.clock.advance(59)
    assert shop.is_good(token)
    shop.clock.advance(2)
    assert not shop.is_good(token)


def test_disabling_an_account_ends_the_tokens_that_came_from_it_and_no_others(shop: Shop) -> None:
    account_id, _ = shop.bound(), shop.bind(unionID="second")
    token, second = shop.token(), shop.token(unionID="second")
    shop.update(account_id, enable=False)
    assert (shop.is_good(token), shop.is_good(second), shop.is_good(shop.user)) == (False, True, True)
    shop.update(account_id, enable=True)
    assert not shop.is_good(token), "it does not come back"


def test_an_account_can_disable_itself_with_its_own_token(shop: Shop) -> None:
    account_id = shop.bound()
    token = shop.token()
    assert shop.update(account_id, token, enable=False).status_code == 200
    assert not shop.is_good(token)


def test_deleting_an_account_ends_the_tokens_that_came_from_it(shop: Shop) -> None:
    account_id, _ = shop.bound(), shop.bind(unionID="second")
    token, second = shop.token(), shop.token(unionID="second")
    assert shop.unbind(account_id, token).status_code == 200
    assert (shop.is_good(token), shop.is_good(second)) == (False, True)


def test_a_change_of_the_second_factor_ends_the_users_sign_ins(shop: Shop) -> None:
    shop.bind()
    shop.bind(shop.other, unionID="theirs")
    others = shop.token(unionID="theirs")
    before = shop.token()
    authenticator = shop.enrol()
    assert not shop.is_good(before)
    during = shop.token(authenticator.code())
    again = shop.enrol()
    assert not shop.is_good(during)
    during = shop.token(again.code())
    assert shop.external.disable_two_factor("shop", USER)
    assert not shop.is_good(during)
    assert shop.is_good(others)


def test_when_a_password_changes_every_token_of_the_user_ends_and_no_others(any_shop: Shop) -> None:
    shop = any_shop
    shop.bind()
    signed_in = shop.token()
    assert shop.external.revoke_tokens("elsewhere", USER) == 0
    assert shop.external.revoke_tokens("shop", USER) == 2
    assert not shop.is_good(shop.user)
    assert not shop.is_good(signed_in)
    assert shop.is_good(shop.other)
    assert shop.sign_in().status_code == 200, "the back end's token is nobody's"
    assert shop.external.revoke_tokens("shop") == 3
    assert shop.sign_in().status_code == 401


def test_a_revoked_token_ends_at_once_by_itself_or_by_its_id(shop: Shop) -> None:
    assert shop.external.revoke_token(shop.user)
    assert not shop.is_good(shop.user)
    assert not shop.external.revoke_token(shop.user)
    other = next(t for t in shop.external._here().apps.list_tokens(shop.clock.ms) if t.user_id == OTHER_USER)
    assert shop.external.revoke_token(other.id)
    assert not shop.is_good(shop.other)


def test_the_sites_own_api_learns_whose_token_it_was_given(shop: Shop) -> None:
    shop.bind()
    token = shop.token()
    assert shop.external.user_of(f"Bearer {token}", "shop") == USER
    assert shop.external.user_of(f"Bearer {token}", "other") is None
    assert shop.external.user_of(f"Bearer {shop.back_end}", "shop") is None
    assert shop.external.user_of(None, "shop") is None
    shop.clock.advance(3601)
    assert shop.external.user_of(f"Bearer {token}", "shop") is None


@pytest.mark.parametrize("user_id", [-1, 2**63])
def test_a_user_id_fits_63_bits(shop: Shop, user_id: int) -> None:
    with pytest.raises(ValueError, match="63 bits"):
        shop.external.create_token("shop", user_id)
    with pytest.raises(ValueError, match="63 bits"):
        shop.external.enable_two_factor("shop", user_id)


@pytest.mark.parametrize("seconds", [0, -1, 20 * 365 * 86_400])
def test_a_token_lives_for_some_time_and_not_for_ever(shop: Shop, seconds: int) -> None:
    with pytest.raises(ValueError, match="seconds"):
        shop.external.create_token("shop", USER, expires_in=seconds)


def test_tokens_that_have_expired_leave_the_database(shop: Shop, tmp_path: Path) -> None:
    shop.bind()
    for _ in range(5):
        shop.token()
    shop.clock.advance(3601)
    shop.token()
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        (count,) = connection.execute("select count(*) from external_tokens where account_id > 0").fetchone()
    assert count == 1


@pytest.mark.parametrize("text", ["\ud800", "shop\0"])
def test_what_is_no_unicode_names_no_application_and_no_token(any_shop: Shop, text: str) -> None:
    external = any_shop.external
    assert external.revoke_token(text) is False
    assert external.revoke_tokens(text) == external.revoke_tokens(text, USER) == 0
    assert external.disable_two_factor(text, USER) is False
    assert external.is_two_factor_on(text, USER) is False
    assert external.user_of(f"Bearer {any_shop.user}", text) is None
    for verb in (
        lambda: external.create_app(text),
        lambda: external.create_token(text, USER),
        lambda: external.create_back_end_token(text),
        lambda: external.enable_two_factor(text, USER),
        lambda: external.check_second_factor(text, USER, "123456"),
    ):
        with pytest.raises(AppKeyRefused):
            verb()
