"""People with a phone, a desktop, or a chat under the European rules; people who come and leave."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from bot_linking.simulator import Outcome, Person, Simulator

from .receiving_bot import ADA, GRACE, GraphClient, ReceivingBot
from .test_simulator_graph import button_template, generic, refused_with
from .test_simulator_linking import LOGIN, redirect_uri

LOG_IN = {"type": "account_link", "url": "https://bot.example/login"}


def test_somebody_new_has_a_psid_of_their_own_and_is_known_to_graph(
    sim: Simulator, graph: GraphClient
) -> None:
    first, second = sim.add_person(), sim.add_person("Mary", "Shelley", locale="de_DE")
    assert len({ADA, GRACE, first.psid, second.psid}) == 4
    assert first.psid.isdigit()
    assert first.name != second.name
    assert sim.people[-2:] == (first, second)
    profile = graph.call("GET", second.psid, params={"fields": "first_name,locale"}).json()
    assert profile == {"id": second.psid, "first_name": "Mary", "locale": "de_DE"}


def test_the_page_may_not_write_to_somebody_who_has_never_written(sim: Simulator, graph: GraphClient) -> None:
    mary = sim.add_person("Mary")
    refused_with(graph.send({"text": "hi"}, mary.psid), 10, 2018278)
    sim.say(mary.psid, "hello")
    assert graph.send({"text": "hi"}, mary.psid).ok


def test_who_is_forgotten_is_gone_everywhere(sim: Simulator, graph: GraphClient) -> None:
    opened = sim.open_login(ADA, LOGIN)
    sim.forget(ADA)
    assert [person.psid for person in sim.people] == [GRACE]
    refused_with(graph.send({"text": "hi"}), 100, 2018001)
    refused_with(graph.call("GET", ADA), 100, 33)
    assert sim.return_to(redirect_uri(opened) + "&authorization_code=c") is Outcome.UNKNOWN
    assert not sim.is_linked(ADA)
    with pytest.raises(ValueError, match="nobody here"):
        sim.forget(ADA)


def test_a_desktop_opens_the_log_in_address_as_it_is(sim: Simulator) -> None:
    desktop = sim.add_person("Alan", device="desktop")
    button = {"type": "account_link", "url": f"{LOGIN}?rid=1"}
    assert sim.tap(desktop.psid, button) == f"{LOGIN}?rid=1"
    assert "account_linking_token" in str(sim.tap(ADA, button))
    with pytest.raises(ValueError, match="https"):
        sim.tap(desktop.psid, {"type": "account_link", "url": "ftp://bot.example"})


@pytest.mark.parametrize(
    "message",
    [button_template(LOG_IN), generic({"title": "Shoes", "subtitle": "Red", "buttons": [LOG_IN]})],
)
def test_in_europe_a_log_in_button_is_refused_and_all_else_is_not(
    sim: Simulator, graph: GraphClient, message: dict[str, Any]
) -> None:
    european = sim.add_person("Edsger", european=True, begun=True)
    refused_with(graph.send(message, european.psid), 10, 2018336)
    assert sim.messages(european.psid) == []
    assert graph.send(message).ok
    link = {"type": "web_url", "title": "Log in", "url": "https://bot.example/web"}
    assert graph.send(button_template(link), european.psid).ok
    assert graph.send({"text": "https://bot.example/web"}, european.psid).ok


def test_a_european_page_says_so_and_refuses_log_in_to_everybody(sim: Simulator, graph: GraphClient) -> None:
    asked = {"fields": "subject_to_new_eu_privacy_rules"}
    profile = "me/messenger_profile"
    assert graph.call("GET", profile, params=asked).json()["data"] == [{asked["fields"]: False}]
    sim.switches.european_page = True
    assert graph.call("GET", profile, params=asked).json()["data"] == [{asked["fields"]: True}]
    refused_with(graph.send(button_template(LOG_IN)), 10, 2018336)


@pytest.mark.parametrize(
    ("asked", "given"), [("user_email", "ada@example.com"), ("user_phone_number", "+15555791357")]
)
def test_a_quick_reply_that_asks_gives_what_the_person_has(
    sim: Simulator, bot: ReceivingBot, asked: str, given: str
) -> None:
    sim.tap(ADA, {"content_type": asked})
    assert sim.wait_until(lambda: bot.bodies)
    message = bot.events[0]["message"]
    assert (message["text"], message["quick_reply"]["payload"]) == (given, given)


def test_ids_of_the_app_are_not_those_of_the_page_and_stay_the_same() -> None:
    ada, grace = Person(ADA, "Ada", "L"), Person(GRACE, "Grace", "H")
    assert len({ada.psid, ada.asid, grace.psid, grace.asid}) == 4
    assert Person(ADA, "A", "").asid == ada.asid
    assert ada.asid.isdigit()
    assert len(ada.asid) <= 64


def test_the_page_shows_people_who_come_and_go_while_it_is_open(sim: Simulator) -> None:
    mary = sim.add_person("Mary", device="desktop", european=True)
    people = requests.get(f"{sim.url}/simulator/state", timeout=20).json()["people"]
    assert people[-1] == {
        "psid": mary.psid,
        "name": "Mary",
        "first_name": "Mary",
        "initials": "M",
        "device": "desktop",
        "european": True,
        "linked": False,
    }
