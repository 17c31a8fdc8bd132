"""The tables of the linking pages: attempts, codes, and what was interrupted."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

from bot_linking.core.journey import MAX_AGE_MS, Stage, Step, StepRefused, after
from bot_linking.core.links import WEB, Account
from bot_linking.core.ports.attempts import MOST_CODES, Attempt, Awaited, Refusal
from bot_linking.stores.engine import Row, Tx
from bot_linking.stores.family import Family

RESUME_MAX_AGE_MS = 3_600_000
ATTEMPT_KEPT_MS = 3_600_000  # after its end, so that its own address can still say what happened

_IDENTITY = ("account_id", "username", "email", "phone_number", "display_name")
TO_APPROVED = (Step.GIVE_PASSWORD, Step.NEED_NO_SECOND_FACTOR, Step.SHOW_CONSENT, Step.APPROVE)


class Attempts(Family):
    """`core.ports.Attempts` over an engine."""

    def save_attempt(self, attempt: Attempt, *, before: Attempt | None = None) -> bool:
        def work(tx: Tx) -> bool:
            if attempt.stage is Stage.LEFT:
                tx.hold(attempts=[attempt.attempt_id])
            if not (_change(tx, attempt, before) if before else _add(tx, attempt)):
                return False
            if attempt.stage is Stage.LEFT:
                tx.put("drop_codes_of_attempt", attempt_id=attempt.attempt_id)
            return True

        return self.engine.write(work)

    def find_attempt(self, attempt_id: str) -> Attempt | None:
        rows = self.engine.read("find_attempt", attempt_id=attempt_id)
        return _attempt(rows[0]) if rows else None

    def save_code(
        self,
        digest: str,
        attempt: Attempt,
        locale: str | None,
        now: int,
        expires_at: int,
        *,
        replaces: str | None = None,
        typed: str | None = None,
    ) -> bool:
        attempt_id, identity = attempt.attempt_id, identity_of(attempt.account)
        person = [attempt.psid] if attempt.psid is not None else []

        def work(tx: Tx) -> bool:
            # So that a transaction that ends this person's or account's codes comes before or after this one.
            tx.hold(attempts=[attempt_id], psids=person, accounts=[identity["account_id"]])
            if tx.one("is_attempt_used", attempt_id=attempt_id, account_id=identity["account_id"]):
                return False
            if attempt.proof is not None and not _is_proof_good(tx, attempt.way, attempt.proof):
                return False
            if _codes_of(tx, attempt_id) >= MOST_CODES or not _approve(tx, attempt, now):
                return False
            tx.put(
                "save_code",
                digest=digest,
                attempt_id=attempt_id,
                page_id=attempt.page_id,
                psid=attempt.psid,
                locale=locale,
                replaces=replaces,
                source=attempt.way,
                proof=attempt.proof,
                typed=typed,
                now=now,
                expires_at=expires_at,
                **identity,
            )
            return True

        return self.engine.write(work)

    def account_of_code(self, digest: str) -> str | None:

        rows = self.engine.read("find_code", digest=digest)
        return rows[0]["account_id"] if rows and rows[0]["consumed_at"] is None else None

    def drop_pending(self, account_id: str) -> None:
        def work(tx: Tx) -> None:
            tx.hold(account_id=account_id, accounts=[account_id])
            tx.put("drop_codes_of_account", account_id=account_id)
            tx.put("drop_attempts_of_account", account_id=account_id)
            tx.put("drop_chat_links_of_account", account_id=account_id)

        self.engine.write(work)

    def save_resume(self, page_id: str, psid: str, payload: Any, now: int) -> None:
        text = json.dumps(payload)
        self.engine.write(lambda tx: tx.put("save_resume", page_id=page_id, psid=psid, payload=text, now=now))

    def take_resume(self, page_id: str, psid: str) -> Any:
        return self.engine.write(lambda tx: take_resume(tx, page_id, psid, 0))[0]


def take_resume(tx: Tx, page_id: str, psid: str, not_before: int) -> tuple[Any, int | None]:
    """Remove what the person was doing. Returns the newest of it and its time (ms), or None twice where it is
    older than `not_before` or missing."""
    rows = tx.all("take_resumes", page_id=page_id, psid=psid)
    fresh = [row for row in rows if row["created_at"] >= not_before]
    newest = max(fresh, key=lambda row: row["created_at"], default=None)
    return (None, None) if newest is None else (json.loads(newest["payload"]), newest["created_at"])


def identity_of(account: Account | None) -> Row:
    """The columns that name an account, alike in every table. Without an account the id is empty text."""
    return {
        "account_id": account.id if account else "",
        "username": account.username if account else None,
        "email": account.email if account else None,
        "phone_number": account.phone_number if account else None,
    }


def _approve(tx: Tx, attempt: Attempt, now: int) -> bool:
    """Move the attempt to `approved`, or leave it there; False where it is no longer at the consent."""
    if attempt.stage is Stage.OPENED:  # new, unless another press of the button has kept it already
        expires_at = attempt.expires_at or now + MAX_AGE_MS
        if _add(tx, replace(attempt, stage=after(Stage.OPENED, *TO_APPROVED), expires_at=expires_at)):
            return True
        row = tx.one("find_attempt", attempt_id=attempt.attempt_id)
        if row is None:
            return False
        attempt = replace(_attempt(row), account=attempt.account)
    try:
        stage = after(attempt.stage, Step.APPROVE)
    except StepRefused:
        return False
    where = {"stage_before": attempt.stage, "session_digest": attempt.session_digest or "", "now": now}
    account_id = identity_of(attempt.account)["account_id"]
    names = {"attempt_id": attempt.attempt_id, "account_id": account_id}
    return tx.run("approve_attempt", stage=stage, **names, **where) > 0


def _is_proof_good(tx: Tx, way: str, proof: str) -> bool:
    """Whether the proof of the chat is unused and has not been ended."""
    if tx.one("is_proof_used", proof=proof):
        return False
    return way != WEB or tx.one("is_web_link_kept", digest=proof) is not None


def _codes_of(tx: Tx, attempt_id: str) -> int:
    row = tx.one("count_codes", attempt_id=attempt_id)
    return int(row["codes"]) if row else 0


def _add(tx: Tx, attempt: Attempt) -> bool:
    return tx.run("save_attempt", **_columns(attempt)) > 0


def _change(tx: Tx, attempt: Attempt, before: Attempt) -> bool:
    columns = _columns(attempt)
    for fixed in ("way", "page_hint", "linking_token", "return_url", "proof", "opened_at", "expires_at"):
        del columns[fixed]
    seen = {
        "session_before": before.session_digest or "",
        "stage_before": before.stage,
        "awaited_before": _text_of(before.awaited) or "",
    }
    return tx.run("change_attempt", **columns, **seen) > 0


def _columns(attempt: Attempt) -> Row:
    return identity_of(attempt.account) | {
        "attempt_id": attempt.attempt_id,
        "session_digest": attempt.session_digest or "",
        "stage": str(attempt.stage),
        "way": attempt.way,
        "proof": attempt.proof,
        "display_name": attempt.account.display_name if attempt.account else None,
        "page_id": attempt.page_id,
        "psid": attempt.psid,
        "profile_name": attempt.profile_name,
        "page_hint": attempt.page_hint,
        "linking_token": attempt.linking_token,
        "return_url": attempt.return_url,
        "second_factor_at": attempt.second_factor_at,
        "refusal": _text_of(attempt.refusal),
        "awaited": _text_of(attempt.awaited),
        "opened_at": attempt.opened_at,
        "expires_at": attempt.expires_at,
    }


def _text_of(kept: Refusal | Awaited | None) -> str | None:
    return json.dumps(asdict(kept)) if kept else None


def _attempt(row: Row) -> Attempt:
    values = dict(row)
    identity = [values.pop(name) for name in _IDENTITY]
    values["account"] = Account(*identity) if identity[0] else None
    values["stage"] = Stage(values["stage"])
    values["refusal"] = Refusal(**json.loads(values["refusal"])) if values["refusal"] else None
    values["awaited"] = Awaited(**json.loads(values["awaited"])) if values["awaited"] else None
    values["session_digest"] = values["session_digest"] or None
    return Attempt(**values)
