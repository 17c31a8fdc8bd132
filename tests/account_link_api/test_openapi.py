"""The document is valid, comes from the models that validate, and is true."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, assume, settings
from openapi_spec_validator import OpenAPIV31SpecValidator

from bot_linking import AccountLinking
from bot_linking.account_link_api.keys import Keys
from tests.wire import SETTINGS

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


# Schemathesis wants its schema before there are fixtures.
_folder = tempfile.TemporaryDirectory(prefix="bot_linking-schemathesis-")
_app = Flask("tests.schemathesis", instance_path=_folder.name)
_app.config.update(
    SETTINGS,
    BOT_LINKING_API_FAILURE_LIMIT=10_000,
    BOT_LINKING_DATABASE=f"sqlite:///{Path(_folder.name) / 'links.db'}",
)
_linking = AccountLinking(_app, authenticate=lambda *_: None)
_key = Keys(_linking.core).create("schemathesis")
schema = schemathesis.openapi.from_wsgi("/linking/openapi.json", _app)


@schema.auth()
class _Key:
    """Adds the key, except to a case about a missing key."""

    def get(self, _case: Any, _context: Any) -> str:
        return _key

    def set(self, case: Any, key: str, _context: Any) -> None:
        case.headers["APIKEY"] = key


@schema.include(path="/linking/api").parametrize()
@settings(
    max_examples=120,
    deadline=None,
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


@pytest.fixture(autouse=True, scope="module")
def _close() -> Iterator[None]:
    """Close the store after the last test of this file."""
    yield
    _linking.store.close()
    _folder.cleanup()
