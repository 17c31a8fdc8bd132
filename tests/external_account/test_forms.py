"""Forms for clients that send them, and any spelling of the addresses: the same calls, the same envelope."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
import requests

from .shop import UNION, Shop

FORM = "application/x-www-form-urlencoded"
PARTS = "multipart/form-data; boundary=x"


def parts(fields: dict[str, str], part_type: str | None = None, charset: str = "utf-8") -> bytes:
    head = f"Content-Type: {part_type}\r\n" if part_type else ""
    each = [
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n{head}\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    return "".join([*each, "--x--\r\n"]).encode(charset)


def send(
    shop: Shop, method: str, path: str, fields: dict[str, str], kind: str, token: str
) -> requests.Response:
    body: bytes = parts(fields) if kind.startswith("multipart") else urlencode(fields).encode()
    return shop.call(method, path, token=token, data=body, headers={"Content-Type": kind})


@pytest.mark.parametrize("kind", [FORM, PARTS])
def test_bind_update_and_sign_in_take_a_form(shop: Shop, kind: str) -> None:
    fields = {
        **UNION,
        "platformName": "微信 & Co",
        "avatar": "http://img.example/a.png",
        "data": "a+b=c\r\nd",
    }
    assert send(shop, "POST", "", fields, kind, shop.user).json()["data"] is True
    (account,) = shop.accounts()
    assert {name: account[name] for name in fields} == fields
    path = f"/{account['id']}"
    assert send(shop, "PUT", path, {"data": "two", "enable": "false"}, kind, shop.user).json()["data"] is True
    (account,) = shop.accounts()
    assert (account["data"], account["enable"], account["avatar"]) == ("two", False, fields["avatar"])
    assert send(shop, "POST", "/SignIn", UNION, kind, shop.back_end).status_code == 403
    put_back = {name: str(value) for name, value in account.items()} | {"enable": "1"}
    assert send(shop, "PUT", path, put_back, kind, shop.user).status_code == 200
    signed_in = send(shop, "POST", "/SignIn", {**UNION, "twoFactorCode": ""}, kind, shop.back_end)
    assert signed_in.json()["data"]["token_type"] == "Bearer"


@pytest.mark.parametrize(("text", "is_on"), [("true", True), ("1", True), ("false", False), ("0", False)])
def test_the_switch_of_a_form_has_four_spellings(shop: Shop, text: str, is_on: bool) -> None:
    account_id = shop.bound()
    assert send(shop, "PUT", f"/{account_id}", {"enable": text}, FORM, shop.user).status_code == 200
    assert shop.accounts()[0]["enable"] is is_on


@pytest.mark.parametrize("text", ["", "True", "FALSE", "yes", "no", "on", "2", "-1", "null", " true"])
def test_any_other_spelling_is_refused_by_name(shop: Shop, text: str) -> None:
    account_id = shop.bound()
    answer = send(shop, "PUT", f"/{account_id}", {"enable": text, "data": "x"}, FORM, shop.user)
    assert (answer.status_code, answer.json()["error"]) == (400, "enable must be true or false")
    assert shop.accounts()[0]["data"] == ""


@pytest.mark.parametrize("spelling", ["true", "false", "1", "0", "True"])
def test_in_json_the_switch_is_a_boolean_and_no_text(shop: Shop, spelling: str) -> None:
    account_id = shop.bound()
    assert shop.update(account_id, enable=spelling).status_code == 400


def test_a_field_that_is_sent_twice_is_refused_by_name(shop: Shop) -> None:
    for body, kind in (
        (f"{urlencode(UNION)}&platform=qq", FORM),
        (f"{urlencode(UNION)}&platform=wechat", FORM),
    ):
        answer = shop.call("POST", token=shop.user, data=body, headers={"Content-Type": kind})
        assert (answer.status_code, answer.json()["error"]) == (400, "platform is sent twice")
    answer = shop.call(
        "POST", token=shop.user, data=f"{urlencode(UNION)}&tag=a&tag=b", headers={"Content-Type": FORM}
    )
    assert answer.status_code == 200, "unknown fields are ignored"


def test_a_file_is_no_field(shop: Shop) -> None:
    files = {"unionID": ("a.txt", b"abc"), "platform": (None, b"qq")}
    answer = shop.call("POST", token=shop.user, files=files)
    assert (answer.status_code, answer.json()["error"].split()[0]) == (400, "unionID")


@pytest.mark.parametrize("kind", [FORM, "application/json", "multipart/form-data; boundary=x", "text/plain"])
@pytest.mark.parametrize("charset", ["gbk", "utf-16", "no-such", "utf-7", "cp1252"])
def test_a_charset_that_is_not_read_here_is_refused(shop: Shop, kind: str, charset: str) -> None:
    body: Any = {FORM: urlencode(UNION).encode(), PARTS: parts(UNION)}.get(
        kind, b'{"unionID":"a","platform":"b"}'
    )
    headers = {"Content-Type": f"{kind}; charset={charset}"}
    answer = shop.call("POST", token=shop.user, data=body, headers=headers)
    assert (answer.status_code, answer.json()["data"]) == (415, False)
    assert shop.accounts() == []


def test_latin_1_is_read_as_that(shop: Shop) -> None:
    fields = {**UNION, "platformName": "Müller"}
    for body, kind in (
        (urlencode(fields, encoding="latin-1").encode(), f"{FORM}; charset=iso-8859-1"),
        (parts(fields, "text/plain; charset=ISO-8859-1", "latin-1"), PARTS),
    ):
        assert (
            shop.call("POST", token=shop.user, data=body, headers={"Content-Type": kind}).status_code == 200
        )
        (account,) = shop.accounts()
        assert account["platformName"] == "Müller"
        shop.unbind(account["id"])


PATHS = {
    "/externalaccount/shop": "bind",
    "/ExternalAccount/shop/": "bind",
    "/EXTERNALACCOUNT/shop/SIGNIN/": "sign in",
    "/externalAccount/shop/signin": "sign in",
    "/ExternalAccount/shop/signin": "sign in",
    "/ExternalAccount/shop/SIGNIN/": "sign in",
    "/ExternalAccount/shop/SignIn/": "sign in",
}


@pytest.mark.parametrize(("path", "call"), PATHS.items())
@pytest.mark.parametrize("method", ["POST", "post", "Post"])
def test_any_spelling_of_an_address_and_a_method_is_the_same_call(
    shop: Shop, path: str, call: str, method: str
) -> None:
    shop.bind()
    token = shop.back_end if call == "sign in" else shop.user
    client = shop.app.test_client()
    answer = client.open(path, method=method, json=UNION, headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.get_json()["code"]) == (200, 200)


def test_an_account_is_updated_and_removed_under_any_spelling(shop: Shop) -> None:
    account_id, headers = shop.bound(), {"Authorization": f"Bearer {shop.user}"}
    client = shop.app.test_client()
    path = f"/externalaccount/shop/{account_id}/"
    assert client.open(path, method="put", json={"data": "x"}, headers=headers).status_code == 200
    assert client.open("/externalaccount/shop/", method="get", headers=headers).get_json()["data"]
    assert client.open(path, method="delete", headers=headers).status_code == 200


@pytest.mark.parametrize("app_key", ["Shop", "SHOP", "shop%20"])
def test_an_application_is_named_to_the_letter(shop: Shop, app_key: str) -> None:
    assert shop.call("GET", token=shop.user, app=app_key).status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        "/ExternalAccount",
        "/externalaccount/",
        "/ExternalAccount/shop/1/2",
        "/ExternalAccount/shop/SignIn/x",
        "/ExternalAccount/shop/1/%0a",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "MOVE"])
def test_where_no_call_is_the_envelope_says_so(shop: Shop, path: str, method: str) -> None:
    answer = shop.app.test_client().open(path, method=method)
    assert answer.status_code == answer.get_json()["code"] == 404
    assert set(answer.get_json()) == {"code", "data", "error"}


@pytest.mark.parametrize(
    ("path", "allowed"), [("", "GET, POST"), ("/SignIn", "POST"), ("/signin/", "POST"), ("/1", "PUT, DELETE")]
)
@pytest.mark.parametrize("method", ["PATCH", "TRACE", "PROPFIND", "FOO"])
def test_a_method_that_a_path_does_not_take_is_405_in_the_envelope(
    shop: Shop, path: str, allowed: str, method: str
) -> None:
    answer = shop.app.test_client().open(f"/ExternalAccount/shop{path}", method=method)
    assert answer.status_code == answer.get_json()["code"] == 405
    assert answer.headers["Allow"] == allowed
    options = shop.app.test_client().open(f"/ExternalAccount/shop{path}", method="OPTIONS")
    assert (options.status_code, options.headers["Allow"]) == (204, f"{allowed}, OPTIONS")
