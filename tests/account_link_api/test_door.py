"""The account_link API passes what every door for machines passes."""

from __future__ import annotations

from typing import Any

import pytest

from bot_linking.account_link_api.endpoint import LARGEST_BODY
from bot_linking.account_link_api.keys import Keys
from tests.doors.cases import Answer, Cases, Door

from .calls import API, Caller, a_call


class AccountLink(Door):
    largest_body = LARGEST_BODY

    def __init__(self, caller: Caller) -> None:
        self._bot, self.key = caller.bot, caller.key
        self.call = a_call(username="ada")

    def send(self, body: bytes, key: str | None) -> Answer:
        headers = {} if key is None else {"APIKEY": key}
        answer = self._bot.client().post(API, data=body, content_type="application/json", headers=headers)
        said = answer.get_json()
        assert said["result"] is (said["error_code"] == 0)
        return Answer(answer.status_code, said["result"])

    def rotate(self) -> str:
        keys = Keys(self._bot.linking.core)
        self.key = keys.create("next")
        assert keys.revoke("site")
        return self.key

    def facts(self) -> list[Any]:
        rows = self._bot.rows()
        return [[row[:3] for row in rows["links"]], len(rows["history"]), len(rows["outbox"])]


class TestAccountLink(Cases):
    @pytest.fixture
    def door(self, caller: Caller) -> AccountLink:
        return AccountLink(caller)
