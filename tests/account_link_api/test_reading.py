"""Two forms of a body have one meaning. The Content-Type chooses the form, and wrong bodies are refused."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.wire import PSID

from .calls import API, CONTENT_TYPES, SAMPLE_PSID, SAMPLES, Caller, a_call, as_form, changed

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


def test_what_does_not_begin_with_a_brace_is_what_its_type_says(caller: Caller) -> None:
    as_text = urlencode(RIGHT).encode()
    assert caller.post(as_text, FORM).get_json()["error_code"] == 0
    assert caller.post(as_text, "application/json").get_json()["error_code"] == 400
    assert caller.post(as_text, "multipart/form-data; boundary=x").get_json()["error_code"] == 400


def test_dotted_names_mean_nothing_in_json_and_the_sentence_says_so(caller: Caller) -> None:
    for call, code in (
        (RIGHT, 10000),
        (changed(a_call(username="ada"), recipient={}) | {"recipient.id": PSID}, 13000),
        ({"Request.Method": "account_link"}, 10000),
        (a_call(username="") | {"account_linking.name": "ada"}, 13001),
        (changed(a_call(), account_linking={"status": "linked", "account_linking.email": "a@b.c"}), 13001),
    ):
        said = caller.send(call).get_json()
        assert said["error_code"] == code
        assert "in JSON the fields are nested" in said["error_message"]
    for call in ({}, {"a.b": 1}, {"request": {"meta": {"request.id": 1}}}):
        assert "nested" not in caller.send(call).get_json()["error_message"]


CHARSETS = [
    "gbk",
    "GB2312",
    "utf-16",
    "utf-7",
    "cp1252",
    "shift_jis",
    "\x00",
    "unicode_escape",
    "idna",
    "no such",
]


@pytest.mark.parametrize("charset", CHARSETS)
@pytest.mark.parametrize("kind", [FORM, "application/json", "multipart/form-data; boundary=x", "text/plain"])
def test_a_charset_that_is_not_read_here_is_refused_and_nobody_is_linked(
    caller: Caller, kind: str, charset: str
) -> None:
    bodies = {
        FORM: urlencode(RIGHT).encode(),
        "multipart/form-data; boundary=x": _multipart(RIGHT),
    }
    body = bodies.get(kind, json.dumps(a_call(username="ada")).encode())
    answer = caller.post(body, f'{kind}; charset="{charset}"')
    assert answer.status_code == answer.get_json()["error_code"] == 415
    assert caller.bot.linking.link_of(PSID) is None


@pytest.mark.parametrize("charset", ["utf-8", "UTF8", "utf_8", '"utf-8"', "us-ascii", "ascii", "", "latin1"])
@pytest.mark.parametrize("kind", [FORM, "application/json", "multipart/form-data; boundary=x"])
def test_a_charset_that_is_read_here_is(caller: Caller, kind: str, charset: str) -> None:
    bodies = {
        FORM: urlencode(RIGHT).encode(),
        "application/json": json.dumps(a_call(username="ada")).encode(),
    }
    answer = caller.post(bodies.get(kind, _multipart(RIGHT)), f"{kind}; charset={charset}")
    assert answer.get_json()["result"] is True


@pytest.mark.parametrize(
    "parameters",
    [
        "; charset= gbk", "; charset = gbk", ";charset\t=\tgbk", "; CHARSET='gbk'", '; charset="gbk',
        "; charset:gbk",
        "; charset=gbk; charset=utf-8", "; charset=utf-8; charset=gbk", "; charset=utf-8,gbk", " charset=gbk",
        "; charset*=utf-8''gbk", "; charset*0=g; charset*1=bk", ", text/plain; charset=gbk", ";;charset=gbk;",
        '; x="a;b"; charset=gbk', "; charset=utf-8; charset=iso-8859-1",
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", [FORM, "application/json"])
def test_a_charset_is_never_overlooked_however_it_is_written(
    caller: Caller, kind: str, parameters: str
) -> None:
    body = urlencode(RIGHT).encode() if kind == FORM else json.dumps(a_call(username="ada")).encode()
    assert caller.post(body, kind + parameters).status_code == 415
    assert caller.bot.linking.link_of(PSID) is None


@pytest.mark.parametrize(
    "parameters", ["; charset = utf-8", "; charset=UTF-8; charset=utf8", "; charset:utf-8"]
)
def test_a_charset_that_is_read_here_may_be_written_in_these_ways_too(
    caller: Caller, parameters: str
) -> None:
    assert caller.post(json.dumps(a_call(username="a")).encode(), f"text/json{parameters}").status_code == 200


@pytest.mark.parametrize("encoding", ["base64", "Quoted-Printable", "x-other"])
def test_a_part_in_a_transfer_encoding_is_not_taken_for_its_text(caller: Caller, encoding: str) -> None:
    body = _multipart(RIGHT, part_type=f"text/plain\r\nContent-Transfer-Encoding: {encoding}")
    assert caller.post(body, "multipart/form-data; boundary=x").status_code == 400
    plain = body.replace(encoding.encode(), b"8BIT")
    assert caller.post(plain, "multipart/form-data; boundary=x").status_code == 200


def test_a_body_in_latin_1_is_read_as_that(caller: Caller) -> None:
    name = "Müller"
    fields = {**RIGHT, "account_linking.username": name}
    for body, kind in (
        (urlencode(fields, encoding="latin-1").encode(), f"{FORM}; charset=iso-8859-1"),
        (
            json.dumps(a_call(username=name), ensure_ascii=False).encode("latin-1"),
            "application/json; charset=latin1",
        ),
        (_multipart(fields, "latin-1"), "multipart/form-data; boundary=x; charset=ISO-8859-1"),
        (_multipart(fields, "latin-1", "text/plain; charset=ISO-8859-1"), "multipart/form-data; boundary=x"),
    ):
        assert caller.post(body, kind).get_json()["result"] is True
        link = caller.bot.linking.link_of(PSID)
        assert link is not None
        assert link.username == name
        caller.bot.linking.erase(PSID)


def test_a_body_that_is_not_in_its_charset_is_refused(caller: Caller) -> None:
    fields = {**RIGHT, "account_linking.username": "Müller"}
    for body, kind in (
        (urlencode(fields, encoding="latin-1").encode(), FORM),
        (urlencode(fields).encode(), f"{FORM}; charset=us-ascii"),
        (_multipart(fields, "latin-1"), "multipart/form-data; boundary=x"),
        (_multipart(fields, "utf-8", "text/plain; charset=us-ascii"), "multipart/form-data; boundary=x"),
    ):
        assert caller.post(body, kind).get_json()["error_code"] == 400


def test_a_part_and_a_field_may_declare_a_charset_too_and_are_believed(caller: Caller) -> None:
    in_part = _multipart(RIGHT, "utf-8", "text/plain; charset=gbk")
    assert caller.post(in_part, "multipart/form-data; boundary=x").get_json()["error_code"] == 415
    for charset, code in (("gbk", 415), ("utf-8", 0)):
        assert post_form(caller, {**RIGHT, "_charset_": charset})["error_code"] == code


def test_a_name_in_gbk_that_happens_to_be_utf_8_links_nobody(caller: Caller) -> None:
    """In UTF-8 the bytes of its letters are two other letters."""
    name = "纽约"
    name.encode("gbk").decode("utf-8")
    body = urlencode({**RIGHT, "account_linking.username": name}, encoding="gbk").encode()
    assert caller.post(body, f"{FORM}; charset=gbk").status_code == 415
    assert caller.bot.linking.link_of(PSID) is None


def _multipart(fields: dict[str, str], charset: str = "utf-8", part_type: str | None = None) -> bytes:
    head = f"Content-Type: {part_type}\r\n" if part_type else ""
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n{head}\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    return "".join([*parts, "--x--\r\n"]).encode(charset)


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
