"""A declared charset that is not UTF-8 is decoded or refused at every door, never ignored."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from flask import request

from bot_linking.account_link_api.keys import Keys
from bot_linking.external_account import ExternalAccount
from tests.bots import Bot, NewBot
from tests.owners.test_callbacks import signed_request
from tests.people import ADA, Site
from tests.wire import OTHER_PSID, PSID, SITE, batch, message_event, signature
from tests.wire import unlinked_event as unlinked

STRANGE = ["gbk", "GB18030", "Shift_JIS", "utf-16", "utf-7", "windows-1252", "koi8-r", "x-unknown", "idna"]
FORM = "application/x-www-form-urlencoded"
NAME = "ü用"  # as UTF-8 it is also something in most of these


def send(browser: Any, path: str, body: bytes, kind: str) -> Any:
    return browser.client.post(path, base_url=SITE, data=body, content_type=kind)


def multipart(fields: dict[str, bytes], *, kind: str = "") -> bytes:
    parts = [
        b'--b\r\nContent-Disposition: form-data; name="%s"\r\n%s\r\n%s\r\n'
        % (name.encode(), b"Content-Type: %s\r\n" % kind.encode() if kind else b"", value)
        for name, value in fields.items()
    ]
    return b"".join(parts) + b"--b--\r\n"


@pytest.fixture
def login(bot: Bot) -> tuple[Any, dict[str, str]]:
    browser = bot.browser()
    browser.open()
    return browser, {**browser.form("login").fields, "username": NAME, "password": "lovelace-1815"}


@pytest.mark.parametrize("charset", STRANGE)
def test_a_linking_pages_form_in_another_charset_is_refused(
    login: tuple[Any, dict[str, str]], site: Site, charset: str
) -> None:
    browser, fields = login
    in_bytes = {name: value.encode() for name, value in fields.items()}
    answers = [
        send(browser, "/linking/login", urlencode(fields).encode(), f"{FORM}; charset={charset}"),
        send(browser, "/linking/login", urlencode(fields | {"_charset_": charset}).encode(), FORM),
        send(
            browser, "/linking/login", multipart(in_bytes, kind=f"text/plain; charset={charset}"),
            "multipart/form-data; boundary=b",
        ),
    ]  # fmt: skip
    assert [each.status_code for each in answers] == [415] * 3
    assert {each.headers["Cache-Control"] for each in answers} == {"no-store"}
    assert not site.asked


@pytest.mark.parametrize("declared", ["header", "field"])
def test_a_linking_pages_form_in_latin_1_is_decoded(
    login: tuple[Any, dict[str, str]], site: Site, declared: str
) -> None:
    browser, fields = login
    fields |= {"username": "J\u00f6rg"}
    if declared == "field":
        fields["_charset_"] = "iso-8859-1"
    body = urlencode(fields, encoding="latin-1").encode()
    send(browser, "/linking/login", body, FORM + ("; charset=ISO-8859-1" if declared == "header" else ""))
    assert site.asked == ["J\u00f6rg"]


def test_bytes_that_are_no_utf_8_are_not_taken_for_another_name(
    login: tuple[Any, dict[str, str]], site: Site
) -> None:
    browser, fields = login
    body = urlencode(fields | {"username": ""}).encode().replace(b"username=", b"username=%ff%fe")
    assert send(browser, "/linking/login", body, FORM).status_code == 400
    assert not site.asked


@pytest.mark.parametrize("charset", ["gbk", "iso-8859-1"])
def test_a_form_that_the_host_has_read_before_is_refused(new_bot: NewBot, site: Site, charset: str) -> None:
    bot = new_bot()
    bot.app.before_request(lambda: request.form.get("anything") and None)
    browser = bot.browser()
    browser.open()
    fields = {**browser.form("login").fields, "username": "ada", "password": "lovelace-1815"}
    body = urlencode(fields).encode()
    assert send(browser, "/linking/login", body, f"{FORM}; charset={charset}").status_code == 415
    assert not site.asked
    assert send(browser, "/linking/login", body, FORM).status_code == 303


@pytest.mark.parametrize("path", ["menu", "connections/0/disconnect", "undo/0", "second-factor", "consent"])
def test_each_form_of_ours_asks_for_its_charset(new_bot: NewBot, site: Site, path: str) -> None:
    bot = new_bot(current_account=site.current_account, APP_ID="1", notify_owner=lambda notice: None)
    site.signed_in = ADA
    if path.startswith("undo"):
        bot.linking.core.undoing.find = lambda token: ("1", "2", "3")  # type: ignore[method-assign]
    answer = send(bot.browser(), f"/linking/{path}", b"ticket=x", f"{FORM}; charset=gbk")
    assert answer.status_code == 415


@pytest.mark.parametrize("path", ["data-deletion", "deauthorize"])
@pytest.mark.parametrize("charset", STRANGE)
def test_a_callback_in_another_charset_is_refused(bot: Bot, path: str, charset: str) -> None:
    body = urlencode({"signed_request": signed_request()}).encode()
    kind = f"{FORM}; charset={charset}"
    answer = bot.client().post(f"/linking/{path}", data=body, content_type=kind)
    assert (answer.status_code, answer.mimetype) == (415, "application/json")
    assert bot.linking.store.list_deletions() == []


@pytest.mark.parametrize("charset", STRANGE)
def test_a_webhook_in_another_charset_is_refused(bot: Bot, charset: str) -> None:
    bot.app.add_url_rule("/hook", "hook", bot.linking.webhook(lambda: "ok"), methods=["POST"])
    bot.link()
    body = batch(unlinked(at=bot.clock.ms + 1))
    kind = f"application/json; charset={charset}"
    for path in ("/linking/webhook", "/hook"):
        assert bot.post(body, path=path, **{"Content-Type": kind}).status_code == 415
    for headers in (
        {"X-Hub-Signature-256": signature(body), "content-type": kind},
        {"HTTP_X_HUB_SIGNATURE_256": signature(body), "CONTENT_TYPE": kind},
    ):
        assert bot.linking.answer(body, headers).status == 415
    assert bot.linking.link_of(PSID) is not None


@pytest.mark.parametrize("charset", ["UTF-8", "utf8", '"utf-8"', "us-ascii", "ISO-8859-1"])
def test_a_webhook_in_a_charset_that_is_read_here_is_read(bot: Bot, charset: str) -> None:
    bot.link()
    event = unlinked(at=bot.clock.ms + 1) | {"note": "\u00fc"}
    entry = {"id": event["recipient"]["id"], "messaging": [event]}
    text = json.dumps({"object": "page", "entry": [entry]}, ensure_ascii="ascii" in charset)
    body = text.encode("latin-1" if charset.startswith("ISO") else "utf-8")
    assert bot.post(body, **{"Content-Type": f"application/json; charset={charset}"}).status_code == 200
    assert bot.linking.link_of(PSID) is None


def test_the_events_of_a_webhook_are_read_in_the_charset_that_it_declares(bot: Bot) -> None:
    """Also those of a body that holds nothing of ours, which reaches the view as it came."""
    heard: list[Any] = []

    @bot.app.post("/hook")
    @bot.linking.webhook
    def hook() -> str:
        heard.extend(event["message"]["text"] for event in bot.linking.events())
        return "ok"

    body = json.dumps(json.loads(batch(message_event("J\u00f6rg"))), ensure_ascii=False).encode("latin-1")
    bot.post(body, path="/hook", **{"Content-Type": "application/json; charset=ISO-8859-1"})
    assert heard == ["J\u00f6rg"]


def test_what_is_not_ours_reaches_the_bot_as_it_came(bot: Bot) -> None:
    seen: list[bytes] = []

    @bot.app.post("/hook")
    @bot.linking.webhook
    def hook() -> str:
        seen.append(request.get_data())
        return "ok"

    body = '{"text": "\u7528"}'.encode("gbk")
    answer = bot.post(body, path="/hook", **{"Content-Type": "application/json; charset=gbk"})
    assert (answer.status_code, seen) == (200, [body])


@pytest.mark.parametrize("charset", ["gbk", "iso-8859-1"])
def test_the_apis_ask_for_the_charset_that_a_form_names_in_a_field(bot: Bot, charset: str) -> None:
    key = {"APIKEY": Keys(bot.linking.core).create("k")}
    fields = {
        "request.method": "account_link", "recipient.id": OTHER_PSID, "account_linking.status": "linked",
        "_charset_": charset,
    }  # fmt: skip
    body = urlencode(fields) + "&account_linking.username=" + quote("J\u00f6rg".encode("latin-1"))
    answer = bot.client().post("/linking/api", data=body, content_type=FORM, headers=key)
    link = bot.linking.link_of(OTHER_PSID)
    assert (answer.status_code, link and link.username) == (
        (415, None) if charset == "gbk" else (200, "J\u00f6rg")
    )


def test_two_charsets_of_one_form_are_refused(bot: Bot) -> None:
    external = ExternalAccount(bot.linking)
    bot.app.register_blueprint(external.blueprint)
    external.create_app("shop")
    headers = {"Authorization": f"Bearer {external.create_token('shop', 1)}"}
    body = urlencode({"unionID": "u", "platform": "wechat", "platformName": "\u00fc", "_charset_": "utf-8"})
    kind = f"{FORM}; charset=iso-8859-1"
    answer = bot.client().post("/ExternalAccount/shop", data=body, content_type=kind, headers=headers)
    assert answer.status_code == 400
