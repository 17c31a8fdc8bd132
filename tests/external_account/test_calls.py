"""The five calls over HTTP, right and wrong: paths, fields, envelope, rules."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from .conftest import OTHER_USER, UNION, USER, MakeShop, Shop

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", re.ASCII)


def test_bind_then_list_shows_the_account_with_every_published_field(shop: Shop) -> None:
    answer = shop.bind(platformName="WeChat", avatar="https://img.example/a.png?s=1", data='{"level":3}')
    assert (answer.status_code, answer.json()) == (200, {"code": 200, "data": True, "error": ""})
    (account,) = shop.accounts()
    assert account == {
        "id": account["id"], "userID": USER, "platformName": "WeChat", "platform": "wechat",
        "unionID": UNION["unionID"], "avatar": "https://img.example/a.png?s=1", "data": '{"level":3}',
        "enable": True, "createDate": account["createDate"], "lastUpdate": account["lastUpdate"],
    }  # fmt: skip
    assert type(account["id"]) is int
    assert RFC3339.fullmatch(account["createDate"])
    assert RFC3339.fullmatch(account["lastUpdate"])


def test_binding_the_same_pair_again_succeeds_and_changes_nothing(shop: Shop) -> None:
    shop.bind(avatar="https://img.example/a.png", data="first")
    before = shop.accounts()
    shop.clock.advance(60)
    assert shop.bind(avatar="https://img.example/b.png", data="second").json()["data"] is True
    assert shop.accounts() == before


def test_another_users_pair_is_refused_unnamed_and_unmoved(shop: Shop) -> None:
    shop.bind()
    answer = shop.bind(shop.other)
    assert (answer.status_code, answer.json()["data"]) == (409, False)
    assert str(USER) not in answer.json()["error"]
    assert len(shop.accounts()) == 1
    assert shop.accounts(shop.other) == []


def test_ids_differ_by_case_and_by_leading_zeros(shop: Shop) -> None:
    unions = ["007", "7", "1e2", "100", "abc", "ABC"]
    for union in unions:
        assert shop.bind(unionID=union).status_code == 200
    assert [account["unionID"] for account in shop.accounts()] == unions


def test_a_platform_is_one_in_any_letter_case_and_kept_in_small_letters(shop: Shop) -> None:
    assert shop.bind(platform="WeChat").status_code == 200
    assert shop.bind(platform="wechat").status_code == 200
    assert [account["platform"] for account in shop.accounts()] == ["wechat"]
    assert shop.bind(shop.other, platform="WECHAT").status_code == 409
    assert shop.sign_in(platform="wECHAT").status_code == 200


def test_unknown_fields_are_ignored_on_bind_and_sign_in(shop: Shop) -> None:
    assert shop.bind(userID=OTHER_USER, id=99, enable=False).status_code == 200
    (account,) = shop.accounts()
    assert (account["userID"], account["enable"]) == (USER, True)
    assert shop.sign_in(userID=OTHER_USER).status_code == 200


def test_fields_that_a_client_leaves_null_are_as_good_as_not_sent(shop: Shop) -> None:
    assert shop.bind(platformName=None, avatar=None, data=None).status_code == 200
    assert shop.call("POST", "/SignIn", token=shop.back_end, json=UNION | {"twoFactorCode": None}).ok
    (account,) = shop.accounts()
    assert (account["platformName"], account["avatar"], account["data"]) == ("", "", "")


WRONG_UNIONS = [
    "", "a" * 51, "a b", "用户", "１２", "abc\n", "a.b", "é", 12345, None, True, ["a"], {}, "a\u0000",
]  # fmt: skip
WRONG_PLATFORMS = ["", "a" * 21, "we-chat", "we_chat", "微信", "wechat\n", 1, None, ["wechat"]]
WRONG_FIELDS: list[tuple[str, Any]] = [
    *(("unionID", value) for value in WRONG_UNIONS),
    *(("platform", value) for value in WRONG_PLATFORMS),
    *(
        ("platformName", value)
        for value in (
            "n" * 51, 1, ["n"], "a\u0000b", "\ud800", "a\nb", "a\rb", "a\u2028b", "a\u2029b", "a\u0085b",
            "\u202eevil", "a\u202db", "a\u2066b", "a\tb", "\x1b[2J",
        )
    ),
    *(
        ("avatar", value)
        for value in (
            "ftp://img.example/a.png", "javascript:alert(1)", "//img.example", "https://", "https:// a",
            "data:image/png;base64,AA==", "http:/img.example", "httpss://img.example", "img.example/a.png",
            "https://user@img.example/", "https://img.example/\"><script>",
            "https://img.example/" + "a" * 2029, "https://[evil.example]/", "https://[::1",
            "https://img.example/\n", "https://img.example\\@evil.example", 1, True, ["https://img.example"],
        )
    ),
    *(("data", value) for value in ("d" * (64 * 1024 + 1), "用" * 22_000, 1, {"a": 1}, "a\u0000b", "\udfff")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), WRONG_FIELDS)
def test_a_wrong_field_is_refused_and_the_sentence_names_it(shop: Shop, name: str, value: Any) -> None:
    body = json.dumps(UNION | {name: value})
    headers = {"Content-Type": "application/json"}
    answer = shop.call("POST", token=shop.user, data=body, headers=headers)
    assert (answer.status_code, answer.json()["data"]) == (400, False)
    assert answer.json()["error"].startswith(name)
    assert len(answer.content) < 200, "the value is not repeated"
    assert shop.accounts() == []


@pytest.mark.parametrize("name", ["unionID", "platform"])
@pytest.mark.parametrize("path", ["", "/SignIn"])
def test_a_missing_field_is_named(shop: Shop, path: str, name: str) -> None:
    body = {key: value for key, value in UNION.items() if key != name}
    token = shop.back_end if path else shop.user
    answer = shop.call("POST", path, token=token, json=body)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(f"{name} is required")
    assert answer.json()["data"] is (None if path else False)


@pytest.mark.parametrize(
    "fields",
    [
        {"unionID": "a" * 50, "platform": "b" * 20},
        {"unionID": "-", "platform": "0"},
        {"platformName": "微" * 50},
        {"avatar": ""},
        {"avatar": "https://img.example/" + "a" * 2028},
        {"avatar": "http://thirdwx.example/mmopen/vi_32/a-b_c/132"},
        {"avatar": "HTTP://IMG.EXAMPLE/A.PNG"},
        {"avatar": "http://my_pictures.img.example/a.png"},
        {"avatar": "http://[2001:db8::1]:8080/a.png"},
        {"platformName": "\u200fבית הקפה"},
        {"avatar": "https://img.example:8443/a/b.png?size=1&x=%20#top"},
        {"data": "d" * (64 * 1024)},
        {"data": "\"'<script>\r\n\t用户😀"},
    ],
)
def test_what_is_just_within_the_rules_is_taken_and_given_back(shop: Shop, fields: dict[str, str]) -> None:
    assert shop.bind(**fields).status_code == 200
    (account,) = shop.accounts()
    assert {name: account[name] for name in fields} == fields


def test_each_field_that_may_be_changed_is_changed_alone(shop: Shop) -> None:
    account_id = shop.bound(avatar="https://img.example/a.png", data="one")
    created = shop.accounts()[0]["createDate"]
    shop.clock.advance(5)
    assert shop.update(account_id, data="two").json()["data"] is True
    assert shop.update(account_id, avatar="http://img.example/b.png").json()["data"] is True
    assert shop.update(account_id, enable=False).json()["data"] is True
    (account,) = shop.accounts()
    assert (account["data"], account["avatar"]) == ("two", "http://img.example/b.png")
    assert account["enable"] is False
    assert account["createDate"] == created != account["lastUpdate"]


READ_ONLY = ["id", "userID", "unionID", "platform", "platformName", "createDate", "lastUpdate"]


@pytest.mark.parametrize("nothing", [None, ""])
def test_empty_text_and_null_leave_what_is_there(shop: Shop, nothing: str | None) -> None:
    account_id = shop.bound(avatar="https://img.example/a.png", data="one")
    assert shop.update(account_id, avatar=nothing, data=nothing, enable=False).status_code == 200
    (account,) = shop.accounts()
    assert (account["avatar"], account["data"]) == ("https://img.example/a.png", "one")
    assert account["enable"] is False


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"avatar": ""},
        {"avatar": None, "data": ""},
        dict.fromkeys(READ_ONLY, "x"),
        {"id": 1, "data": None},
    ],
)
def test_an_update_needs_one_of_the_three(shop: Shop, body: dict[str, Any]) -> None:
    answer = shop.update(shop.bound(data="one"), **body)
    assert answer.status_code == 400
    assert answer.json()["error"] == "one of avatar, data and enable is required"
    assert shop.accounts()[0]["data"] == "one"


def test_what_the_list_gave_can_be_changed_and_put_back(shop: Shop) -> None:
    account_id = shop.bound(platformName="WeChat", data="one")
    (account,) = shop.accounts()
    assert shop.update(account_id, **(account | {"data": "two"})).status_code == 200
    (after,) = shop.accounts()
    assert after == account | {"data": "two", "lastUpdate": after["lastUpdate"]}


def test_what_cannot_be_changed_is_ignored_beside_what_can(shop: Shop) -> None:
    account_id = shop.bound(platformName="WeChat", data="one")
    (account,) = shop.accounts()
    body: dict[str, Any] = {
        "id": 99, "userID": OTHER_USER, "unionID": "x", "platform": "qq", "platformName": None,
        "createDate": [], "lastUpdate": {"a": 1}, "data": "two",
    }  # fmt: skip
    assert shop.update(account_id, **body).status_code == 200
    (after,) = shop.accounts()
    assert after == account | {"data": "two", "lastUpdate": after["lastUpdate"]}


@pytest.mark.parametrize("name", ["Data", "password", "pageID", "x\n"])
def test_a_field_that_may_not_be_changed_is_refused_with_everything_beside_it(shop: Shop, name: str) -> None:
    account_id = shop.bound(data="one")
    body: dict[str, Any] = {"data": "two", name: 1}
    answer = shop.update(account_id, **body)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(name.strip())
    assert shop.accounts()[0]["data"] == "one"


@pytest.mark.parametrize("value", ["false", "true", 0, 1, None, "", [], {}])
def test_enable_takes_a_real_boolean_only(shop: Shop, value: Any) -> None:
    account_id = shop.bound()
    answer = shop.update(account_id, enable=value)
    assert (answer.status_code, answer.json()["error"]) == (400, "enable must be true or false")
    assert shop.accounts()[0]["enable"] is True


def test_a_deleted_account_is_gone_and_its_pair_free_for_another(shop: Shop) -> None:
    account_id = shop.bound()
    assert shop.unbind(account_id).json() == {"code": 200, "data": True, "error": ""}
    assert shop.accounts() == []
    assert shop.unbind(account_id).status_code == 404
    assert shop.bind(shop.other).status_code == 200
    assert shop.accounts(shop.other)[0]["id"] != account_id, "an id is never used again"


@pytest.mark.parametrize(
    "account_id", [0, 999, -1, "abc", "１", "٣", "1.0", "1e2", "1%0a", "9" * 19, "9" * 400, "+1", "0x1"]
)
def test_an_unknown_id_is_not_found(shop: Shop, account_id: object) -> None:
    shop.bound()
    for answer in (shop.update(account_id, data="x"), shop.unbind(account_id)):
        assert (answer.status_code, answer.json()["data"]) == (404, False)


def test_another_users_id_answers_exactly_like_a_missing_one(shop: Shop) -> None:
    account_id = shop.bound(data="mine")
    for mine, missing in (
        (shop.update(account_id, shop.other, data="x"), shop.update(account_id + 1, shop.other, data="x")),
        (shop.unbind(account_id, shop.other), shop.unbind(account_id + 1, shop.other)),
    ):
        assert (mine.status_code, mine.content) == (missing.status_code, missing.content)
        assert mine.status_code == 404
    assert shop.accounts()[0]["data"] == "mine"


def test_a_sign_in_gives_a_bearer_token_that_acts_for_the_user(shop: Shop) -> None:
    shop.bind()
    answer = shop.sign_in()
    token = answer.json()["data"]
    assert set(token) == {"access_token", "token_type", "expires_in"}
    assert (token["token_type"], token["expires_in"]) == ("Bearer", 3600)
    assert shop.accounts(token["access_token"])[0]["userID"] == USER


def test_an_unbound_pair_cannot_sign_in(shop: Shop) -> None:
    shop.bind()
    for fields in ({"unionID": "nobody"}, {"platform": "qq"}, {"platform": "messenger"}):
        answer = shop.sign_in(**fields)
        assert (answer.status_code, answer.json()["data"]) == (404, None)


def test_a_disabled_account_cannot_sign_in_until_it_is_enabled(shop: Shop) -> None:
    account_id = shop.bound()
    shop.update(account_id, enable=False)
    answer = shop.sign_in()
    assert (answer.status_code, answer.json()["data"]) == (403, None)
    shop.update(account_id, enable=True)
    assert shop.sign_in().status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"null", 400),
        (b"{", 400),
        (b'{"unionID": NaN}', 400),
        (b"[" * 5000, 400),
        (b'{"unionID": ' + b"9" * 5000 + b"}", 400),
        ('{"unionID": "a", "platform": "b"}'.encode("utf-16"), 400),
        (b"\xff\xfe", 400),
        (b" " * (600 * 1024), 413),
    ],
)
@pytest.mark.parametrize(("path", "nothing"), [("", False), ("/SignIn", None)])
def test_a_body_that_cannot_be_read_is_refused_in_the_envelope(
    shop: Shop, body: bytes, status: int, path: str, nothing: object
) -> None:
    token = shop.back_end if path else shop.user
    headers = {"Content-Type": "application/json"}
    answer = shop.call("POST", path, token=token, data=body, headers=headers)
    assert (answer.status_code, answer.json()["data"]) == (status, nothing)


@pytest.mark.parametrize("kind", ["text/html", "text/plain", "application/xml", ""])
@pytest.mark.parametrize("body", ["", "[]", "unionID=a&platform=b", "<a/>"])
def test_another_content_type_is_refused(shop: Shop, kind: str, body: str) -> None:
    answer = shop.call("POST", token=shop.user, data=body, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["data"]) == (415, False)


@pytest.mark.parametrize(
    "kind",
    ["text/html", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "text/json", ""],
)
def test_a_body_that_begins_with_a_brace_is_json_whatever_its_type_says(shop: Shop, kind: str) -> None:
    body = " \r\n" + json.dumps(UNION)
    assert shop.call("POST", token=shop.user, data=body, headers={"Content-Type": kind}).status_code == 200


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "text/plain;charset=UTF-8", "APPLICATION/JSON"]
)
def test_json_is_read_under_the_names_that_clients_give_it(shop: Shop, kind: str) -> None:
    answer = shop.call("POST", token=shop.user, data=json.dumps(UNION), headers={"Content-Type": kind})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "", "GET, POST"),
        ("DELETE", "", "GET, POST"),
        ("PATCH", "/1", "PUT, DELETE"),
        ("POST", "/1", "PUT, DELETE"),
        ("GET", "/1", "PUT, DELETE"),
        ("GET", "/SignIn", "POST"),
        ("PUT", "/SignIn", "POST"),
        ("TRACE", "/SignIn", "POST"),
    ],
)
def test_another_method_is_refused_in_the_envelope(shop: Shop, method: str, path: str, allowed: str) -> None:
    answer = shop.call(method, path, token=shop.user)
    assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)


@pytest.mark.parametrize(("path", "allowed"), [("", "GET, POST"), ("/1", "PUT, DELETE"), ("/SignIn", "POST")])
def test_options_tells_what_a_path_takes(shop: Shop, path: str, allowed: str) -> None:
    answer = shop.session.options(f"{shop.url}/ExternalAccount/shop{path}", timeout=30)
    assert (answer.status_code, answer.headers["Allow"]) == (204, f"{allowed}, OPTIONS")


def test_may_bind_decides_and_is_told_what_it_needs(new_shop: MakeShop) -> None:
    asked: list[tuple[object, ...]] = []

    def may_bind(app_key: str, user_id: int, platform: str, union_id: str) -> bool:
        asked.append((app_key, user_id, platform, union_id))
        return platform != "qq"

    shop = new_shop(may_bind=may_bind)
    assert shop.bind(platform="WeChat").status_code == 200
    answer = shop.bind(platform="QQ", unionID="1")
    assert (answer.status_code, answer.json()["data"]) == (403, False)
    assert shop.bind(platform="messenger", unionID="1").status_code == 403
    assert asked == [("shop", USER, "wechat", UNION["unionID"]), ("shop", USER, "qq", "1")]


def test_a_may_bind_that_fails_binds_nothing_and_may_be_asked_again(new_shop: MakeShop) -> None:
    def may_bind(*_: object) -> bool:
        raise RuntimeError("canary")

    shop = new_shop(may_bind=may_bind)
    answer = shop.bind()
    assert (answer.status_code, answer.json()["data"]) == (503, False)
    assert "canary" not in answer.text
    assert int(answer.headers["Retry-After"]) > 0
    assert shop.accounts() == []


def test_one_user_holds_no_more_accounts_than_a_thousand(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot_linking.external_account.accounts.MOST_ACCOUNTS", 3)
    for union in "abc":
        shop.bind(unionID=union)
    assert shop.bind(unionID="d").status_code == 403
    assert shop.bind(unionID="c").status_code == 200, "bound already"
    assert len(shop.accounts()) == 3
    assert shop.bind(shop.other, unionID="d").status_code == 200


def test_hostile_text_comes_back_as_json_that_no_browser_sniffs(shop: Shop) -> None:
    shop.bind(platformName="<script>alert(1)</script>")
    answer = shop.call("GET", token=shop.user)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
