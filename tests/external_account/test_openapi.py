"""The document is valid, comes from the models that validate, is true, and is the same as the bot's."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule
from openapi_spec_validator import OpenAPIV31SpecValidator

from bot_linking.external_account import ExternalAccount
from tests.bots import NewBot

ALL = ["accounts", "bind", "signin"]
CALLS = {
    ("/ExternalAccount/{appKey}", "post"), ("/ExternalAccount/{appKey}", "get"),
    ("/ExternalAccount/{appKey}/{id}", "put"), ("/ExternalAccount/{appKey}/{id}", "delete"),
    ("/ExternalAccount/{appKey}/SignIn", "post"),
}  # fmt: skip


def test_beside_a_bot_its_calls_stand_in_the_bots_own_document(new_bot: NewBot) -> None:
    bot = new_bot()
    bot.app.register_blueprint(ExternalAccount(bot.linking).blueprint)
    document = bot.client().get("/linking/openapi.json").get_json()
    OpenAPIV31SpecValidator(document).validate()
    assert {(path, method) for path, of in document["paths"].items() for method in of} == {
        *CALLS, ("/linking/api", "post")
    }  # fmt: skip
    assert document["components"]["securitySchemes"]["Bearer"] == {"type": "http", "scheme": "bearer"}
    assert bot.client().get("/ExternalAccount/openapi.json").status_code == 401, "an appKey like any other"


# A state machine has no fixtures.
_folder = tempfile.TemporaryDirectory(prefix="bot_linking-schemathesis-")
_app = Flask("tests.schemathesis.external", instance_path=_folder.name)
_app.config.update(
    BOT_LINKING_DATABASE=f"sqlite:///{Path(_folder.name) / 'shop.db'}",
    BOT_LINKING_EXTERNAL_KEYS="k" * 32,
    BOT_LINKING_EXTERNAL_SIGN_IN_LIMIT=10_000,
    BOT_LINKING_EXTERNAL_ADDRESS_LIMIT=100_000,
    BOT_LINKING_EXTERNAL_APP_LIMIT=100_000,
)
_external = ExternalAccount(_app)
_app.register_blueprint(_external.blueprint)
_external.create_app("shop")
_external.create_app("life")  # where nothing is bound but by its own test
_token = _external.create_token("shop", 7, ALL)


@_app.get("/document")
def _document_of_the_shop() -> Any:
    """The document, with the one appKey that there is."""
    document = _app.test_client().get("/ExternalAccount/openapi.json").get_json()
    for path in document["paths"].values():
        for call in path.values():
            call["parameters"][0]["schema"]["enum"] = ["shop"]
    return document


@pytest.fixture(autouse=True, scope="module")
def _close() -> Iterator[None]:
    """Close the store after the last test of this file."""
    yield
    _external._here()._store.close()
    _folder.cleanup()


def test_the_document_is_valid_and_names_the_five_calls() -> None:
    document = _app.test_client().get("/ExternalAccount/openapi.json").get_json()
    OpenAPIV31SpecValidator(document).validate()
    assert {(path, method) for path, of in document["paths"].items() for method in of} == CALLS


def test_the_document_has_the_published_fields_and_types() -> None:
    document = _app.test_client().get("/ExternalAccount/openapi.json").get_json()
    schemas = document["components"]["schemas"]
    logins = schemas["UserLogins"]["properties"]
    assert {name: of["type"] for name, of in logins.items()} == {
        "id": "integer", "userID": "integer", "platformName": "string", "platform": "string",
        "unionID": "string", "avatar": "string", "data": "string", "enable": "boolean",
        "createDate": "string", "lastUpdate": "string",
    }  # fmt: skip
    token = schemas["TokenModel"]["properties"]
    assert {name: of["type"] for name, of in token.items()} == {
        "access_token": "string", "token_type": "string", "expires_in": "integer",
    }  # fmt: skip
    assert (
        schemas["BindRequest"]["required"] == schemas["SignInRequest"]["required"] == ["unionID", "platform"]
    )


class _Token:
    """Adds the token, except to a case about a missing token."""

    def get(self, _case: Any, _context: Any) -> str:
        return _token

    def set(self, case: Any, token: str, _context: Any) -> None:
        case.headers["Authorization"] = f"Bearer {token}"


@pytest.fixture
def schema(request: pytest.FixtureRequest) -> Any:
    request.node._nodeid = request.node.nodeid  # Schemathesis 4.32 reads it, pytest 9.2 has it no more
    schema = schemathesis.openapi.from_wsgi("/document", _app)
    schema.auth()(_Token)
    return schema


@schemathesis.pytest.from_fixture("schema").parametrize()
@settings(
    max_examples=80,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_every_call_does_what_its_document_says(case: Any) -> None:
    is_form = case.media_type not in (None, "application/json")
    assume(not (is_form and isinstance(case.body, dict) and None in case.body.values()))  # sent as nothing
    case.call_and_validate()


class Life(RuleBasedStateMachine):
    """Bind, list, update, sign in and delete in any order, against a model of what is bound."""

    bound = Bundle("bound")
    unions = st.from_regex("[A-Za-z0-9_-]{1,6}", fullmatch=True)

    def __init__(self) -> None:
        super().__init__()
        self.client = _app.test_client()
        self.users = {
            user: {"Authorization": f"Bearer {_external.create_token('life', user, ALL)}"} for user in (1, 2)
        }
        self.model: dict[str, tuple[int, int, str, bool]] = {}  # union: id, user, data, enabled
        self.tokens: list[tuple[str, str]] = []  # token, union

    def call(self, method: str, path: str, user: int, **kwargs: Any) -> Any:
        answer = self.client.open(
            f"/ExternalAccount/life{path}", method=method, headers=self.users[user], **kwargs
        )
        assert answer.get_json()["code"] == answer.status_code
        return answer

    def listed(self, user: int) -> dict[str, tuple[int, int, str, bool]]:
        data = self.call("GET", "", user).get_json()["data"]
        return {one["unionID"]: (one["id"], one["userID"], one["data"], one["enable"]) for one in data}

    @rule(
        target=bound,
        union=unions,
        user=st.sampled_from([1, 2]),
        data=st.text(max_size=5).filter(lambda t: "\0" not in t),
    )
    def bind(self, union: str, user: int, data: str) -> Any:
        body = {"unionID": union, "platform": "p", "data": data}
        answer = self.call("POST", "", user, json=body)
        if union in self.model:
            assert answer.status_code == (200 if self.model[union][1] == user else 409)
            return multiple()
        assert answer.status_code == 200
        self.model[union] = self.listed(user)[union]
        assert self.model[union][1:] == (user, data, True)
        return union

    @rule(union=bound, user=st.sampled_from([1, 2]), enable=st.booleans(), data=st.sampled_from(["", "x"]))
    def update(self, union: str, user: int, enable: bool, data: str) -> None:
        account_id, owner, *_ = self.model[union]
        answer = self.call("PUT", f"/{account_id}", user, json={"enable": enable, "data": data})
        assert answer.status_code == (200 if owner == user else 404)
        if owner == user:
            kept = data or self.model[union][2]  # empty text leaves what is there
            self.model[union] = (account_id, owner, kept, enable)
            if not enable:
                self.tokens = [(token, of) for token, of in self.tokens if of != union]

    @rule(union=bound | unions)
    def sign_in(self, union: str) -> None:
        answer = self.call("POST", "/SignIn", 1, json={"unionID": union, "platform": "p"})
        known = self.model.get(union)
        assert answer.status_code == (404 if known is None else 200 if known[3] else 403)
        if answer.status_code == 200:
            self.tokens.append((answer.get_json()["data"]["access_token"], union))

    @rule(union=consumes(bound), by_stranger=st.booleans())
    def delete(self, union: str, by_stranger: bool) -> None:
        account_id, owner, *_ = self.model[union]
        if by_stranger:
            assert self.call("DELETE", f"/{account_id}", 3 - owner).status_code == 404
        assert self.call("DELETE", f"/{account_id}", owner).status_code == 200
        del self.model[union]
        self.tokens = [(token, of) for token, of in self.tokens if of != union]

    @invariant()
    def the_lists_say_what_the_model_says(self) -> None:
        for user in (1, 2):
            assert self.listed(user) == {union: of for union, of in self.model.items() if of[1] == user}

    @invariant()
    def the_newest_token_acts_for_its_user(self) -> None:
        for token, union in self.tokens[-1:]:
            assert _external.user_of(f"Bearer {token}", "life") == self.model[union][1]

    def teardown(self) -> None:
        for account_id, owner, *_ in self.model.values():
            self.call("DELETE", f"/{account_id}", owner)


Life.TestCase.settings = settings(
    max_examples=15, stateful_step_count=25, suppress_health_check=list(HealthCheck)
)


class TestLife(Life.TestCase):  # type: ignore[misc,valid-type]
    """Many random lives of bound accounts."""
