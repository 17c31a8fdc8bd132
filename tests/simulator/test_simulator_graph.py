"""The Graph API: its answers, and the words of its refusals."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from bot_linking.simulator import Simulator

from .receiving_bot import ADA, Clock, GraphClient, template

LOGIN = "http://127.0.0.1:5000/linking/login"
LOG_IN: dict[str, Any] = {"type": "account_link", "url": "https://bot.example/login"}
POSTBACK: dict[str, Any] = {"type": "postback", "title": "Go", "payload": "GO"}


def error_of(answer: requests.Response) -> dict[str, Any]:
    error: dict[str, Any] = answer.json()["error"]
    assert set(error) >= {"message", "type", "code", "fbtrace_id"}
    return error


def refused_with(answer: requests.Response, code: int, subcode: int | None = None, status: int = 400) -> str:
    error = error_of(answer)
    assert (answer.status_code, error["code"], error.get("error_subcode")) == (status, code, subcode)
    return str(error["message"])


def button_template(*buttons: object, text: str = "Choose") -> dict[str, Any]:
    return template("button", text=text, buttons=list(buttons))


def generic(*elements: object) -> dict[str, Any]:
    return template("generic", elements=list(elements))


@pytest.mark.parametrize(
    "path", ["v26.0/me/messages", "v2.6/me/messages", "me/messages", "v26.0/{page}/messages"]
)
def test_a_message_reaches_the_person_under_each_address(
    sim: Simulator, graph: GraphClient, path: str
) -> None:
    body = {"recipient": {"id": ADA}, "messaging_type": "RESPONSE", "message": {"text": "hi"}}
    answer = graph.call("POST", path.format(page=sim.page_id), json=body).json()
    [message] = sim.messages(ADA)
    assert answer == {"recipient_id": ADA, "message_id": message["mid"]}
    assert message["message"] == {"text": "hi"}
    assert message["at"] > 0


def test_the_token_may_come_in_query_json_form_or_header(sim: Simulator) -> None:
    url, token = f"{sim.url}/v26.0/me", sim.page_access_token
    assert requests.get(url, params={"access_token": token}, timeout=30).ok
    assert requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=30).ok
    profile = f"{url}/messenger_profile"
    assert requests.post(profile, json={"access_token": token, "greeting": []}, timeout=30).ok
    assert requests.post(f"{url}/unlink_accounts", data={"access_token": token, "psid": ADA}, timeout=30).ok


def test_a_wrong_token_is_refused_with_190(graph: GraphClient) -> None:
    refused_with(graph.call("GET", "me", token="simulator-wrong"), 190)


def test_no_token_at_all_is_refused_with_104(sim: Simulator) -> None:
    refused_with(requests.get(f"{sim.url}/me", timeout=30), 104, status=401)


def test_an_expired_page_token_is_190_with_subcode_463(sim: Simulator, graph: GraphClient) -> None:
    sim.switches.expired_token = True
    refused_with(graph.send({"text": "hi"}), 190, 463, status=401)


def test_graph_down_is_a_transient_503(sim: Simulator, graph: GraphClient) -> None:
    sim.switches.graph_down = True
    answer = graph.send({"text": "hi"})
    refused_with(answer, 2, status=503)
    assert error_of(answer)["is_transient"] is True
    assert sim.messages(ADA) == []


def test_rate_limited_is_613_and_says_when_to_come_back(sim: Simulator, graph: GraphClient) -> None:
    sim.switches.rate_limited = True
    answer = graph.call("GET", "me")
    refused_with(answer, 613)
    assert answer.headers["Retry-After"] == "1"


def proof(sim: Simulator, tail: str = "") -> str:
    message = sim.page_access_token + tail
    return hmac.new(sim.app_secret.encode(), message.encode(), hashlib.sha256).hexdigest()


def test_an_appsecret_proof_is_checked_when_it_is_given(
    sim: Simulator, graph: GraphClient, clock: Clock
) -> None:
    assert graph.call("GET", "me", params={"appsecret_proof": proof(sim)}).ok
    now = int(clock())
    stamped = {"appsecret_proof": proof(sim, f"|{now}"), "appsecret_time": str(now)}
    assert graph.call("GET", "me", params=stamped).ok
    wrong = refused_with(graph.call("GET", "me", params={"appsecret_proof": "00"}), 100)
    assert wrong == "Invalid appsecret_proof provided in the API argument"
    clock.ahead = 301
    refused_with(graph.call("GET", "me", params=stamped), 100)


@pytest.mark.parametrize("name", ["access_token", "appsecret_proof", "appsecret_time"])
def test_half_a_surrogate_pair_is_refused(sim: Simulator, name: str) -> None:
    """JSON may hold it, and it has no UTF-8."""
    body = {"access_token": sim.page_access_token, "appsecret_proof": proof(sim), name: "\ud800"}
    answer = requests.post(f"{sim.url}/v26.0/me/messages", json=body, timeout=30)
    assert answer.json()["error"]["code"] in (100, 190)


@pytest.mark.parametrize("stamp", ["", "²", "-1", "1.5", "soon", "9" * 400, "9" * 5000])
def test_an_appsecret_time_that_is_no_time_is_refused(sim: Simulator, graph: GraphClient, stamp: str) -> None:
    given = {"appsecret_proof": proof(sim, f"|{stamp}"), "appsecret_time": stamp}
    refused_with(graph.call("GET", "me", params=given), 100)


def test_the_page_names_itself(sim: Simulator, graph: GraphClient) -> None:
    page = {"id": sim.page_id, "name": "Acme"}
    assert graph.call("GET", "v26.0/me").json() == page
    assert graph.call("GET", f"v26.0/{sim.page_id}", params={"fields": "id,name"}).json() == page
    assert "nonexisting field (likes)" in refused_with(
        graph.call("GET", "me", params={"fields": "likes"}), 100
    )


def test_a_linking_token_leads_to_its_psid_for_five_minutes(
    sim: Simulator, graph: GraphClient, clock: Clock
) -> None:
    token = dict(parse_qsl(urlsplit(sim.open_login(ADA, LOGIN)).query))["account_linking_token"]
    asked = {"fields": "recipient", "account_linking_token": token}
    assert graph.call("GET", "v26.0/me", params=asked).json() == {"id": sim.page_id, "recipient": ADA}
    clock.ahead = 300
    assert "Invalid account_linking_token" in refused_with(graph.call("GET", "me", params=asked), 10303)


def test_a_linking_token_that_is_unknown_missing_or_switched_off_is_10303(
    sim: Simulator, graph: GraphClient
) -> None:
    refused_with(
        graph.call("GET", "me", params={"fields": "recipient", "account_linking_token": "ARx"}), 10303
    )
    refused_with(graph.call("GET", "me", params={"fields": "recipient"}), 10303)
    token = dict(parse_qsl(urlsplit(sim.open_login(ADA, LOGIN)).query))["account_linking_token"]
    sim.switches.expired_linking_token = True
    refused_with(
        graph.call("GET", "me", params={"fields": "recipient", "account_linking_token": token}), 10303
    )


ACCEPTED = {
    "text of 2000 characters": {"text": "x" * 2000},
    "log in": button_template(LOG_IN),
    "log in on this machine": button_template({"type": "account_link", "url": "http://localhost:5000/login"}),
    "log out": button_template({"type": "account_unlink"}),
    "three buttons": button_template(
        POSTBACK, POSTBACK, {"type": "web_url", "title": "Go", "url": "https://x.example"}
    ),
    "text of 640 characters": button_template(LOG_IN, text="x" * 640),
    "ten elements": generic(*[{"title": "x" * 80, "subtitle": "x" * 80}] * 10),
    "a card": generic({"title": "Shoes", "image_url": "https://x.example/a.png", "buttons": [LOG_IN]}),
    "an image": {"attachment": {"type": "image", "payload": {"url": "https://x.example/a.png"}}},
    "fields that are null": {
        **button_template({"type": "account_unlink", "url": None, "title": None}),
        "text": None,
        "quick_replies": None,
    },
    "quick replies": {
        "text": "?",
        "quick_replies": [{"content_type": "text", "title": "x" * 20, "payload": "P"}] * 13,
    },
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_messenger_shows_is_accepted(graph: GraphClient, name: str) -> None:
    assert graph.send(ACCEPTED[name]).json()["recipient_id"] == ADA


REFUSED = {
    "text of 2001 characters": ({"text": "x" * 2001}, "2001 characters; 2000"),
    "empty text": ({"text": ""}, "not empty"),
    "text and attachment": ({"text": "x", "attachment": {}}, "either"),
    "nothing": ({}, "either"),
    "not an object": (["hello"], "object"),
    "unknown attachment": ({"attachment": {"type": "hologram", "payload": {}}}, "attachment.type"),
    "unknown template": (template("list"), "template_type"),
    "long button text": (button_template(LOG_IN, text="x" * 641), "640"),
    "no buttons": (button_template(), "1 to 3"),
    "four buttons": (button_template(*[POSTBACK] * 4), "1 to 3"),
    "unknown button": (button_template({"type": "element_share"}), "Button type"),
    "log in with a title": (
        button_template({**LOG_IN, "title": "Log In"}),
        "only type and url; not allowed: title",
    ),
    "log in without a url": (button_template({"type": "account_link"}), "https"),
    "log in over http": (
        button_template({"type": "account_link", "url": "http://bot.example/login"}),
        "https",
    ),
    "log out with a title": (
        button_template({"type": "account_unlink", "title": "Bye"}),
        "not allowed: title",
    ),
    "postback without payload": (button_template({"type": "postback", "title": "Go"}), "payload"),
    "long button title": (button_template({**POSTBACK, "title": "x" * 21}), "20"),
    "script behind a link": (
        button_template({"type": "web_url", "title": "x", "url": "javascript:x"}),
        "http",
    ),
    "no elements": (generic(), "1 to 10"),
    "eleven elements": (generic(*[{"title": "x", "subtitle": "y"}] * 11), "1 to 10"),
    "element with a title only": (generic({"title": "x"}), "besides title"),
    "long element title": (generic({"title": "x" * 81, "subtitle": "y"}), "80"),
    "long subtitle": (generic({"title": "x", "subtitle": "y" * 81}), "80"),
    "element with four buttons": (generic({"title": "x", "buttons": [POSTBACK] * 4}), "1 to 3"),
    "picture over http": (generic({"title": "x", "image_url": "http://x.example/a.png"}), "image_url"),
    "fourteen quick replies": (
        {"text": "?", "quick_replies": [{"content_type": "text", "title": "a", "payload": "b"}] * 14},
        "1 to 13",
    ),
    "long quick reply": (
        {"text": "?", "quick_replies": [{"content_type": "text", "title": "x" * 21, "payload": "b"}]},
        "20",
    ),
    "quick reply with a link": ({"text": "?", "quick_replies": [LOG_IN]}, "content_type"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_messenger_does_not_show_is_refused_with_the_reason(
    sim: Simulator, graph: GraphClient, name: str
) -> None:
    message, reason = REFUSED[name]
    assert reason in refused_with(graph.send(message), 100)
    assert sim.messages(ADA) == []


def test_a_stranger_gets_no_message(graph: GraphClient) -> None:
    refused_with(graph.send({"text": "hi"}, psid="1"), 100, 2018001)
    refused_with(graph.call("POST", "me/unlink_accounts", json={"psid": "1"}), 100, 2018001)


def test_a_message_and_a_sender_action_do_not_go_together(graph: GraphClient) -> None:
    refused_with(graph.send({"text": "hi"}, sender_action="typing_on"), 100, 2018014)


def test_a_sender_action_goes_alone_and_needs_no_messaging_type(sim: Simulator, graph: GraphClient) -> None:
    body = {"recipient": {"id": ADA}, "sender_action": "typing_on"}
    assert graph.call("POST", "me/messages", json=body).json() == {"recipient_id": ADA}
    assert sim.messages(ADA)[0]["sender_action"] == "typing_on"
    assert sim.conversation(ADA)["typing"]
    graph.send({"text": "here"})
    assert not sim.conversation(ADA)["typing"]
    refused_with(graph.call("POST", "me/messages", json={**body, "sender_action": "dance"}), 100)


def test_a_field_that_is_null_is_a_field_that_is_not_there(sim: Simulator, graph: GraphClient) -> None:
    """Old clients send every field of the protocol, null where they do not use it."""
    unused = {"sender_action": None, "notification_type": None, "tag": None, "messaging_type": "RESPONSE"}
    body = {**unused, "recipient": {"id": ADA, "phone_number": None}}
    message = {"text": "hi", "attachment": None, "quick_replies": None, "metadata": None}
    assert graph.call("POST", "me/messages", json={**body, "message": message}).ok
    assert sim.messages(ADA)[0]["message"] == {"text": "hi"}
    in_a_form = {"recipient": json.dumps({"id": ADA}), "message": json.dumps(message)}
    assert graph.call("POST", "me/messages", data={**in_a_form, "messaging_type": "RESPONSE"}).ok
    action = {"recipient": {"id": ADA}, "message": None, "sender_action": "typing_on"}
    assert graph.call("POST", "me/messages", json=action).ok
    without = {"recipient": {"id": ADA}, "messaging_type": None, "message": {"text": "hi"}}
    assert "messaging_type" in refused_with(graph.call("POST", "me/messages", json=without), 100)


TEMPLATE = {
    "name": "account_connected",
    "language": {"code": "en"},
    "components": [{"type": "body", "parameters": [{"type": "text", "text": "Acme"}]}],
}


@pytest.mark.parametrize("kind", ["RESPONSE", "UPDATE"])
def test_a_page_may_write_for_24_hours_after_the_persons_last_act(
    sim: Simulator, graph: GraphClient, kind: str
) -> None:
    sim.say(ADA, "hello")
    sim.clock.advance(24 * 3600 - 60)
    assert graph.send({"text": "in time"}, messaging_type=kind).ok
    sim.clock.advance(60)
    assert "outside" in refused_with(graph.send({"text": "late"}, messaging_type=kind), 10, 2018278)
    assert graph.send({"template": TEMPLATE}, messaging_type="UTILITY").ok
    assert graph.send({"text": "a person"}, messaging_type="MESSAGE_TAG", tag="HUMAN_AGENT").ok
    assert graph.call("POST", "me/messages", json={"recipient": {"id": ADA}, "sender_action": "mark_seen"}).ok
    sim.tap(ADA, {"type": "postback", "title": "Go", "payload": "GO"})
    assert graph.send({"text": "again"}, messaging_type=kind).ok


def test_logging_in_or_out_does_not_open_the_window(sim: Simulator, graph: GraphClient) -> None:
    sim.clock.advance(24 * 3600)
    sim.finish_login(
        dict(parse_qsl(urlsplit(sim.open_login(ADA, LOGIN)).query))["account_linking_token"], "c"
    )
    refused_with(graph.send({"text": "You are connected"}), 10, 2018278)
    sim.tap(ADA, {"type": "account_unlink"})
    refused_with(graph.send({"text": "You are disconnected"}), 10, 2018278)


def test_the_switch_puts_every_chat_outside_its_window(sim: Simulator, graph: GraphClient) -> None:
    sim.say(ADA, "hello")
    sim.switches.outside_window = True
    refused_with(graph.send({"text": "hi"}), 10, 2018278)
    assert graph.send({"template": TEMPLATE}, messaging_type="UTILITY").ok
    sim.switches.outside_window = False
    assert graph.send({"text": "hi"}).ok


@pytest.mark.parametrize(
    "message",
    [
        {"text": "no template"},
        {"template": TEMPLATE, "text": "and text"},
        {"template": {**TEMPLATE, "name": ""}},
        {"template": {**TEMPLATE, "language": "en"}},
        {"template": {**TEMPLATE, "components": "body"}},
        {"template": {**TEMPLATE, "components": [{"type": "body", "parameters": 3}]}},
        {"template": "account_connected"},
    ],
)
def test_a_utility_message_is_one_template(sim: Simulator, graph: GraphClient, message: object) -> None:
    refused_with(graph.send(message, messaging_type="UTILITY"), 100)
    refused_with(graph.send({"template": TEMPLATE}), 100)  # and a template goes as UTILITY only
    assert sim.messages(ADA) == []


def test_a_template_that_is_not_approved_is_refused_by_switch(sim: Simulator, graph: GraphClient) -> None:
    sim.switches.utility_refused = True
    refused_with(graph.send({"template": TEMPLATE}, messaging_type="UTILITY"), 100)
    assert graph.send({"text": "hi"}).ok


def test_messaging_type_is_wanted_unless_the_simulator_is_told_otherwise(
    sim: Simulator, graph: GraphClient
) -> None:
    body: dict[str, Any] = {"recipient": {"id": ADA}, "message": {"text": "hi"}}
    assert "messaging_type" in refused_with(graph.call("POST", "me/messages", json=body), 100)
    refused_with(graph.call("POST", "me/messages", json={**body, "messaging_type": "SHOUT"}), 100)
    tagged = {**body, "messaging_type": "MESSAGE_TAG", "tag": "ACCOUNT_UPDATE"}
    refused_with(graph.call("POST", "me/messages", json=tagged), 100)
    sim.messaging_type_required = False
    assert graph.call("POST", "me/messages", json=body).ok
    refused_with(graph.call("POST", "me/messages", json={**body, "messaging_type": "SHOUT"}), 100)


def test_a_form_with_json_in_its_fields_is_a_message_too(sim: Simulator, graph: GraphClient) -> None:
    fields = {"recipient": json.dumps({"id": ADA}), "message": '{"text": "hi"}', "messaging_type": "RESPONSE"}
    assert graph.call("POST", "me/messages", data=fields).ok
    assert graph.call("POST", "me/messages", files={name: (None, value) for name, value in fields.items()}).ok
    assert len(sim.messages(ADA)) == 2
    refused_with(graph.call("POST", "me/messages", data={**fields, "message": "{"}), 100)


@pytest.mark.parametrize("body", [b"{", b"[]", b"", b"\xff"])
def test_a_body_that_is_no_object_is_refused_and_not_a_crash(graph: GraphClient, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    refused_with(graph.call("POST", "me/messages", data=body, headers=headers), 100)


def test_a_profile_is_read_by_fields(sim: Simulator, graph: GraphClient) -> None:
    asked = {"fields": "first_name,last_name,profile_pic,locale"}
    profile = graph.call("GET", f"v26.0/{ADA}", params=asked).json()
    picture = requests.get(profile.pop("profile_pic"), timeout=30)
    assert profile == {"first_name": "Ada", "last_name": "Lovelace", "locale": "en_US", "id": ADA}
    assert picture.headers["Content-Type"].startswith("image/svg+xml")
    assert ">AL<" in picture.text
    refused_with(graph.call("GET", "v26.0/1"), 100, 33)


def test_the_messenger_profile_is_set_read_and_deleted(sim: Simulator, graph: GraphClient) -> None:
    path = "v26.0/me/messenger_profile"
    given = {"account_linking_url": "https://bot.example/login", "get_started": {"payload": "START"}}
    assert graph.call("GET", path, params={"fields": "account_linking_url"}).json() == {"data": []}
    assert graph.call("POST", path, json=given).json() == {"result": "success"}
    fields = "account_linking_url,get_started,subject_to_new_eu_privacy_rules"
    read = graph.call("GET", path, params={"fields": fields}).json()
    assert read == {"data": [{**given, "subject_to_new_eu_privacy_rules": False}]}
    assert graph.call("DELETE", path, json={"fields": ["get_started"]}).json() == {"result": "success"}
    assert sim.profile == {"account_linking_url": "https://bot.example/login"}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"subject_to_new_eu_privacy_rules": True},
        {"colour": "red"},
        {"account_linking_url": "http://x.example"},
    ],
)
def test_the_messenger_profile_refuses_what_cannot_be_set(graph: GraphClient, given: dict[str, Any]) -> None:
    refused_with(graph.call("POST", "me/messenger_profile", json=given), 100)
    refused_with(graph.call("GET", "me/messenger_profile"), 100)


@pytest.mark.parametrize("node", ["me", "{page}"])
def test_subscribing_replaces_the_pages_fields(sim: Simulator, graph: GraphClient, node: str) -> None:
    path = f"v26.0/{node.format(page=sim.page_id)}/subscribed_apps"
    [app] = graph.call("GET", path).json()["data"]
    assert app["id"] == "908070605040302"
    linking = ["messages", "messaging_postbacks", "messaging_account_linking", "messaging_referrals"]
    assert app["subscribed_fields"] == linking
    assert graph.call("POST", path, params={"subscribed_fields": "messages,messages"}).json() == {
        "success": True
    }
    assert graph.call("GET", path).json()["data"][0]["subscribed_fields"] == ["messages"]
    assert graph.call("POST", path, json={"subscribed_fields": ["messages", "x"]}).ok
    assert sim.page_fields == ["messages", "x"]
    assert graph.call("DELETE", path).json() == {"success": True}
    assert graph.call("GET", path).json() == {"data": []}
    refused_with(graph.call("POST", path), 100)


@pytest.mark.parametrize("app", ["app", "908070605040302"])
def test_the_apps_subscription_is_read_with_page_or_app_token(
    sim: Simulator, graph: GraphClient, app: str
) -> None:
    path, app_token = f"v25.0/{app}/subscriptions", f"908070605040302|{sim.app_secret}"
    [page] = graph.call("GET", path, token=app_token).json()["data"]
    assert page == graph.call("GET", path).json()["data"][0]
    assert (page["object"], page["callback_url"], page["active"]) == ("page", sim.webhook_url, True)
    assert {"name": "messaging_account_linking", "version": "v25.0"} in page["fields"]
    refused_with(graph.call("GET", "me", token=app_token), 190)


@pytest.mark.parametrize(
    "path", ["v26.0/me/feed", "v26.0/me/messages/1", "v26.0", "nonsense/edge", "app/accounts"]
)
def test_anything_else_is_an_unknown_path(graph: GraphClient, path: str) -> None:
    refused_with(graph.call("POST", path), 2500, status=404)


def test_the_call_log_shortens_tokens_and_codes(sim: Simulator, graph: GraphClient) -> None:
    token = dict(parse_qsl(urlsplit(sim.open_login(ADA, LOGIN)).query))["account_linking_token"]
    graph.call("GET", "me", params={"fields": "recipient", "account_linking_token": token})
    link = f"https://x.example/?access_token={token}"
    graph.send(button_template({"type": "web_url", "title": "Go", "url": link}))
    lookup, sent = sim.graph_calls
    assert lookup.query["account_linking_token"] == token[:4] + "…"
    assert token not in str(sent)
    assert sim.page_access_token not in str(sim.graph_calls)
