"""The document is valid, comes from the models that validate, and is true."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, assume, settings
from openapi_spec_validator import OpenAPIV31SpecValidator

from bot_linking.account_link_api.keys import Keys

from .calls import CONTENT_TYPES, Caller, MakeCaller


@pytest.fixture
def document(caller: Caller) -> Any:
    answer = caller.bot.client().get("/linking/openapi.json")
    assert answer.status_code == 200
    return answer.get_json()


def test_the_document_is_valid_openapi_3_1(document: Any) -> None:
    OpenAPIV31SpecValidator(document).validate()
    assert document["openapi"].startswith("3.1")


def test_the_document_is_at_the_prefix_and_names_the_call_there(new_caller: MakeCaller) -> None:
    caller = new_caller(prefix="/messenger/link")
    document = caller.bot.client().get("/messenger/link/openapi.json").get_json()
    assert list(document["paths"]) == ["/messenger/link/api"]
    assert document["servers"] == [{"url": "https://bot.example"}]


def test_the_document_names_every_form_and_every_status(document: Any) -> None:
    call = document["paths"]["/linking/api"]["post"]
    assert set(call["requestBody"]["content"]) == {
        value.partition(";")[0] for value in CONTENT_TYPES.values()
    }
    assert set(call["responses"]) == {"200", "400", "401", "404", "409", "413", "415", "429", "503"}
    assert call["security"] == [{"APIKEY": []}]
    scheme = document["components"]["securitySchemes"]["APIKEY"]
    assert (scheme["in"], scheme["name"]) == ("header", "APIKEY")


def test_form_data_has_the_published_dotted_names(document: Any) -> None:
    content = document["paths"]["/linking/api"]["post"]["requestBody"]["content"]
    names = set(_properties(content["application/x-www-form-urlencoded"]["schema"]))
    assert names == {
        "request.method", "request.id", "request.meta", "recipient.id", "account_linking.status",
        "account_linking.username", "account_linking.email", "account_linking.phone_number", "timestamp",
    }  # fmt: skip


def _properties(schema: Any) -> list[str]:
    found = list(schema.get("properties", ()))
    for key in ("allOf", "anyOf"):
        for part in schema.get(key, ()):
            found += _properties(part)
    return found


@pytest.fixture
def schema(request: pytest.FixtureRequest, new_caller: MakeCaller) -> Any:
    """The document as Schemathesis reads it, with a key for every case but those about a missing key."""
    bot = new_caller(API_FAILURE_LIMIT=10_000).bot
    key = Keys(bot.linking.core).create("schemathesis")

    class Key:
        def get(self, _case: Any, _context: Any) -> str:
            return key

        def set(self, case: Any, key: str, _context: Any) -> None:
            case.headers["APIKEY"] = key

    request.node._nodeid = request.node.nodeid  # Schemathesis 4.32 reads it, pytest 9.2 has it no more
    schema = schemathesis.openapi.from_wsgi("/linking/openapi.json", bot.app)
    schema.auth()(Key)
    return schema


@schemathesis.pytest.from_fixture("schema").include(path="/linking/api").parametrize()
@settings(
    max_examples=120,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_the_api_does_what_its_document_says(case: Any) -> None:
    if case.media_type != "application/json" and isinstance(case.body, dict):
        assume(None not in case.body.values())  # sent as nothing
        numbers = [name for name, value in case.body.items() if isinstance(value, int | float)]
        assume(set(numbers) <= {"timestamp"})  # on the wire a number is the text that it should have been
    case.call_and_validate()
