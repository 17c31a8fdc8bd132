"""Calls of the account_link API as a site sends them, and a caller that sends them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from werkzeug.test import TestResponse

from tests.bots import Bot
from tests.wire import PSID

SAMPLES = Path(__file__).parent / "samples"
CONTENT_TYPES = {
    "linked.json": "application/json",
    "linked.form": "application/x-www-form-urlencoded",
    "linked.multipart": "multipart/form-data; boundary=------------------------d74496d66958873e",
}
API = "/linking/api"
SAMPLE_PSID = "123456"


def a_call(status: str = "linked", psid: Any = PSID, **identifiers: Any) -> dict[str, Any]:
    """A right call as nested objects."""
    return {
        "request": {"method": "account_link", "id": "r-1", "meta": ""},
        "recipient": {"id": psid},
        "account_linking": {"status": status, **identifiers},
    }


def changed(call: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The call with `part__field=value`, or without the field where the value is `...`."""
    call = copy.deepcopy(call)
    for path, value in changes.items():
        part, _, name = path.partition("__")
        at = call[part] if name else call
        if value is ...:
            del at[name or part]
        else:
            at[name or part] = value
    return call


def as_form(call: dict[str, Any]) -> dict[str, str]:
    """The same call with dotted names."""
    return {f"{part}.{name}": value for part, fields in call.items() for name, value in fields.items()}


@dataclass
class Caller:
    """A site's back end with one key."""

    bot: Bot
    key: str

    def post(self, body: bytes, content_type: str | None, **kwargs: Any) -> TestResponse:
        headers = {"APIKEY": self.key, **kwargs.pop("headers", {})}
        return self.bot.client().post(API, data=body, content_type=content_type, headers=headers, **kwargs)

    def send(self, call: Any, **kwargs: Any) -> TestResponse:
        return self.post(json.dumps(call).encode(), "application/json", **kwargs)

    def link(self, psid: str = PSID, **identifiers: Any) -> TestResponse:
        return self.send(a_call(psid=psid, **identifiers))

    def unlink(self, psid: str = PSID) -> TestResponse:
        return self.send(a_call("unlinked", psid))

    def code(self, call: Any) -> int:
        return int(self.send(call).get_json()["error_code"])


MakeCaller = Callable[..., Caller]
