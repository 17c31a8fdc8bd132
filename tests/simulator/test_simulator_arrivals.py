"""m.me links, Get Started, the persistent menu: how people come into the chat without writing first."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
import requests

from bot_linking.simulator import Simulator

from .receiving_bot import ADA, GRACE, Clock, GraphClient, ReceivingBot
from .test_simulator_graph import button_template, refused_with

PROFILE = "v26.0/me/messenger_profile"
GET_STARTED = {"get_started": {"payload": "BEGIN"}}


def menu(*items: dict[str, Any], locale: str = "default") -> dict[str, Any]:
    return {"locale": locale, "call_to_actions": list(items)}


ORDERS = {"type": "postback", "title": "My orders", "payload": "ORDERS"}
REFERRAL = {"source": "SHORTLINK", "type": "OPEN_THREAD"}


@pytest.mark.parametrize("link", ["https://m.me/acme?ref=bl.abc", "https://m.me/{page}?ref=bl.abc&x=1"])
def test_a_link_into_an_open_chat_tells_the_ref_and_opens_the_window(
    sim: Simulator, bot: ReceivingBot, graph: GraphClient, link: str
) -> None:
    sim.clock.advance(25 * 3600)
    event = sim.follow(ADA, link.format(page=sim.page_id))
    assert sim.wait_until(lambda: bot.bodies)
    assert bot.events == [event]
    assert bot.events[0]["referral"] == {"ref": "bl.abc", **REFERRAL}
    assert graph.send({"text": "welcome"}).ok


def test_somebody_new_taps_get_started_and_the_ref_comes_with_it(
    sim: Simulator, bot: ReceivingBot, graph: GraphClient
) -> None:
    graph.call("POST", PROFILE, json=GET_STARTED)
    mary = sim.add_person("Mary").psid
    assert sim.follow(mary, f"{sim.url}/m.me/acme?ref={quote('bl.å b')}") is None
    assert sim.can_get_started(mary)
    sim.get_started(mary)
    assert sim.wait_until(lambda: bot.bodies)
    postback = bot.events[0]["postback"]
    assert (postback["title"], postback["payload"]) == ("Get Started", "BEGIN")
    assert postback["referral"] == {"ref": "bl.å b", **REFERRAL}
    assert not sim.can_get_started(mary)
    with pytest.raises(ValueError, match="Get Started"):
        sim.get_started(mary)


def test_get_started_without_a_link_has_no_referral(
    sim: Simulator, bot: ReceivingBot, graph: GraphClient
) -> None:
    graph.call("POST", PROFILE, json=GET_STARTED)
    sim.get_started(sim.add_person().psid)
    assert sim.wait_until(lambda: bot.bodies)
    assert "referral" not in bot.events[0]["postback"]


def test_without_get_started_the_ref_of_somebody_new_is_lost_and_the_chat_says_so(
    sim: Simulator, bot: ReceivingBot
) -> None:
    mary = sim.add_person("Mary").psid
    assert sim.follow(mary, "https://m.me/acme?ref=bl.abc") is None
    assert "lost" in sim.conversation(mary)["entries"][-1]["text"]
    sim.say(mary, "hello")
    assert sim.wait_until(lambda: bot.bodies)
    assert "bl.abc" not in str(bot.events)


def test_a_link_without_a_ref_tells_nothing(sim: Simulator) -> None:
    assert sim.follow(ADA, "https://m.me/acme") is None
    assert sim.deliveries == []


@pytest.mark.parametrize(
    "link",
    [
        "https://m.me/another?ref=x",
        "https://m.me/?ref=x",
        "https://m.me.evil.example/acme",
        "https://evil.example/m.me/acme?ref=x",
        "javascript:alert(1)",
        f"https://m.me/acme?ref={'x' * 2084}",
    ],
)
def test_other_links_are_not_followed(sim: Simulator, link: str) -> None:
    with pytest.raises(ValueError, match=r"m\.me|page"):
        sim.follow(ADA, link)
    assert sim.deliveries == []


def test_a_page_that_does_not_subscribe_to_referrals_hears_none(sim: Simulator, bot: ReceivingBot) -> None:
    sim.page_fields = ["messages"]
    sim.follow(ADA, "https://m.me/acme?ref=x")
    sim.say(ADA, "after")
    assert sim.wait_until(lambda: bot.bodies)
    assert [list(event)[-1] for event in bot.events] == ["message"]


def test_looking_at_a_link_in_a_browser_tells_the_bot_nothing(sim: Simulator) -> None:
    page = requests.get(f"{sim.url}/m.me/acme", params={"ref": "bl.<x>"}, timeout=20)
    assert page.status_code == 200
    assert "bl.%3Cx%3E" in page.text
    assert sim.deliveries == []
    assert requests.get(f"{sim.url}/m.me/nobody", timeout=20).status_code == 404


def test_the_menu_is_shown_in_the_persons_language(sim: Simulator, graph: GraphClient) -> None:
    german = {**ORDERS, "title": "Meine Bestellungen"}
    both = {**GET_STARTED, "persistent_menu": [menu(ORDERS), menu(german, locale="de_DE")]}
    assert graph.call("POST", PROFILE, json=both).ok
    assert sim.menu(ADA) == [ORDERS]
    assert sim.menu(sim.add_person(locale="de_DE").psid) == [german]
    event = sim.tap(ADA, sim.menu(ADA)[0])
    assert isinstance(event, dict)
    assert event["postback"]["payload"] == "ORDERS"
    assert Simulator().menu(GRACE) == []


LOG_IN = {"type": "account_link", "url": "https://bot.example/login"}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a menu without get started": ({"persistent_menu": [menu(ORDERS)]}, "get_started"),
    "log in in a menu": ({**GET_STARTED, "persistent_menu": [menu(LOG_IN)]}, "postback, web_url"),
    "no default menu": ({**GET_STARTED, "persistent_menu": [menu(ORDERS, locale="de_DE")]}, "default"),
    "an empty menu": ({**GET_STARTED, "persistent_menu": [menu()]}, "1 to 20"),
    "a menu that is no list": ({**GET_STARTED, "persistent_menu": menu(ORDERS)}, "list"),
    "get started without payload": ({"get_started": {}}, "payload"),
    "a domain over http": ({"whitelisted_domains": ["http://bot.example"]}, "https"),
    "domains that are no list": ({"whitelisted_domains": "https://bot.example"}, "list"),
    "a page of extensions that is not on the list": (
        {
            **GET_STARTED,
            "whitelisted_domains": ["https://other.example"],
            "persistent_menu": [
                menu(
                    {
                        "type": "web_url",
                        "title": "Account",
                        "url": "https://bot.example/",
                        "messenger_extensions": True,
                    }
                )
            ],
        },
        "whitelisted_domains",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_profile_that_messenger_would_not_take_is_refused_whole(
    sim: Simulator, graph: GraphClient, name: str
) -> None:
    given, reason = REFUSED[name]
    assert reason in refused_with(graph.call("POST", PROFILE, json=given), 100)
    assert sim.profile == {}


def test_get_started_stays_while_a_menu_needs_it(sim: Simulator, graph: GraphClient) -> None:
    graph.call("POST", PROFILE, json={**GET_STARTED, "persistent_menu": [menu(ORDERS)]})
    refused_with(graph.call("DELETE", PROFILE, json={"fields": ["get_started"]}), 100)
    assert graph.call("DELETE", PROFILE, json={"fields": ["get_started", "persistent_menu"]}).ok
    assert sim.profile == {}


def test_the_profile_takes_ten_calls_in_ten_minutes(sim: Simulator, graph: GraphClient, clock: Clock) -> None:
    for _ in range(9):
        assert graph.call("GET", PROFILE, params={"fields": "greeting"}).ok
    assert graph.call("POST", PROFILE, json=GET_STARTED).ok
    refused_with(graph.call("GET", PROFILE, params={"fields": "greeting"}), 613)
    clock.ahead = 600
    assert graph.call("GET", PROFILE, params={"fields": "greeting"}).ok


def test_a_button_of_extensions_needs_its_domain_on_the_list(sim: Simulator, graph: GraphClient) -> None:
    button = {
        "type": "web_url",
        "title": "Account",
        "url": "https://bot.example/a",
        "messenger_extensions": True,
    }
    assert "whitelisted" in refused_with(graph.send(button_template(button)), 100)
    graph.call("POST", PROFILE, json={"whitelisted_domains": ["https://bot.example/"]})
    assert graph.send(button_template(button)).ok
    assert "compact" in refused_with(
        graph.send(button_template({**button, "webview_height_ratio": "huge"})), 100
    )


def test_an_optin_opens_the_window_and_what_nobody_did_does_not(
    sim: Simulator, bot: ReceivingBot, graph: GraphClient
) -> None:
    sim.page_fields = ["messaging_optins", "message_reads", "message_deliveries"]
    mid = graph.send({"text": "before"}).json()["message_id"]
    sim.clock.advance(25 * 3600)
    sim.read(ADA)
    sim.reach(ADA)
    refused_with(graph.send({"text": "hi"}), 10, 2018278)
    sim.opt_in(ADA, "newsletter")
    assert graph.send({"text": "hi"}).ok
    assert sim.wait_until(lambda: len(bot.bodies) == 3)
    read, delivery, optin = bot.events
    assert read["read"]["watermark"] == read["timestamp"]
    assert delivery["delivery"]["mids"] == [mid]
    assert optin["optin"] == {"ref": "newsletter"}
