"""ExternalAccount passes what every door for machines passes."""

from __future__ import annotations

from typing import Any

import pytest

from bot_linking.external_account.bodies import LARGEST_BODY
from tests.doors.cases import Answer, Cases, Door

from .shop import UNION, USER, Shop


class Accounts(Door):
    largest_body = LARGEST_BODY

    def __init__(self, shop: Shop) -> None:
        self._shop, self.key = shop, shop.user
        self.call = dict(UNION)

    def send(self, body: bytes, key: str | None) -> Answer:
        headers = {"Authorization": f"Bearer {key}".encode()} if key is not None else {}
        headers["Content-Type"] = b"application/json"
        answer = self._shop.call("POST", data=body, headers=headers)
        return Answer(answer.status_code, answer.json()["data"] is True)

    def rotate(self) -> str:
        old, self.key = self.key, self._shop.external.create_token("shop", USER)
        assert self._shop.external.revoke_token(old)
        return self.key

    def facts(self) -> list[Any]:
        return [account["unionID"] for account in self._shop.accounts(self.key)]


class TestAccounts(Cases):
    @pytest.fixture
    def door(self, shop: Shop) -> Accounts:
        return Accounts(shop)
