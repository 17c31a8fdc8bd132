"""Two body forms, one meaning: chosen by Content-Type, read without mercy."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from ..conftest import PSID
from .conftest import API, CONTENT_TYPES, SAMPLE_PSID, SAMPLES, Caller, a_call, as_form, changed

FORM = "application/x-www-form-urlencoded"
RIGHT = as_form(a_call(username="ada"))


def post_form(caller: Caller, pairs: Any, content_type: str = FORM) -> Any:
    return caller.post(urlencode(pairs).encode(), content_type).get_json()


@pytest.mark.parametrize("sample", CONTENT_TYPES)
def test_the_published_sample_links_in_every_form_byte_for_byte(caller: Caller, sample: str) -> None:
    answer = caller.post((SAMPLES / sample).read_bytes(), CONTENT_TYPES[sample])
    assert answer.get_json() == {
        "request_id": "F4js0Za2", "result": True, "error_code": 0, "error_message": "",
    }  # fmt: skip
    link = caller.bot.linking.link_of(SAMPLE_PSID)
    assert link is not None
    assert (link.account_id, link.username, link.email, link.phone_number) == (
        "username:myaccount", "myaccount", "mike@example.com", "18900001111",
    )  # fmt: skip


def test_the_forms_of_one_call_are_one_fact(caller: Caller) -> None:
    for sample, content_type in CONTENT_TYPES.items():
        assert caller.post((SAMPLES / sample).read_bytes(), content_type).status_code == 200
    assert len(caller.bot.linking.history_of(SAMPLE_PSID)) == 1


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/json;charset=UTF-8"]
)
def test_a_content_type_may_have_parameters_and_any_case(caller: Caller, content_type: str) -> None:
    assert caller.post(json.dumps(a_call(username="a")).encode(), content_type).status_code == 200


def test_only_the_content_type_says_which_form_it_is(caller: Caller) -> None:
    as_json, as_text = json.dumps(a_call(username="ada")).encode(), urlencode(RIGHT).encode()
    assert caller.post(as_json, FORM).get_json()["error_code"] == 10000
    assert caller.post(as_text, "application/json").get_json()["error_code"] == 400


def test_dotted_names_mean_nothing_in_json(caller: Caller) -> None:
    assert caller.code(RIGHT) == 10000
    assert caller.code(changed(a_call(username="ada"), recipient={}) | {"recipient.id": PSID}) == 13000


def test_nested_names_mean_nothing_in_a_form(caller: Caller) -> None:
    fields = {name: value for name, value in RIGHT.items() if name != "recipient.id"}
    assert post_form(caller, {**fields, "recipient[id]": PSID, "recipient": PSID})["error_code"] == 13000


def test_the_query_is_no_part_of_a_call(caller: Caller) -> None:
    answer = caller.bot.client().post(
        f"{API}?{urlencode(RIGHT)}", data=b"", content_type=FORM, headers={"APIKEY": caller.key}
    )
    assert answer.get_json()["error_code"] == 10000


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("request.method", 10000), ("recipient.id", 13000), ("account_linking.status", 13003),
        ("account_linking.username", 13001), ("request.id", 0), ("request.meta", 0), ("timestamp", 0),
    ],
)  # fmt: skip
def test_a_field_that_is_sent_twice_is_not_valid(caller: Caller, name: str, code: int) -> None:
    pairs = [*RIGHT.items(), ("timestamp", "1")]
    again = dict(pairs)[name]
    assert post_form(caller, [*pairs, (name, again)])["error_code"] == code
    assert post_form(caller, [*pairs, (name, "other")])["error_code"] == code


def test_a_file_is_no_field(caller: Caller) -> None:
    fields = {**RIGHT, "recipient.id": (BytesIO(PSID.encode()), "psid.txt")}
    answer = caller.bot.client().post(API, data=fields, headers={"APIKEY": caller.key})
    assert answer.get_json()["error_code"] == 13000


def test_a_form_keeps_every_character_of_an_identifier(caller: Caller) -> None:
    assert post_form(caller, {**RIGHT, "account_linking.username": "a+b &=%ü 用户"})["result"] is True
    link = caller.bot.linking.link_of(PSID)
    assert link is not None
    assert link.username == "a+b &=%ü 用户"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"request.method=%ff", FORM),
        (b"request.method=\xff", FORM),
        (b"&".join(b"a=1" for _ in range(101)), FORM),
        (b"anything", "multipart/form-data"),
        (b"anything", "multipart/form-data; boundary=x"),
        (b"--x\r\nno header", "multipart/form-data; boundary=x"),
        (b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xff\r\n--x--\r\n',
         "multipart/form-data; boundary=x"),
        (b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' * 101 + b"--x--\r\n",
         "multipart/form-data; boundary=x"),
        (b"--\xff\r\n", "multipart/form-data; boundary=\xff"),
    ],
)  # fmt: skip
def test_form_data_that_cannot_be_read_answers_400_or_413(
    caller: Caller, body: bytes, content_type: str
) -> None:
    assert caller.post(body, content_type).status_code in {400, 413}


@pytest.mark.parametrize("timestamp", ["1409291011", 1409291011, "yesterday", "", None, [], {}, -1])
def test_a_timestamp_is_accepted_and_not_judged(caller: Caller, timestamp: Any) -> None:
    assert caller.code({**a_call(username="ada"), "timestamp": timestamp}) == 0


def test_unknown_fields_are_passed_over(caller: Caller) -> None:
    call = {**a_call(username="ada"), "more": 1}
    assert caller.code(changed(call, recipient__name="x", account_linking__x=[])) == 0
    assert post_form(caller, {**RIGHT, "more": "1", quote("account_linking.x"): "1"})["error_code"] == 0


def test_a_repeated_key_in_json_means_its_last_value(caller: Caller) -> None:
    body = json.dumps(a_call(username="ada")).replace(
        '"username": "ada"', '"username": "x", "username": "eve"'
    )
    caller.post(body.encode(), "application/json")
    link = caller.bot.linking.link_of(PSID)
    assert link is not None
    assert link.username == "eve"
