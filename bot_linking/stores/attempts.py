"""The tables of the linking pages: attempts, codes, and what was interrupted."""

from __future__ import annotations

import json
from typing import Any

from bot_linking.core.links import Account
from bot_linking.core.ports.attempts import Attempt
from bot_linking.stores.engine import Row, Tx
from bot_linking.stores.family import Family

RESUME_MAX_AGE_MS = 3_600_000


class Attempts(Family):
    """`core.ports.Attempts` over an engine."""

    def save_attempt(self, attempt: Attempt, session_digest: str, expires_at: int) -> None:
        values = identity_of(attempt.account) | {"display_name": attempt.account.display_name}
        self.engine.write(
            lambda tx: tx.put(
                "save_attempt",
                attempt_id=attempt.attempt_id,
                session_digest=session_digest,
                page_id=attempt.page_id,
                psid=attempt.psid,
                profile_name=attempt.profile_name,
                linking_token=attempt.linking_token,
                return_url=attempt.return_url,
                opened_at=attempt.opened_at,
                expires_at=expires_at,
                **values,
            )
        )

    def find_attempt(self, attempt_id: str, session_digest: str, now: int) -> Attempt | None:
        rows = self.engine.read("find_attempt", attempt_id=attempt_id, session_digest=session_digest, now=now)
        return _attempt(rows[0]) if rows else None

    def drop_attempt(self, attempt_id: str, session_digest: str) -> None:
        self.engine.write(
            lambda tx: tx.put("drop_attempt", attempt_id=attempt_id, session_digest=session_digest)
        )

    def save_code(
        self,
        digest: str,
        attempt: Attempt,
        locale: str | None,
        now: int,
        expires_at: int,
        *,
        replaces: str | None = None,
    ) -> bool:
        """Commit a pending code. False when this attempt has linked already, or was another account's."""

        def work(tx: Tx) -> bool:
            identity = identity_of(attempt.account)
            tx.hold(attempts=[attempt.attempt_id])
            if tx.one("is_attempt_used", attempt_id=attempt.attempt_id, account_id=attempt.account.id):
                return False
            tx.put(
                "save_code",
                digest=digest,
                attempt_id=attempt.attempt_id,
                page_id=attempt.page_id,
                psid=attempt.psid,
                locale=locale,
                replaces=replaces,
                now=now,
                expires_at=expires_at,
                **identity,
            )
            return True

        return self.engine.write(work)

    def account_of_code(self, digest: str) -> str | None:
        """The account of a code that is not consumed yet."""
        rows = self.engine.read("find_code", digest=digest)
        return rows[0]["account_id"] if rows and rows[0]["consumed_at"] is None else None

    def drop_pending(self, account_id: str) -> None:
        def work(tx: Tx) -> None:
            tx.hold(account_id=account_id)
            tx.put("drop_codes_of_account", account_id=account_id)
            tx.put("drop_attempts_of_account", account_id=account_id)

        self.engine.write(work)

    def save_resume(self, page_id: str, psid: str, payload: Any, now: int) -> None:
        text = json.dumps(payload)
        self.engine.write(lambda tx: tx.put("save_resume", page_id=page_id, psid=psid, payload=text, now=now))

    def take_resume(self, page_id: str, psid: str) -> Any:
        return self.engine.write(lambda tx: take_resume(tx, page_id, psid, 0))


def take_resume(tx: Tx, page_id: str, psid: str, not_before: int) -> Any:
    rows = tx.all("take_resumes", page_id=page_id, psid=psid)
    fresh = [row for row in rows if row["created_at"] >= not_before]
    newest = max(fresh, key=lambda row: row["created_at"], default=None)
    return None if newest is None else json.loads(newest["payload"])


def identity_of(account: Account) -> Row:
    return {
        "account_id": account.id,
        "username": account.username,
        "email": account.email,
        "phone_number": account.phone_number,
    }


def _attempt(row: Row) -> Attempt:
    account = Account(
        row["account_id"], row["username"], row["email"], row["phone_number"], row["display_name"]
    )
    return Attempt(
        row["attempt_id"],
        account,
        row["linking_token"],
        row["return_url"],
        row["opened_at"],
        row["page_id"],
        row["psid"],
        row["profile_name"],
    )
