"""Where bound accounts, tokens and second factors are kept: in tables of this room's own.

Each method is one whole transaction. What a wrong code costs is written even though the call is refused, so
such a refusal is returned by the transaction and raised after it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot_linking.core.errors import BotLinkingError, SecondFactorLocked
from bot_linking.core.links import from_ms
from bot_linking.doors.throttle import TooManyAttempts
from bot_linking.external_account import two_factor
from bot_linking.external_account.errors import (
    BindRefused,
    BoundToAnother,
    ExternalAccountDisabled,
    ExternalAccountUnknown,
    FieldRefused,
    SecondFactorRefused,
)
from bot_linking.external_account.tokens import SIGNED_IN, NewToken, Token
from bot_linking.external_account.two_factor import Vault

if TYPE_CHECKING:
    from bot_linking.stores.engine import Engine, Tx

Row = dict[str, Any]

MOST_ACCOUNTS = 1000  # of one user of one application
MIGRATIONS = "bot_linking_external_account"
ROOM = "bot_linking.external_account"


@dataclass(frozen=True, slots=True)
class App:
    """An application that may call."""

    app_key: str
    created_at: int


class Accounts:
    """The store of this module, over the engine of the links' store."""

    def __init__(self, engine: Engine, vault: Vault) -> None:
        engine.extend(MIGRATIONS, ROOM)
        self._engine = engine
        self._vault = vault

    # Applications

    def begin_app(self, app_key: str, now: int) -> bool:
        """An application that is half made: links are bound in it from now on. False when there is a whole
        one of this name."""

        def work(tx: Tx) -> bool:
            tx.put("external_save_app", app_key=app_key, now=now)
            return tx.one("external_find_app", app_key=app_key) is None

        return self._engine.write(work)

    def finish_app(
        self, app_key: str, token: NewToken, scopes: Sequence[str], now: int, expires_at: int
    ) -> bool:
        """Make the one that was begun whole, with its back end's first token. False when it is already."""

        def work(tx: Tx) -> bool:
            if not tx.run("external_open_app", app_key=app_key, now=now):
                return False
            _save_token(tx, token, app_key, None, None, scopes, now, expires_at)
            return True

        return self._engine.write(work)

    def list_apps(self) -> list[App]:
        return [App(**row) for row in self._engine.read("external_list_apps")]

    # Tokens

    def save_token(
        self,
        token: NewToken,
        app_key: str,
        user_id: int | None,
        scopes: Sequence[str],
        now: int,
        expires_at: int,
    ) -> bool:
        """False when there is no such application."""

        def work(tx: Tx) -> bool:
            if tx.one("external_find_app", app_key=app_key) is None:
                return False
            _save_token(tx, token, app_key, user_id, None, scopes, now, expires_at)
            return True

        return self._engine.write(work)

    def find_token(self, digest: str, now: int) -> Token | None:
        """The token that is good now, as last committed by any process."""
        rows = self._engine.read("external_find_token", digest=digest, now=now)
        return _token(rows[0]) if rows else None

    def list_tokens(self, now: int) -> list[Token]:
        return [_token(row) for row in self._engine.read("external_list_tokens", now=now)]

    def revoke_token(self, token_id: str, digest: str) -> int:
        """End the token of this id or this digest, in every process at once."""

        def work(tx: Tx) -> int:
            return tx.run("external_revoke_token", id=token_id, digest=digest)

        return self._engine.write(work)

    def revoke_tokens(self, app_key: str, user_id: int | None) -> int:
        """End every token of an application, or of one of its users."""

        def work(tx: Tx) -> int:
            return tx.run("external_revoke_tokens", app_key=app_key, user_id=user_id)

        return self._engine.write(work)

    # Bound accounts

    def bind(
        self,
        app_key: str,
        user_id: int,
        platform: str,
        union_id: str,
        now: int,
        *,
        platform_name: str = "",
        avatar: str = "",
        data: str = "",
    ) -> None:
        """Bind a pair to a user; bound to the same one already, nothing changes.

        Raises `BoundToAnother`, and `BindRefused` for more accounts than one user may hold.
        """
        pair = {"app_key": app_key, "platform": platform, "union_id": union_id}

        def work(tx: Tx) -> None:
            made = tx.one(
                "external_bind", user_id=user_id, platform_name=platform_name, avatar=avatar, data=data,
                page_id=None, now=now, **pair,
            )  # fmt: skip
            if made is None:
                _refuse_stranger(tx.one("external_find_pair", **pair), user_id)
                return
            held = tx.one("external_count_accounts", app_key=app_key, user_id=user_id)
            if held is not None and held["held"] > MOST_ACCOUNTS:
                raise BindRefused(f"a user holds {MOST_ACCOUNTS} accounts at most")

        self._engine.write(work)

    def logins_of(self, app_key: str, user_id: int) -> list[Row]:
        """A user's accounts, oldest first, as UserLogins objects of the protocol."""
        rows = self._engine.read("external_list_accounts", app_key=app_key, user_id=user_id)
        return [_user_login(*row.values()) for row in rows]

    def update(
        self,
        app_key: str,
        user_id: int,
        account_id: int,
        now: int,
        *,
        avatar: str | None = None,
        data: str | None = None,
        enable: bool | None = None,
    ) -> None:
        """Change what is given; a disabled account's tokens end. Raises `ExternalAccountUnknown`."""
        enabled = None if enable is None else int(enable)

        def work(tx: Tx) -> None:
            row = tx.one(
                "external_update", app_key=app_key, user_id=user_id, id=account_id, avatar=avatar, data=data,
                enabled=enabled, now=now,
            )  # fmt: skip
            if row is None:
                raise ExternalAccountUnknown("there is no account with this id")
            if not row["enabled"]:
                tx.put("external_end_tokens_of_account", account_id=account_id)

        self._engine.write(work)

    def unbind(self, app_key: str, user_id: int, account_id: int) -> None:
        """Remove an account and the tokens that came from it. Raises `ExternalAccountUnknown`."""

        def work(tx: Tx) -> None:
            if not tx.run("external_unbind", app_key=app_key, user_id=user_id, id=account_id):
                raise ExternalAccountUnknown("there is no account with this id")

        self._engine.write(work)

    # Sign in

    def sign_in(
        self,
        app_key: str,
        platform: str,
        union_id: str,
        code: str | None,
        token: NewToken,
        now: int,
        expires_at: int,
    ) -> None:
        """Keep a token of the pair's user, who has passed the second factor where there is one.

        Raises `ExternalAccountUnknown`, `ExternalAccountDisabled`, and what `_pass` refuses.
        """

        def work(tx: Tx) -> BotLinkingError | None:
            # Held, not only read: disabling waits for us or we for it, on every engine.
            row = tx.one("external_hold_account", app_key=app_key, platform=platform, union_id=union_id)
            if row is None:
                raise ExternalAccountUnknown("no account is bound to this unionID and platform")
            if not row["enabled"]:
                raise ExternalAccountDisabled("this account is disabled")
            refusal = self._pass(tx, app_key, row["user_id"], code, now)
            if refusal is None:
                tx.put("external_purge_tokens", now=now)
                _save_token(tx, token, app_key, row["user_id"], row["id"], SIGNED_IN, now, expires_at)
            return refusal

        _settle(self._engine.write(work))

    # The second factor

    def save_second_factor(
        self, app_key: str, user_id: int, secret: str, recovery_digests: Sequence[str], now: int
    ) -> bool:
        """Turn it on, or change it; tokens by earlier sign-ins end. False without such an application."""
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

    def drop_second_factor(self, app_key: str, user_id: int) -> bool:
        """Turn it off; tokens by earlier sign-ins end. False when it was not on."""

        def work(tx: Tx) -> bool:
            tx.put("external_drop_recovery_codes", app_key=app_key, user_id=user_id)
            gone = tx.run("external_drop_second_factor", app_key=app_key, user_id=user_id)
            tx.put("external_end_sign_ins", app_key=app_key, user_id=user_id)
            return gone > 0

        return self._engine.write(work)

    def apps_with_second_factor(self, user_id: int) -> list[str]:
        """The applications in which this user has one."""
        return [row["app_key"] for row in self._engine.read("external_find_second_factors", user_id=user_id)]

    def check_code(self, app_key: str, user_id: int, code: str, now: int) -> None:
        """Pass with a time-based code or a recovery code. Raises what `_pass` refuses."""
        _settle(self._engine.write(lambda tx: self._pass(tx, app_key, user_id, code, now)))

    def reseal(self) -> int:
        """Encrypt every secret with the newest key; how many were."""
        rows = self._engine.read("external_list_secrets")
        for row in rows:
            secret = self._vault.open(**_whose(row), sealed=row["secret"])
            values = row | {"fresh": self._vault.seal(**_whose(row), secret=secret)}
            self._engine.write(lambda tx, values=values: tx.put("external_replace_secret", **values))  # type: ignore[misc]
        return len(rows)

    def _pass(self, tx: Tx, app_key: str, user_id: int, code: str | None, now: int) -> BotLinkingError | None:
        """None for whoever needs no code or has a right one; a refusal that has been counted otherwise.

        The row is held from the first look to the last word, so parallel guesses come one after another.
        Raises what costs nothing: a missing code, a limit that is used up, a secret that cannot be read.
        """
        whose = {"app_key": app_key, "user_id": user_id}
        row = tx.one("external_hold_second_factor", **whose)
        if row is None:
            return None
        if code is None:
            raise FieldRefused("twoFactorCode is required: this user has two-factor sign-in on")
        failures = two_factor.recent(row["failed_at"], now)
        if wait := two_factor.wait_of(failures, now):
            raise TooManyAttempts("second factor", wait)
        recovery = two_factor.recovery_digest(code)
        if recovery is None and row["failures"] >= two_factor.MOST_IN_A_ROW:
            raise SecondFactorLocked("too many wrong codes: a recovery code or the operator opens it again")
        counted = json.dumps([*failures, now])
        tx.put("external_count_code", failures=row["failures"] + 1, failed_at=counted, **whose)
        if recovery is not None:
            accepted = tx.run("external_use_recovery_code", digest=recovery, **whose) > 0
            if accepted:
                tx.put("external_recover", **whose)
        else:
            accepted = self._accept(tx, whose, row, code, failures, now)
        return None if accepted else SecondFactorRefused("twoFactorCode is not right, or was used already")

    def _accept(
        self, tx: Tx, whose: dict[str, Any], row: Row, code: str, failures: Sequence[int], now: int
    ) -> bool:
        """Whether the code is right for a step that nobody used yet; it is used now."""
        secret = self._vault.open(sealed=row["secret"], **whose)
        step = two_factor.step_of(secret, code, now_ms=now, last_step=row["last_step"])
        return step is not None and tx.run(
            "external_accept_code", step=step, failed_at=json.dumps(failures), **whose
        ) > 0  # fmt: skip


def _user_login(
    account_id: int,
    user_id: int,
    platform_name: str,
    platform: str,
    union_id: str,
    avatar: str,
    data: str,
    enabled: int,
    created_at: int,
    updated_at: int,
) -> Row:
    """From the columns in the order of the statement."""
    return {
        "id": account_id,
        "userID": user_id,
        "platformName": platform_name,
        "platform": platform,
        "unionID": union_id,
        "avatar": avatar,
        "data": data,
        "enable": bool(enabled),
        "createDate": _rfc3339(created_at),
        "lastUpdate": _rfc3339(updated_at),
    }


def _rfc3339(milliseconds: int) -> str:
    return from_ms(milliseconds).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _refuse_stranger(owner: Row | None, user_id: int) -> None:
    if owner is None or owner["user_id"] != user_id:
        raise BoundToAnother("this unionID is bound to another user")


def _settle(refusal: BotLinkingError | None) -> None:
    if refusal is not None:
        raise refusal


def _save_token(
    tx: Tx,
    token: NewToken,
    app_key: str,
    user_id: int | None,
    account_id: int | None,
    scopes: Sequence[str],
    now: int,
    expires_at: int,
) -> None:
    tx.put(
        "external_save_token", id=token.id, digest=token.digest, app_key=app_key, user_id=user_id,
        account_id=account_id, scopes=" ".join(scopes), now=now, expires_at=expires_at,
    )  # fmt: skip


def _token(row: Row) -> Token:
    return Token(**{**row, "scopes": tuple(row["scopes"].split())})


def _whose(row: Row) -> dict[str, Any]:
    return {"app_key": row["app_key"], "user_id": row["user_id"]}
