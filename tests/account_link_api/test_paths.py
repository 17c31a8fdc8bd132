"""The address takes any letter case, a last slash and every method; every answer at it and below is the
envelope."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, url_for

from tests.wire import PSID

from .calls import Caller, MakeCaller, a_call

CALL = a_call(username="ada")


@pytest.mark.parametrize(
    "path", ["/linking/api", "/linking/api/", "/linking/API", "/linking/Api/", "/linking/aPI"]
)
@pytest.mark.parametrize("method", ["POST", "post", "Post"])
def test_any_spelling_of_the_path_and_the_method_is_the_same_call(
    caller: Caller, path: str, method: str
) -> None:
    answer = caller.bot.client().open(path, method=method, json=CALL, headers={"APIKEY": caller.key})
    assert answer.get_json()["result"] is True
    assert caller.bot.linking.link_of(PSID) is not None


@pytest.mark.parametrize(
    "path",
    [
        "/linking/api/x",
        "/linking/api/x/",
        "/linking/API/v1/link",
        "/linking/api/%2e%2e/login",
        "/linking/api/é",
        "/linking/api/%0a",
        "/linking/api/x%0ay",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS", "PROPFIND"])
def test_below_the_address_is_nothing_and_the_envelope_says_so(
    caller: Caller, path: str, method: str
) -> None:
    answer = caller.bot.client().open(path, method=method, headers={"APIKEY": caller.key})
    said = answer.get_json()
    assert answer.status_code == said["error_code"] == said["error"]["code"] == 404
    assert (said["result"], said["request_id"], said["error"]["type"]) == (False, "", "NotFoundException")
    assert "/linking/api" in said["error_message"]


@pytest.mark.parametrize(
    "path", ["/linking/apis", "/linking/apı", "/linking/API%20", "/linking/api;v=1", "/linking/api%0a"]
)
def test_what_only_begins_like_the_address_is_not_the_api(caller: Caller, path: str) -> None:
    answer = caller.bot.client().post(path, json=CALL, headers={"APIKEY": caller.key})
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    assert "bot_linking.css" in answer.text, "the page is ours"


def test_options_names_the_method_and_changes_nothing(caller: Caller) -> None:
    answer = caller.bot.client().open("/linking/api", method="OPTIONS")
    assert (answer.status_code, answer.headers["Allow"], answer.data) == (204, "POST, OPTIONS", b"")
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    "path", ["/linking/openapi.json", "/linking/OpenAPI.json/", "/linking/openapi.json/"]
)
def test_the_document_is_found_in_any_spelling(caller: Caller, path: str) -> None:
    client = caller.bot.client()
    assert client.get(path).get_json()["openapi"].startswith("3.1")
    assert client.head(path).status_code == 200
    assert client.post(path).get_json()["error_code"] == 405
    assert client.open(path, method="OPTIONS").status_code == 204


@pytest.mark.parametrize("prefix", ["/linking", "/Messenger/Link", ""])
def test_the_prefix_is_as_it_was_registered(new_caller: MakeCaller, prefix: str) -> None:
    caller = new_caller(prefix=prefix)
    client, headers = caller.bot.client(), {"APIKEY": caller.key}
    assert client.post(f"{prefix}/API/", json=CALL, headers=headers).status_code == 200
    if prefix:
        assert client.post(f"{prefix.swapcase()}/api", json=CALL, headers=headers).status_code == 404


def test_the_hosts_own_addresses_stay_its_own(new_caller: MakeCaller, tmp_path: Any) -> None:
    """Also where the host's own address is a variable at the same place."""
    app = Flask("tests.host", instance_path=str(tmp_path))
    app.add_url_rule("/<name>", "page", lambda name: f"page {name}")
    app.add_url_rule("/<name>/<more>", "pages", lambda name, more: f"pages {name} {more}")
    caller = new_caller(app=app, prefix="")
    client = caller.bot.client()
    assert client.get("/apis").text == "page apis"
    assert client.get("/about/api").text == "pages about api"
    assert client.post("/Api", json=CALL, headers={"APIKEY": caller.key}).status_code == 200
    assert client.get("/api/about").get_json()["error_code"] == 404
    with app.test_request_context():
        assert url_for("bot_linking.account_link") == "/api"
