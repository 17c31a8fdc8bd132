"""The code table: every row, the order in which the rows are judged, and the shapes of the answers."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from bot_linking.core.errors import StoreUnavailable
from tests.wire import PSID

from .calls import Caller, MakeCaller, a_call, as_form, changed

RIGHT = a_call(username="ada")
WRONG: dict[int, dict[str, Any]] = {
    10000: {"request__method": "delete_everything"},
    13000: {"recipient__id": ...},
    13002: {"recipient__id": "12a"},
    13003: {"account_linking__status": "maybe"},
    13001: {"account_linking__username": ...},
}
ORDER = list(WRONG)


def test_success_has_exactly_the_published_fields(caller: Caller) -> None:
    answer = caller.send(RIGHT)
    assert answer.status_code == 200
    assert answer.get_json() == {"request_id": "r-1", "result": True, "error_code": 0, "error_message": ""}


@pytest.mark.parametrize("code", ORDER)
def test_each_row_of_the_table_answers_400_in_the_published_envelope(caller: Caller, code: int) -> None:
    answer = caller.send(changed(RIGHT, **WRONG[code]))
    said = answer.get_json()
    assert answer.status_code == 400
    assert said == {
        "request_id": "r-1",
        "result": False,
        "error_code": code,
        "error_message": said["error_message"],
        "error": {
            "message": said["error_message"],
            "type": "InvalidParamException",
            "code": code,
            "error_subcode": 0,
            "request_id": "r-1",
        },
    }
    assert said["error_message"]
    assert caller.bot.linking.link_of(PSID) is None


@pytest.mark.parametrize("code", ORDER)
def test_each_row_answers_the_same_to_form_data(caller: Caller, code: int) -> None:
    form = as_form(changed(RIGHT, **WRONG[code]))
    answer = caller.bot.client().post("/linking/api", data=form, headers={"APIKEY": caller.key})
    assert (answer.status_code, answer.get_json()["error_code"]) == (400, code)


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(ORDER, 2)))
def test_of_two_mistakes_the_one_that_the_table_judges_first_is_told(
    caller: Caller, first: int, second: int
) -> None:
    both = {**WRONG[second], **WRONG[first]}
    assert caller.code(changed(RIGHT, **both)) == first


@pytest.mark.parametrize("code", [0, *ORDER])
@pytest.mark.parametrize("key", ["", "bl_wrong", "bl_\xe9"])
def test_a_wrong_key_is_told_before_anything_of_the_body(caller: Caller, key: str, code: int) -> None:
    answer = caller.send(changed(RIGHT, **WRONG.get(code, {})), headers={"APIKEY": key})
    said = answer.get_json()
    assert answer.status_code == 401
    assert said["error_code"] == said["error"]["code"] == 10005
    assert said["error"]["type"] == "OAuthException"
    assert said["request_id"] == said["error"]["request_id"] == ""


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b"{", "application/json"), (b"x" * 70_000, "application/json"), (b"<a/>", "text/xml")],
)
def test_a_wrong_key_is_told_before_a_body_that_cannot_be_read(
    caller: Caller, body: bytes, content_type: str
) -> None:
    assert caller.post(body, content_type, headers={"APIKEY": "no"}).status_code == 401


@pytest.mark.parametrize(
    ("method", "code"),
    [
        (..., 10000),
        (None, 10000),
        ("", 10000),
        ("ACCOUNT_LINK", 10000),
        (["account_link"], 10000),
        (1, 10000),
    ],
)
def test_only_the_method_account_link_is_known(caller: Caller, method: Any, code: int) -> None:
    assert caller.code(changed(RIGHT, request__method=method)) == code


@pytest.mark.parametrize("part", [..., None, "account_link", [], 1, {}])
def test_a_request_that_is_no_object_has_no_method(caller: Caller, part: Any) -> None:
    assert caller.code(changed(RIGHT, request=part)) == 10000


@pytest.mark.parametrize("part", [..., None, "123456", [], 1, {}, {"id": None}, {"id": ""}])
def test_a_recipient_without_an_id_is_none(caller: Caller, part: Any) -> None:
    assert caller.code(changed(RIGHT, recipient=part)) == 13000


@pytest.mark.parametrize(
    "psid",
    [
        "me", "../x", "1?access_token=x", "1/2", " 1", "1 ", "12\n", "-1", "+1", "1.0", "1e2", "0x10", "١٢٣",
        "１２３", "²", "\ud800", "\0", "9" * 65, -1, 1.5, 1e300, 10**64, True, False, [], ["1"], {},
    ],
)  # fmt: skip
def test_what_is_not_1_to_64_ascii_digits_is_no_facebook_user_id(caller: Caller, psid: Any) -> None:
    assert caller.code(changed(RIGHT, recipient__id=psid)) == 13002


@pytest.mark.parametrize(
    ("psid", "meant"),
    [
        ("1", "1"), ("007", "007"), ("9" * 64, "9" * 64), (123456, "123456"), (0, "0"), (2.0, "2"),
        (2**53 - 1, str(2**53 - 1)), (1e15, "1" + "0" * 15),
    ],
)  # fmt: skip
def test_an_id_is_kept_digit_by_digit_and_an_integer_by_its_decimal_form(
    caller: Caller, psid: Any, meant: str
) -> None:
    assert caller.code(changed(RIGHT, recipient__id=psid)) == 0
    link = caller.bot.linking.link_of(meant)
    assert link is not None
    assert link.psid == meant


@pytest.mark.parametrize("number", [2**53, 9007199254740993, 10**63, 1e17, -(2**53)])
def test_a_number_that_may_have_been_rounded_is_refused_with_a_sentence(caller: Caller, number: Any) -> None:
    said = caller.send(changed(RIGHT, recipient__id=number)).get_json()
    assert said["error_code"] == 13002
    assert "send it as text" in said["error_message"]
    answer = caller.link(username="ada", phone_number=number)
    assert answer.status_code == answer.get_json()["error_code"] == 400
    assert "account_linking.phone_number" in answer.get_json()["error_message"]
    assert "send it as text" in answer.get_json()["error_message"]
    assert caller.bot.linking.link_of(PSID) is None


def test_a_rounded_phone_number_is_judged_last(caller: Caller) -> None:
    wrong = changed(a_call(username="ada", phone_number=2**60), request__method="x")
    assert caller.code(wrong) == 10000
    assert caller.code(a_call(psid="x", phone_number=2**60)) == 13002
    assert caller.code(a_call("unlinked", phone_number=2**60)) == 0


@pytest.mark.parametrize("fraction", ["9007199254740990.6", "6.9999999999999999999", "1e-400"])
def test_a_fraction_that_a_float_rounds_to_an_id_is_nobodys_id(caller: Caller, fraction: str) -> None:
    body = json.dumps(changed(RIGHT, recipient__id="PSID")).replace('"PSID"', fraction).encode()
    assert caller.post(body, "application/json").get_json()["error_code"] == 13002
    assert list(caller.bot.linking.store.list_links()) == []


@pytest.mark.parametrize(
    ("number", "meant"), [(18900001111, "18900001111"), (0, "0"), (2.0, "2"), (2**53 - 1, str(2**53 - 1))]
)
def test_a_phone_number_may_be_a_number(caller: Caller, number: Any, meant: str) -> None:
    assert caller.code(a_call(phone_number=number)) == 0
    link = caller.bot.linking.link_of(PSID)
    assert link is not None
    assert (link.phone_number, link.account_id) == (meant, f"tel:{meant}")


@pytest.mark.parametrize("part", [..., None, "linked", [], 1, {}, {"username": "ada"}])
def test_account_linking_that_is_no_object_has_no_status(caller: Caller, part: Any) -> None:
    assert caller.code(changed(RIGHT, account_linking=part)) == 13003


@pytest.mark.parametrize("status", [..., None, "", "LINKED", " linked", 1, True, [], {}, "\ud800"])
def test_a_status_is_linked_or_unlinked_and_nothing_else(caller: Caller, status: Any) -> None:
    assert caller.code(changed(RIGHT, account_linking__status=status)) == 13003


@pytest.mark.parametrize(
    "identifiers",
    [
        {},
        {"username": ""},
        {"username": None, "email": "", "phone_number": None},
        {"username": " "},
        {"email": "\u00a0\u3000", "phone_number": "\t"},
        {"phone_number": "\u200b", "username": "\u3164"},
    ],
)
def test_linking_needs_an_identifier_and_an_empty_one_is_none(
    caller: Caller, identifiers: dict[str, Any]
) -> None:
    assert caller.code(a_call(**identifiers)) == 13001


@pytest.mark.parametrize("name", ["username", "email", "phone_number"])
@pytest.mark.parametrize(
    "value", ["a\r\nb", "a\0", "\x1b[2J", "a\u202eb", "\u2066x", "a\u2028b", "\ud800", -5, 1.5, True, [], {}]
)
def test_a_hostile_identifier_is_refused_by_name_even_beside_a_good_one(
    caller: Caller, name: str, value: Any
) -> None:
    other = "email" if name == "username" else "username"
    said = caller.send(a_call(**{other: "fine", name: value})).get_json()
    assert said["error_code"] == 13001
    assert f"account_linking.{name}" in said["error_message"]


@pytest.mark.parametrize(("name", "longest"), [("username", 254), ("email", 254), ("phone_number", 32)])
def test_an_identifier_has_a_greatest_length(caller: Caller, name: str, longest: int) -> None:
    assert caller.code(a_call(**{name: "ü" * longest})) == 0
    assert caller.code(a_call(**{name: "ü" * (longest + 1)})) == 13001


def test_an_identifier_is_no_secret_in_the_message_that_refuses_it(caller: Caller) -> None:
    assert "mike" not in caller.send(a_call(email="mike\n@example.com")).text


@pytest.mark.parametrize("bad", [5, "a\nb", "x" * 300, []])
def test_unlinking_judges_no_identifier(caller: Caller, bad: Any) -> None:
    assert caller.code(a_call("unlinked", email=bad)) == 0


@pytest.mark.parametrize(
    ("given", "back"),
    [
        ("F4js0Za2", "F4js0Za2"), ("", ""), (7, "7"), (1.5, "1.5"), (True, "true"), (None, ""), ([], ""),
        ({}, ""), (["x"], ""), ("ü\n\u202e", "ü\n\u202e"), ("x" * 5000, "x" * 5000),
    ],
)  # fmt: skip
@pytest.mark.parametrize("wrong", [False, True])
def test_the_request_id_comes_back_as_text_when_it_is_a_scalar(
    caller: Caller, given: Any, back: str, wrong: bool
) -> None:
    call = changed(RIGHT, request__id=given, **(WRONG[13003] if wrong else {}))
    said = caller.send(call).get_json()
    assert said["request_id"] == back
    assert said["result"] is not wrong


# What the table has no code for


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b'"x"', b"1", b"null", b"\xff", b'{"a": NaN}', "{}".encode("utf-16"), b"[" * 60_000,
        b'{"a": ' + b"9" * 5000 + b"}", b'{"request": {"method": "account_link", "id": "\\ud800"}}',
        b'{"request": {"method": "account_link", "meta": "\\udfff"}}',
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_read_answers_400_in_the_envelope(caller: Caller, body: bytes) -> None:
    answer = caller.post(body, "application/json")
    assert answer.status_code == answer.get_json()["error_code"] == 400
    assert answer.get_json()["error"]["code"] == 400


OTHER_TYPES = [None, "", "text/plain", "application/xml", "application/jsonp", "text/html; charset=utf-8"]


@pytest.mark.parametrize("content_type", OTHER_TYPES)
@pytest.mark.parametrize("body", [b"", b"[]", b"request.method=account_link", b"<a/>", b"\xef\xbb\xbf{}"])
def test_another_content_type_answers_415_in_the_envelope(
    caller: Caller, content_type: str | None, body: bytes
) -> None:
    answer = caller.post(body, content_type)
    assert answer.status_code == answer.get_json()["error_code"] == 415


@pytest.mark.parametrize(
    "content_type", [*OTHER_TYPES, "application/x-www-form-urlencoded", "multipart/form-data"]
)
@pytest.mark.parametrize("before", ["", " ", "\r\n\t "])
def test_a_body_that_begins_with_a_brace_is_json_whatever_its_type_says(
    caller: Caller, content_type: str | None, before: str
) -> None:
    answer = caller.post(before.encode() + json.dumps(RIGHT).encode(), content_type)
    assert answer.get_json()["result"] is True


@pytest.mark.parametrize("size", [65_537, 200_000])
def test_a_body_over_64_kib_answers_413_in_the_envelope(caller: Caller, size: int) -> None:
    answer = caller.post(b" " * size, "application/json")
    assert answer.status_code == answer.get_json()["error_code"] == 413


def test_a_body_of_64_kib_is_read(caller: Caller) -> None:
    body = json.dumps(RIGHT).encode()
    assert caller.post(body + b" " * (65_536 - len(body)), "application/json").status_code == 200


def test_a_store_that_is_away_answers_503_and_its_path_stays_inside(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise StoreUnavailable("the database file /var/secret/links.db does not work")

    monkeypatch.setattr(caller.bot.linking.store.engine, "write", away)
    caller.bot.clock.advance(3600)
    answer = caller.send(RIGHT)
    said = answer.get_json()
    assert answer.status_code == said["error_code"] == 503
    assert "/var" not in answer.text
    assert int(answer.headers["Retry-After"]) > 0


def test_a_wrong_key_is_slowed_by_address_and_a_good_one_is_not(new_caller: MakeCaller) -> None:
    caller = new_caller(API_FAILURE_LIMIT=3)
    bad = {"APIKEY": "bl_guess"}
    statuses = [caller.send(RIGHT, headers=bad).status_code for _ in range(5)]
    late = caller.send(RIGHT, headers=bad)
    elsewhere = caller.send(RIGHT, headers=bad, environ_overrides={"REMOTE_ADDR": "192.0.2.7"})
    assert statuses == [401, 401, 401, 429, 429]
    assert late.get_json()["error_code"] == 429
    assert 1 <= int(late.headers["Retry-After"]) <= 60
    assert elsewhere.status_code == 401
    assert caller.send(RIGHT).status_code == 200
    caller.bot.clock.advance(61)
    assert caller.send(RIGHT, headers=bad).status_code == 401


def test_a_flood_of_wrong_keys_writes_nothing_once_it_is_over_the_limit(
    new_caller: MakeCaller, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = new_caller(API_FAILURE_LIMIT=1)
    caller.send(RIGHT, headers={"APIKEY": "no"})
    monkeypatch.setattr(caller.bot.linking.store.engine, "write", None)
    assert caller.send(RIGHT, headers={"APIKEY": "no"}).status_code == 429


@pytest.mark.parametrize(
    "answer_of",
    [
        lambda caller: caller.send(RIGHT),
        lambda caller: caller.send({}),
        lambda caller: caller.send(RIGHT, headers={"APIKEY": ""}),
        lambda caller: caller.post(b"", "text/plain"),
        lambda caller: caller.bot.client().get("/linking/openapi.json"),
    ],
)
def test_every_answer_is_json_that_nobody_stores_or_sniffs(caller: Caller, answer_of: Any) -> None:
    answer = answer_of(caller)
    assert answer.mimetype == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in answer.headers
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "get"])
def test_only_post_is_a_call(caller: Caller, method: str) -> None:
    answer = caller.bot.client().open("/linking/api", method=method)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"
    if method != "HEAD":
        said = answer.get_json()
        assert said["error_code"] == said["error"]["code"] == 405
        assert said["result"] is False


def test_the_key_is_taken_from_the_header_only(caller: Caller) -> None:
    client, body = caller.bot.client(), RIGHT
    assert client.post(f"/linking/api?APIKEY={caller.key}", json=body).status_code == 401
    assert client.post("/linking/api", json={**body, "APIKEY": caller.key}).status_code == 401
    client.set_cookie("APIKEY", caller.key)
    assert client.post("/linking/api", json=body).status_code == 401
