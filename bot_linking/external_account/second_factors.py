"""Keeps second factors: the encrypted secret, the last accepted step, and the wrong codes.

Each method is one whole transaction. A wrong code must be counted although the call is refused, so the
transaction returns such a refusal, and it is raised after the commit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bot_linking.core.errors import BotLinkingError, SecondFactorLocked
from bot_linking.core.reading import is_storable
from bot_linking.doors.throttle import TooManyAttempts
from bot_linking.external_account import two_factor
from bot_linking.external_account.errors import SecondFactorMissing, SecondFactorRefused
from bot_linking.external_account.two_factor import Vault

if TYPE_CHECKING:
    from bot_linking.stores.engine import Engine, Row, Tx


class SecondFactors:
    """Second factors and recovery codes, in the database of the links."""

    def __init__(self, engine: Engine, vault: Vault) -> None:
        self._engine = engine
        self._vault = vault

    def save(
        self, app_key: str, user_id: int, secret: str, recovery_digests: Sequence[str], now: int
    ) -> bool:
        """Save a user's second factor and recovery codes in place of others. Tokens of earlier sign-ins end.
        False when there is no such application."""
        sealed = self._vault.seal(app_key, user_id, secret)
        whose = {"app_key": app_key, "user_id": user_id}

        def work(tx: Tx) -> bool:
            if tx.one("external_find_app", app_key=app_key) is None:
                return False
            tx.put("external_save_second_factor", secret=sealed, now=now, **whose)
            tx.put("external_drop_recovery_codes", **whose)
            for digest in recovery_digests:
                tx.put("external_save_recovery_code", digest=digest, **whose)
            tx.put("external_end_sign_ins", **whose)
            return True

        return self._engine.write(work)

    def drop(self, app_key: str, user_id: int) -> bool:
        """Delete a second factor. Tokens of earlier sign-ins end. False when there was none."""
        if not is_storable(app_key):
            return False

        def work(tx: Tx) -> bool:
            tx.put("external_drop_recovery_codes", app_key=app_key, user_id=user_id)
            gone = tx.run("external_drop_second_factor", app_key=app_key, user_id=user_id)
            tx.put("external_end_sign_ins", app_key=app_key, user_id=user_id)
            return gone > 0

        return self._engine.write(work)

    def apps_of(self, user_id: int) -> list[str]:
        """The applications in which this user has a second factor."""
        return [row["app_key"] for row in self._engine.read("external_find_second_factors", user_id=user_id)]

    def check(self, app_key: str, user_id: int, code: str, now: int) -> None:
        """Check a time-based code or a recovery code. Raises what `refusal_of` returns or raises."""
        settle(self._engine.write(lambda tx: self.refusal_of(tx, app_key, user_id, code, now)))

    def reseal(self) -> int:
        """Encrypt every secret with the newest key. The number of secrets."""
        rows = self._engine.read("external_list_secrets")
        for row in rows:
            whose = {"app_key": row["app_key"], "user_id": row["user_id"]}
            secret = self._vault.open(**whose, sealed=row["secret"])
            values = row | {"fresh": self._vault.seal(**whose, secret=secret)}
            self._engine.write(lambda tx, values=values: tx.put("external_replace_secret", **values))  # type: ignore[misc]
        return len(rows)

    def refusal_of(
        self, tx: Tx, app_key: str, user_id: int, code: str | None, now: int
    ) -> BotLinkingError | None:
        """None where no code is needed or the code is right; else the refusal, which has been counted.

        The row is locked, so parallel guesses are judged one after another. Raises the refusals that do not
        count: a missing code, a limit that is used up, a secret that cannot be read.
        """
        whose = {"app_key": app_key, "user_id": user_id}
        row = tx.one("external_hold_second_factor", **whose)
        if row is None:
            return None
        if code is None:
            raise SecondFactorMissing("twoFactorCode is required: this user has two-factor sign-in on")
        failures = two_factor.recent(row["failed_at"], now)
        if wait := two_factor.wait_of(failures, now):
            raise TooManyAttempts("second factor", wait)
        recovery = two_factor.recovery_digest(code)
        if recovery is None and row["failures"] >= two_factor.MOST_IN_A_ROW:
            raise SecondFactorLocked("too many wrong codes: a recovery code or the operator opens it again")
        counted = json.dumps([*failures, now])
        tx.put("external_count_code", failures=row["failures"] + 1, failed_at=counted, **whose)
        if recovery is not None:
            accepted = _recover(tx, whose, recovery)
        else:
            accepted = self._accept(tx, whose, row, code, failures, now)
        return None if accepted else SecondFactorRefused("twoFactorCode is not right, or was used already")

    def _accept(
        self, tx: Tx, whose: dict[str, Any], row: Row, code: str, failures: Sequence[int], now: int
    ) -> bool:
        """Use up a right code. False for a wrong one, and for one that was used."""
        secret = self._vault.open(sealed=row["secret"], **whose)
        step = two_factor.step_of(secret, code, now_ms=now, last_step=row["last_step"])
        if step is None:
            return False
        return tx.run("external_accept_code", step=step, failed_at=json.dumps(failures), **whose) > 0


def _recover(tx: Tx, whose: dict[str, Any], digest: str) -> bool:
    """Use up a recovery code, and forget the wrong codes. False for a wrong one, and for one that was
    used."""
    used = tx.run("external_use_recovery_code", digest=digest, **whose) > 0
    if used:
        tx.put("external_recover", **whose)
    return used


def settle(refusal: BotLinkingError | None) -> None:
    """Raise the refusal that a transaction returned, after its commit."""
    if refusal is not None:
        raise refusal
