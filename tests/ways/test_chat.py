"""What a chat sends: our events are handled and removed, and the bot gets the others as they came."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from flask import Flask, request

from bot_linking.core.errors import StoreUnavailable
from bot_linking.core.links import Account
from bot_linking.messenger.events import mentions_ours
from tests.bots import Bot, NewBot
from tests.people import ADA
from tests.wire import OTHER_PSID, PAGE, PSID, batch, message_event


def chat(psid: str = PSID, **of: Any) -> dict[str, Any]:
    return {"sender": {"id": psid}, "recipient": {"id": PAGE}, "timestamp": 1_800_000_000_000, **of}


def quick_reply(payload: str, psid: str = PSID) -> dict[str, Any]:
    return chat(psid, message={"mid": "m", "text": "Connect", "quick_reply": {"payload": payload}})


class Hosted:
    """A bot whose own view records its events."""

    def __init__(self, new_bot: NewBot, **given: Any) -> None:
        self.bot: Bot = new_bot(Flask("host"), **given)
        self.heard: list[Any] = []
        self.bodies: list[bytes] = []

        @self.bot.app.post("/hook")
        @self.bot.linking.webhook
        def hook() -> str:
            self.bodies.append(request.get_data())
            self.heard += [each for entry in request.get_json()["entry"] for each in entry["messaging"]]
            return "ok"

    def post(self, *events: dict[str, Any]) -> int:
        return self.bot.post(batch(*events), path="/hook").status_code

    def said(self) -> list[dict[str, Any]]:
        """What was sent since the last call."""
        self.bot.linking.delivery.drain()
        sent = [body["message"] for body in self.bot.graph.sent]
        self.bot.graph.calls.clear()
        return sent

    def link(self, account: Account = ADA) -> tuple[str, str]:
        """The ref and the code of a chat link."""
        made = self.bot.linking.chat_link(account)
        return made.url.partition("?ref=")[2], made.code


@pytest.fixture
def hosted(new_bot: NewBot) -> Hosted:
    return Hosted(new_bot)


def payloads(message: dict[str, Any]) -> dict[str, str]:
    return {each["title"]: each["payload"] for each in message["quick_replies"]}


@pytest.mark.parametrize("by", ["referral", "postback", "text"])
def test_from_the_site_to_the_chat_asks_once_and_links_by_the_answer(hosted: Hosted, by: str) -> None:
    ref, code = hosted.link()
    event = {
        "referral": chat(referral={"ref": ref, "source": "SHORTLINK", "type": "OPEN_THREAD"}),
        "postback": chat(postback={"title": "Get Started", "payload": "START", "referral": {"ref": ref}}),
        "text": message_event(code),
    }[by]
    assert hosted.post(event) == 200
    (question,) = hosted.said()
    assert question["text"] == "Connect this chat with a••@example.com at Acme?"
    assert list(payloads(question)) == ["Connect", "No"]
    assert hosted.bot.linking.link_of(PSID) is None
    assert hosted.post(quick_reply(payloads(question)["Connect"])) == 200
    link = hosted.bot.linking.link_of(PSID)
    assert link is not None
    assert (link.account_id, link.source) == ("1", "chat")
    assert len(hosted.said()) == 1
    assert len(hosted.heard) == (1 if by == "postback" else 0)


def test_a_stranger_says_nothing_in_a_chat_by_the_name_of_their_account(hosted: Hosted) -> None:
    """A person who opens a forwarded address gets a question in the page's name."""
    ref, _ = hosted.link(Account("6", display_name="Won @ https://evil.example/prize: see there"))
    hosted.post(chat(referral={"ref": ref}))
    (question,) = hosted.said()
    assert question["text"] == "Connect this chat with W•• at Acme?"


def test_what_is_not_ours_reaches_the_bot_byte_for_byte(hosted: Hosted) -> None:
    events = [
        message_event("hello 123456"),
        message_event("123456"),
        chat(referral={"ref": "promo"}),
        chat(postback={"payload": "START", "referral": {"ref": "promo"}}),
        quick_reply("ORDERS"),
        chat(message={"mid": "m", "text": "LINK 2222-2222", "is_echo": True}),
        chat(message={"mid": "m", "text": None}),
        chat(message={"mid": "m", "quick_reply": None}),
        chat(postback=None),
        chat(referral=[]),
    ]
    body = batch(*events)
    assert hosted.bot.post(body, path="/hook").status_code == 200
    assert hosted.bodies == [body]
    assert hosted.said() == []


def test_ours_is_taken_out_of_a_batch_and_the_rest_is_left(hosted: Hosted) -> None:
    _, code = hosted.link()
    assert hosted.post(message_event("before"), message_event(code), message_event("after")) == 200
    assert [each["message"]["text"] for each in hosted.heard] == ["before", "after"]


@pytest.mark.parametrize(
    "event",
    [
        chat(referral={"ref": "bl." + "x" * 32}),
        chat(referral={"ref": "bl."}),
        message_event("LINK 2222-2222"),
        quick_reply("bl.yes." + "x" * 22),
        quick_reply("bl.nonsense"),
    ],
)
def test_an_unknown_one_of_our_form_is_answered_and_no_bot_is_bothered(
    hosted: Hosted, event: dict[str, Any]
) -> None:
    assert hosted.post(event) == 200
    assert hosted.heard == []
    assert len(hosted.said()) == 1
    assert hosted.bot.linking.link_of(PSID) is None


def test_a_page_of_another_secret_cannot_answer_for_this_one(hosted: Hosted) -> None:
    ref, _ = hosted.link()
    event = chat(referral={"ref": ref}) | {"recipient": {"id": "999"}}
    assert hosted.post(event) == 200
    assert hosted.said() == []
    assert hosted.heard == [event]


def test_erasing_from_the_chat_takes_two_taps(hosted: Hosted) -> None:
    hosted.bot.link()
    hosted.said()
    first = payloads(hosted.bot.linking.erasure_message())["Delete my data"]
    hosted.post(quick_reply(first))
    (question,) = hosted.said()
    (sure,) = payloads(question).values()
    assert hosted.bot.linking.link_of(PSID) is not None
    hosted.post(quick_reply(sure, OTHER_PSID))
    assert hosted.bot.linking.link_of(PSID) is not None
    hosted.said()
    hosted.post(quick_reply(sure))
    assert hosted.bot.linking.link_of(PSID) is None
    assert hosted.bot.linking.history_of(PSID) == []
    assert len(hosted.said()) == 1
    assert PSID not in str(hosted.bot.rows())


def test_an_erasure_that_failed_is_done_when_messenger_sends_the_tap_again(
    hosted: Hosted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One transaction erases and queues the answer; the fault sweep lets each of its calls fail."""
    hosted.bot.link()
    hosted.post(quick_reply("bl.erase"))
    (sure,) = payloads(hosted.said()[-1]).values()

    def away(*_: object, **__: object) -> None:
        raise StoreUnavailable("for a moment")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(hosted.bot.linking.store, "erase", away)
        assert hosted.post(quick_reply(sure)) == 503
    assert hosted.post(quick_reply(sure)) == 200
    assert hosted.bot.linking.link_of(PSID) is None
    assert len(hosted.said()) == 1
    assert hosted.post(quick_reply(sure)) == 200
    assert hosted.said() == []


def test_a_postback_button_may_ask_to_erase_too(hosted: Hosted) -> None:
    hosted.post(chat(postback={"title": "Delete my data", "payload": "bl.erase"}))
    assert len(hosted.said()) == 1
    assert hosted.heard == []


@pytest.mark.parametrize(
    ("text", "may_be_ours"),
    [("123456", True), ("LINK 2222-2222", True), ("１２３４５６", True), (" 123 456", True), ("hello", False),
     ("a 123456", False), ("12 apples", False)],
)  # fmt: skip
@pytest.mark.parametrize("ascii_only", [True, False])
def test_only_a_body_that_may_hold_something_of_ours_is_parsed(
    text: str, may_be_ours: bool, ascii_only: bool
) -> None:
    body = json.dumps({"entry": [{"messaging": [message_event(text)]}]}, ensure_ascii=ascii_only)
    assert mentions_ours(body.encode()) is may_be_ours


def test_a_chat_link_is_an_address_a_code_and_a_picture(hosted: Hosted) -> None:
    made = hosted.bot.linking.chat_link(ADA)
    assert re.fullmatch(rf"https://m\.me/{PAGE}\?ref=bl\.[A-Za-z0-9_-]{{32}}", made.url)
    assert re.fullmatch(r"LINK [2-9A-Z]{4}-[2-9A-Z]{4}", made.code)
    assert made.svg.startswith("<svg")


def test_the_address_has_the_pages_user_name_where_it_is_known(new_bot: NewBot) -> None:
    bot = new_bot(PAGE_USERNAME="acme.shop")
    assert bot.linking.chat_link(ADA).url.startswith("https://m.me/acme.shop?ref=bl.")


def test_the_menus_button_needs_the_apps_id(bot: Bot) -> None:
    with pytest.raises(ValueError, match="BOT_LINKING_APP_ID"):
        bot.linking.menu_button()


def test_the_menus_button_is_for_extensions(new_bot: NewBot) -> None:
    button = new_bot(APP_ID="42").linking.menu_button("Account")
    assert button == {
        "type": "web_url",
        "title": "Account",
        "url": "https://bot.example/linking/menu",
        "webview_height_ratio": "tall",
        "messenger_extensions": True,
    }
