"""How a person is asked to log in: by the Log In button, or by an address where the button cannot work."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from werkzeug import Request

from bot_linking.messenger.graph import GraphError
from tests.bots import Bot, NewBot
from tests.graph import as_json
from tests.wire import PSID, SITE

UNDER_RULES = {"code": 10, "error_subcode": 2018336}


def button_of(message: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = message["attachment"]["payload"]["buttons"][0]
    return found


def sent(bot: Bot) -> list[dict[str, Any]]:
    return [body["message"] for body in bot.graph.sent]


def put_under_rules(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that Graph says is under the rules."""
    node = bot.graph._node

    def answer(request: Request, path: str, body: Any) -> Any:
        if path == "me/messenger_profile":
            return as_json({"data": [{"subject_to_new_eu_privacy_rules": True}]})
        return node(request, path, body)

    monkeypatch.setattr(bot.graph, "_node", answer)


def test_the_log_in_button_is_the_first_choice(bot: Bot) -> None:
    bot.linking.prompt_login(PSID)
    assert button_of(sent(bot)[0])["type"] == "account_link"


def test_a_page_under_the_rules_gets_the_address_as_text_and_is_asked_once_a_day(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_under_rules(bot, monkeypatch)
    bot.linking.prompt_login(PSID, "Log in please.")
    bot.linking.prompt_login(PSID)
    text = sent(bot)[0]["text"]
    assert text.startswith(f"Log in please.\n{SITE}/linking/web/")
    assert len(bot.graph.calls_to("me/messenger_profile")) == 1
    bot.clock.advance(86_401)
    bot.linking.prompt_login(PSID)
    assert len(bot.graph.calls_to("me/messenger_profile")) == 2


def test_a_chat_under_the_rules_gets_the_address_after_the_refusal(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messenger refuses templates in such a chat, and takes a text."""
    monkeypatch.setattr(bot.graph, "_node", partial(refuse_templates, bot.graph))
    bot.linking.prompt_login(PSID, "Log in please.")
    assert sent(bot)[-1]["text"].startswith("Log in please.\n")


def refuse_templates(graph: Any, request: Request, path: str, body: Any) -> Any:
    if path == "me/messages" and "attachment" in body["message"]:
        return as_json({"error": {"message": "no", **UNDER_RULES}}, 400)
    if path == "me/messages":
        return as_json({"recipient_id": PSID, "message_id": "m"})
    return as_json({"id": graph.page_id})


def test_the_host_may_say_which_way(bot: Bot) -> None:
    bot.linking.prompt_login(PSID, by="web")
    button = button_of(sent(bot)[0])
    assert button["type"] == "web_url"
    assert button["url"].startswith(f"{SITE}/linking/web/")
    with pytest.raises(ValueError, match="by is"):
        bot.linking.prompt_login(PSID, by="pigeon")


def test_login_alone_raises_what_messenger_says(bot: Bot) -> None:
    bot.graph.failures["me/messages"] = UNDER_RULES
    with pytest.raises(GraphError):
        bot.linking.prompt_login(PSID, by="login")


@pytest.mark.parametrize(("ways", "kind"), [("web,login", "web_url"), ("login", "account_link")])
def test_the_setting_is_the_order_of_preference(new_bot: NewBot, ways: str, kind: str) -> None:
    bot = new_bot(WAYS=ways)
    bot.linking.prompt_login(PSID)
    assert button_of(sent(bot)[0])["type"] == kind


def test_a_log_in_message_may_offer_the_browser_too(new_bot: NewBot) -> None:
    bot = new_bot(OFFER_WEB=True)
    bot.linking.prompt_login(PSID)
    buttons = sent(bot)[0]["attachment"]["payload"]["buttons"]
    assert [each["type"] for each in buttons] == ["account_link", "web_url"]
    assert buttons[1]["title"] == "Open in a browser"


def test_a_message_that_the_host_sends_chooses_too(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    message = bot.linking.login_message
    assert button_of(message("Log in."))["type"] == "account_link"
    assert button_of(message("Log in.", psid=PSID))["type"] == "account_link"
    assert button_of(message("Log in.", psid=PSID, by="web"))["url"].startswith(f"{SITE}/linking/web/")
    (card,) = message("Log in.", title="Hello", psid=PSID, by="web")["attachment"]["payload"]["elements"]
    assert (card["title"], card["buttons"][0]["type"]) == ("Hello", "web_url")
    put_under_rules(bot, monkeypatch)
    bot.clock.advance(86_401)
    assert message("Log in.", psid=PSID)["text"].startswith(f"Log in.\n{SITE}/linking/web/")
    assert button_of(message("Log in.", psid=PSID, by="login"))["type"] == "account_link"
    assert button_of(message("Log in."))["type"] == "account_link"


@pytest.mark.parametrize("wrong", [{"by": "web"}, {"by": "pigeon"}, {"by": "pigeon", "psid": PSID}])
def test_a_way_that_cannot_be_is_refused_at_once(bot: Bot, wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="by"):
        bot.linking.login_message("Log in.", **wrong)
    with pytest.raises(ValueError, match="by"):
        bot.linking.login_required(by="pigeon")


@pytest.mark.parametrize("is_kept", [False, True], ids=["at once", "through the outbox"])
def test_a_handler_says_by_which_way_it_asks(bot: Bot, is_kept: bool) -> None:
    @bot.linking.login_required(text="Log in first.", by="web")
    def orders(event: Any, link: Any) -> None: ...

    bot.graph.down = is_kept
    with bot.app.app_context():
        orders(PSID)
    bot.graph.down = False
    bot.clock.advance(60)
    bot.linking.delivery.drain()
    assert {button_of(message)["type"] for message in sent(bot)} == {"web_url"}
    assert (bot.linking.store.outbox_depth()["depth"], len(sent(bot)) > is_kept) == (0, True)
