"""Messenger Extensions: `signed_request`, and when the SDK calls the error callback."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
import requests

from bot_linking.simulator import Simulator
from bot_linking.simulator.extensions import ExtensionsError
from bot_linking.simulator.signed_request import sign_request

from .receiving_bot import ADA, Clock, GraphClient

#: A public sample: key `key`, payload with user_id, algorithm and issued_at, in this order.
SAMPLE = (
    "Mf_s6nTb38UYqioBmPqu0Ewm9souPZB9I2fIGwV729U."
    "eyJ1c2VyX2lkIjoiMCIsImFsZ29yaXRobSI6IkhNQUMtU0hBMjU2IiwiaXNzdWVkX2F0IjoxNjI0MjQ0MTU2fQ"
)
CHAT = {"X-Simulator": "chat"}


def test_the_public_sample_is_signed_byte_for_byte() -> None:
    payload = {"user_id": "0", "algorithm": "HMAC-SHA256", "issued_at": 1624244156}
    assert sign_request(payload, "key") == SAMPLE


def read(signed: str, secret: str) -> dict[str, Any]:
    """The payload, if the signature over its encoded form is right."""
    signature, payload = signed.split(".")
    expected = hmac.new(secret.encode(), payload.encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4)) == expected
    assert "=" not in signed
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return found


def test_a_signed_request_says_who_is_in_the_webview(sim: Simulator, clock: Clock) -> None:
    payload = read(sim.signed_request(ADA), sim.app_secret)
    assert payload == {
        "algorithm": "HMAC-SHA256",
        "issued_at": payload["issued_at"],
        "page_id": int(sim.page_id),
        "psid": ADA,
        "thread_type": "USER_TO_PAGE",
        "tid": ADA,
    }
    assert type(payload["issued_at"]) is int
    assert abs(payload["issued_at"] - clock()) < 60


def test_a_test_may_bend_a_signed_request(sim: Simulator) -> None:
    bent = read(sim.signed_request(ADA, thread_type="GROUP", tid=None, page_id="7"), sim.app_secret)
    assert (bent["thread_type"], bent["page_id"]) == ("GROUP", "7")
    assert "tid" not in bent


@pytest.fixture
def listed(sim: Simulator, graph: GraphClient) -> Simulator:
    graph.call("POST", "me/messenger_profile", json={"whitelisted_domains": ["http://127.0.0.1:5000"]})
    return sim


PAGE = "http://127.0.0.1:5000/linking/menu"


def test_the_context_is_given_to_a_page_on_the_list(listed: Simulator) -> None:
    context = listed.context(ADA, app_id=listed.app_id, url=PAGE)
    assert (context["psid"], context["tid"], context["thread_type"]) == (ADA, ADA, "USER_TO_PAGE")
    assert read(context["signed_request"], listed.app_secret)["psid"] == ADA


def test_the_context_is_refused_and_the_reason_said_where_messenger_says_little(listed: Simulator) -> None:
    ok: dict[str, Any] = {"app_id": listed.app_id, "url": PAGE}
    desktop = listed.add_person(device="desktop").psid
    european = listed.add_person(european=True).psid
    cases = [
        (ADA, {**ok, "app_id": "1"}, "app"),
        (ADA, {**ok, "url": "http://127.0.0.1:5009/"}, "whitelisted_domains"),
        (ADA, {**ok, "extensions": False}, "messenger_extensions"),
        (desktop, ok, "no Messenger Extensions"),
        (european, ok, "no Messenger Extensions"),
    ]
    for psid, given, reason in cases:
        with pytest.raises(ExtensionsError, match=reason) as refusal:
            listed.context(psid, **given)
        assert isinstance(refusal.value.code, int)
    listed.switches.european_page = True
    with pytest.raises(ExtensionsError):
        listed.context(ADA, **ok)


def test_the_sdk_is_served_at_the_path_that_facebook_has(sim: Simulator) -> None:
    for language in ("en_US", "de_DE"):
        sdk = requests.get(f"{sim.url}/{language}/messenger.Extensions.js", timeout=20)
        assert sdk.status_code == 200
        assert sdk.headers["Content-Type"].startswith("text/javascript")
        for name in ("extAsyncInit", "getContext", "getSupportedFeatures", "requestCloseBrowser"):
            assert name in sdk.text
    for secret in (sim.app_secret, sim.page_access_token, ADA):
        assert secret not in sdk.text


def test_only_the_chat_page_is_given_a_context(listed: Simulator) -> None:
    asked = {"psid": ADA, "app_id": listed.app_id, "url": PAGE, "extensions": True}
    url = f"{listed.url}/simulator/context"
    foreign = {**CHAT, "Origin": "http://127.0.0.1:5000"}
    assert requests.post(url, json=asked, timeout=20).status_code == 403
    assert requests.post(url, json=asked, headers=foreign, timeout=20).status_code == 403
    found = requests.post(url, json=asked, headers=CHAT, timeout=20).json()
    assert read(found["context"]["signed_request"], listed.app_secret)["psid"] == ADA
    refused = requests.post(url, json={**asked, "app_id": "1"}, headers=CHAT, timeout=20).json()
    assert isinstance(refused["error"], int)
    assert "app" in refused["message"]
