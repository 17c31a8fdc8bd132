"""A person walks the ways beside Log In, with a small bot of these tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from werkzeug.wrappers import Request, Response

from bot_linking.simulator import Simulator
from bot_linking.testing import LinkingWalk
from tests.simulator.receiving_bot import ADA, GraphClient, ReceivingBot


@pytest.fixture
def bot(messenger: Simulator) -> Iterator[ReceivingBot]:
    receiver = ReceivingBot()
    messenger.webhook_url = receiver.webhook_url
    yield receiver
    receiver.close()


@pytest.fixture
def graph(messenger: Simulator) -> GraphClient:
    return GraphClient(messenger)


def html(text: str) -> Response:
    return Response(text, mimetype="text/html")


@pytest.mark.parametrize("digits", ["123456", "123 456", "<b>123</b>&#32;456"])
@pytest.mark.parametrize("shape", ["text", "button"])
def test_a_web_link_shows_digits_that_are_typed_into_the_chat(
    messenger: Simulator,
    bot: ReceivingBot,
    graph: GraphClient,
    linking_walk: LinkingWalk,
    digits: str,
    shape: str,
) -> None:
    url = f"{bot.url}/linking/web/token"
    bot.pages = {"/linking/web/token": lambda request: html(f"<p>Type {digits} within 15 minutes, 2026")}
    button = {"type": "web_url", "title": "Log in", "url": url}
    template = {"template_type": "button", "text": "Log in", "buttons": [button]}
    message = (
        {"text": f"Log in: {url}"}
        if shape == "text"
        else {"attachment": {"type": "template", "payload": template}}
    )
    graph.send(message)
    assert linking_walk.open_web_link(ADA).status_code == 200
    linking_walk.type_digits(ADA)
    assert messenger.wait_until(lambda: bot.bodies)
    assert bot.events[0]["message"]["text"] == "123456"


def test_a_page_without_digits_is_named(bot: ReceivingBot, linking_walk: LinkingWalk) -> None:
    bot.pages = {"/page": lambda request: html("<p>1234567 and 12345")}
    linking_walk.visit(f"{bot.url}/page")
    with pytest.raises(LookupError, match="six digits"):
        linking_walk.digits()


def test_the_menu_opens_a_page_that_is_told_who_it_is(
    messenger: Simulator, bot: ReceivingBot, graph: GraphClient, linking_walk: LinkingWalk
) -> None:
    posted: list[Request] = []
    fields = '<input name="ticket" value="t"><input type="hidden" name="signed_request">'

    def menu(request: Request) -> Response:
        if request.method == "POST":
            posted.append(request)
            return html(f"{request.form['ticket']} {request.form['signed_request']}")
        return html(f'<form method="post">{fields}</form>')

    bot.pages = {"/menu": menu}
    item = {"type": "web_url", "title": "Account", "url": f"{bot.url}/menu", "messenger_extensions": True}
    actions = [{"type": "postback", "title": "Orders", "payload": "O"}, item]
    profile = {
        "get_started": {"payload": "BEGIN"},
        "whitelisted_domains": [bot.url],
        "persistent_menu": [{"locale": "default", "call_to_actions": actions}],
    }
    assert graph.call("POST", "me/messenger_profile", json=profile).ok
    linking_walk.open_menu(ADA)
    page = linking_walk.prove_by_context(ADA)
    assert page.text.startswith("t ")
    assert len(posted) == 1
    assert linking_walk.open_menu(ADA, "Account").status_code == 200
    with pytest.raises(LookupError, match="Help"):
        linking_walk.open_menu(ADA, "Help")


def test_a_link_from_the_site_leads_into_the_chat_and_its_question_is_answered(
    messenger: Simulator, bot: ReceivingBot, graph: GraphClient, linking_walk: LinkingWalk
) -> None:
    bot.pages = {"/connect": lambda request: html('<a href="https://m.me/acme?ref=bl.a&amp;x=1">Connect</a>')}
    linking_walk.visit(f"{bot.url}/connect")
    linking_walk.arrive(ADA, linking_walk.m_me_link())
    assert messenger.wait_until(lambda: bot.bodies)
    assert bot.events[0]["referral"]["ref"] == "bl.a"
    replies = [
        {"content_type": "text", "title": title, "payload": title.upper()} for title in ("Connect", "No")
    ]
    graph.send({"text": "Connect this chat?", "quick_replies": replies})
    linking_walk.reply(ADA, "Connect")
    assert messenger.wait_until(lambda: len(bot.bodies) == 2)
    assert bot.events[1]["message"]["quick_reply"] == {"payload": "CONNECT"}


def test_somebody_new_arrives_by_get_started(
    messenger: Simulator, bot: ReceivingBot, graph: GraphClient, linking_walk: LinkingWalk
) -> None:
    graph.call("POST", "me/messenger_profile", json={"get_started": {"payload": "BEGIN"}})
    mary = messenger.add_person("Mary").psid
    linking_walk.arrive(mary, "https://m.me/acme?ref=bl.b")
    assert messenger.wait_until(lambda: bot.bodies)
    assert bot.events[0]["postback"]["referral"]["ref"] == "bl.b"
