"""The table of the account_link API's keys."""

from __future__ import annotations

import json

from bot_linking.core.ports.api_keys import ApiKey
from bot_linking.stores.engine import Row, Tx
from bot_linking.stores.family import Family


class ApiKeys(Family):
    """`core.ports.ApiKeys` over an engine."""

    def save_api_key(self, key: ApiKey) -> bool:
        def work(tx: Tx) -> bool:
            values = {"digest": key.digest, "pages": json.dumps(key.pages), "now": key.created_at}
            return tx.run("save_api_key", id=key.id, called=key.name, **values) > 0

        return self.engine.write(work)

    def find_api_key(self, digest: str) -> ApiKey | None:

        rows = self.engine.read("find_api_key", digest=digest)
        return _api_key(rows[0]) if rows else None

    def list_api_keys(self) -> list[ApiKey]:

        return [_api_key(row) for row in self.engine.read("list_api_keys")]

    def touch_api_key(self, key_id: str, now: int) -> None:
        self.engine.write(lambda tx: tx.put("touch_api_key", id=key_id, now=now))

    def revoke_api_key(self, name: str, now: int) -> bool:
        def work(tx: Tx) -> bool:
            return tx.run("revoke_api_key", called=name, now=now) > 0

        return self.engine.write(work)


def _api_key(row: Row) -> ApiKey:
    return ApiKey(
        row["id"],
        row["name"],
        row["digest"],
        tuple(json.loads(row["pages"])),
        row["created_at"],
        row["last_used_at"],
        row["revoked_at"],
    )
