"""Requests to delete, deauthorizations, an app's ids, and the subscriptions of page and app."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from werkzeug.wrappers import Request, Response

from bot_linking.simulator import Person, Simulator

from .receiving_bot import ADA, GraphClient, ReceivingBot
from .test_simulator_extensions import read
from .test_simulator_graph import refused_with

ASID = Person(ADA, "Ada", "Lovelace").asid


@pytest.fixture
def asked(bot: ReceivingBot) -> list[str]:
    """What arrives at the two callbacks beside the webhook."""
    found: list[str] = []

    def answer(request: Request) -> Response:
        found.append(request.form["signed_request"])
        body = {"url": f"{bot.url}/deletion/abc", "confirmation_code": "abc"}
        return Response(json.dumps(body), mimetype="application/json")

    bot.pages = {"/linking/data-deletion": answer, "/linking/deauthorize": answer}
    return found


def test_a_request_to_delete_names_the_person_by_the_id_of_the_app(sim: Simulator, asked: list[str]) -> None:
    answer = sim.ask_deletion(ADA)
    assert answer.status == 200
    assert json.loads(answer.text)["confirmation_code"] == "abc"
    payload = read(asked[0], sim.app_secret)
    assert payload["user_id"] == ASID
    assert payload["algorithm"] == "HMAC-SHA256"
    assert payload["expires"] > payload["issued_at"]
    assert ADA not in json.dumps(payload)


def test_a_deauthorization_has_no_expires(sim: Simulator, asked: list[str]) -> None:
    sim.deauthorize(ADA)
    assert set(read(asked[0], sim.app_secret)) == {"user_id", "algorithm", "issued_at"}


def test_a_request_may_be_bent_and_signed_wrongly(sim: Simulator, asked: list[str]) -> None:
    sim.ask_deletion(ADA, user_id=7, expires=None)
    assert read(asked[0], sim.app_secret)["user_id"] == 7
    sim.switches.wrong_signature = True
    sim.ask_deletion(ADA)
    with pytest.raises(AssertionError):
        read(asked[1], sim.app_secret)


def test_callbacks_go_to_this_machine_only_and_where_they_are_set(
    sim: Simulator, bot: ReceivingBot, asked: list[str]
) -> None:
    assert sim.deletion_url == f"{bot.url}/linking/data-deletion"
    assert sim.deauthorize_url == f"{bot.url}/linking/deauthorize"
    with pytest.raises(ValueError, match="loopback"):
        sim.deletion_url = "https://bot.example/deletion"
    with pytest.raises(ValueError, match="loopback"):
        sim.deauthorize_url = "https://bot.example/deauthorize"
    sim.deletion_url = f"{bot.url}/linking/deauthorize"
    sim.ask_deletion(ADA)
    assert len(asked) == 1


def ids(graph: GraphClient, asid: str = ASID, **params: Any) -> Any:
    token = f"{graph.sim.app_id}|{graph.sim.app_secret}"
    proof = hmac.new(graph.sim.app_secret.encode(), token.encode(), hashlib.sha256).hexdigest()
    given = {"appsecret_proof": proof, **params}
    path = f"v26.0/{asid}/ids_for_pages"
    return graph.call("GET", path, token=token, params={k: v for k, v in given.items() if v is not None})


def test_an_id_of_the_app_leads_to_the_id_of_the_page(sim: Simulator, graph: GraphClient) -> None:
    page = {"id": sim.page_id, "name": "Acme"}
    assert ids(graph).json() == {"data": [{"id": ADA, "page": page}]}
    assert ids(graph, page=sim.page_id).json()["data"][0]["id"] == ADA
    assert ids(graph, page="1").json() == {"data": []}
    refused_with(ids(graph, "1"), 100, 33)
    refused_with(ids(graph, ADA), 100, 33)  # a PSID is none


def test_matching_needs_the_apps_token_and_a_proof(graph: GraphClient) -> None:
    assert "appsecret_proof" in refused_with(ids(graph, appsecret_proof=None), 100)
    refused_with(ids(graph, appsecret_proof="00"), 100)
    refused_with(graph.call("GET", f"v26.0/{ASID}/ids_for_pages"), 190)


def test_nobody_is_matched_in_europe_or_by_switch(sim: Simulator, graph: GraphClient) -> None:
    european = sim.add_person(european=True)
    assert ids(graph, european.asid).json() == {"data": []}
    sim.switches.unmatched = True
    assert ids(graph).json() == {"data": []}


def app_call(graph: GraphClient, method: str, **params: Any) -> Any:
    token = f"{graph.sim.app_id}|{graph.sim.app_secret}"
    return graph.call(method, f"v26.0/{graph.sim.app_id}/subscriptions", token=token, params=params)


def test_the_apps_subscription_is_replaced_after_the_callback_was_verified(
    sim: Simulator, graph: GraphClient, bot: ReceivingBot
) -> None:
    given = {"object": "page", "callback_url": bot.webhook_url, "verify_token": sim.verify_token}
    assert app_call(graph, "POST", **given, fields="messages,messaging_referrals").json() == {"success": True}
    assert sim.app_fields == ["messages", "messaging_referrals"]
    wrong = {**given, "verify_token": "another"}
    refused_with(app_call(graph, "POST", **wrong, fields="messages"), 2200)
    assert sim.app_fields == ["messages", "messaging_referrals"]


@pytest.mark.parametrize(
    "missing",
    [{"fields": ""}, {"callback_url": ""}, {"object": "user"}, {"callback_url": "https://x.example"}],
)
def test_an_apps_subscription_that_is_not_whole_is_refused(
    sim: Simulator, graph: GraphClient, bot: ReceivingBot, missing: dict[str, str]
) -> None:
    given = {"object": "page", "callback_url": bot.webhook_url, "fields": "messages", **missing}
    before = list(sim.app_fields)
    refused_with(app_call(graph, "POST", **given), 100)
    assert sim.app_fields == before
    assert sim.webhook_url == bot.webhook_url


def test_only_the_apps_own_token_changes_its_subscription(graph: GraphClient) -> None:
    refused_with(graph.call("POST", f"{graph.sim.app_id}/subscriptions", params={"object": "page"}), 190)
    refused_with(graph.call("DELETE", f"{graph.sim.app_id}/subscriptions", params={"object": "page"}), 190)


def test_deleting_the_subscription_silences_the_app(
    sim: Simulator, graph: GraphClient, bot: ReceivingBot
) -> None:
    assert app_call(graph, "DELETE", object="page").json() == {"success": True}
    assert app_call(graph, "GET").json() == {"data": []}
    sim.say(ADA, "unheard")
    assert sim.deliveries == []


@pytest.mark.parametrize(
    ("method", "path", "params"),
    [
        ("POST", "me/subscribed_apps", {"subscribed_fields": "messages"}),
        ("DELETE", "me/subscribed_apps", {}),
        ("POST", "me/messenger_profile", {"greeting": "[]"}),
        ("DELETE", "me/messenger_profile", {"fields": "greeting"}),
    ],
)
def test_without_the_permission_nothing_of_the_page_is_changed(
    sim: Simulator, graph: GraphClient, method: str, path: str, params: dict[str, str]
) -> None:
    before = (list(sim.page_fields), dict(sim.profile))
    sim.switches.missing_permission = True
    assert "pages_manage_metadata" in refused_with(graph.call(method, path, params=params), 200, status=403)
    refused_with(app_call(graph, "POST", object="page", fields="x", callback_url="x"), 200, status=403)
    assert (sim.page_fields, sim.profile) == before
    assert graph.call("GET", "me/subscribed_apps").ok  # reading is another permission
    assert graph.send({"text": "hi"}).ok
