"""Keeps applications and their tokens, in this room's own tables. Each method is one whole transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot_linking.core.reading import is_storable
from bot_linking.external_account.tokens import NewToken, Token

if TYPE_CHECKING:
    from bot_linking.stores.engine import Engine, Row, Tx


@dataclass(frozen=True, slots=True)
class App:
    """An application that may call."""

    app_key: str
    created_at: int


class Apps:
    """Applications and tokens, in the database of the links."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def begin_app(self, app_key: str, now: int) -> bool:
        """Begin to make an application: from now on links are bound in it, too. False when a finished one has
        this name."""

        def work(tx: Tx) -> bool:
            tx.put("external_save_app", app_key=app_key, now=now)
            return tx.one("external_find_app", app_key=app_key) is None

        return self._engine.write(work)

    def finish_app(
        self, app_key: str, token: NewToken, scopes: Sequence[str], now: int, expires_at: int
    ) -> bool:
        """Finish an application, with its back end's first token. False when it is finished already."""

        def work(tx: Tx) -> bool:
            if not tx.run("external_open_app", app_key=app_key, now=now):
                return False
            save_token(tx, token, app_key, user_id=None, scopes=scopes, now=now, expires_at=expires_at)
            return True

        return self._engine.write(work)

    def list_apps(self) -> list[App]:
        """All applications, oldest first."""
        return [App(**row) for row in self._engine.read("external_list_apps")]

    def save_token(
        self,
        token: NewToken,
        app_key: str,
        user_id: int | None,
        scopes: Sequence[str],
        now: int,
        expires_at: int,
    ) -> bool:
        """Keep a token. False when there is no such application."""

        def work(tx: Tx) -> bool:
            if tx.one("external_find_app", app_key=app_key) is None:
                return False
            save_token(tx, token, app_key, user_id=user_id, scopes=scopes, now=now, expires_at=expires_at)
            return True

        return self._engine.write(work)

    def find_token(self, digest: str, now: int) -> Token | None:
        """The token with this digest, if it is good now."""
        rows = self._engine.read("external_find_token", digest=digest, now=now)
        return _token(rows[0]) if rows else None

    def list_tokens(self, now: int) -> list[Token]:
        """The tokens that are good now, by application, then oldest first."""
        return [_token(row) for row in self._engine.read("external_list_tokens", now=now)]

    def revoke_token(self, token_id: str, digest: str) -> int:
        """End the token with this id or digest, in every process at once. The number of ended tokens."""

        def work(tx: Tx) -> int:
            return tx.run("external_revoke_token", id=token_id, digest=digest)

        return self._engine.write(work)

    def revoke_tokens(self, app_key: str, user_id: int | None) -> int:
        """End every token of an application, or of one of its users. The number of ended tokens."""
        if not is_storable(app_key):
            return 0

        def work(tx: Tx) -> int:
            return tx.run("external_revoke_tokens", app_key=app_key, user_id=user_id)

        return self._engine.write(work)


def save_token(
    tx: Tx,
    token: NewToken,
    app_key: str,
    *,
    user_id: int | None,
    scopes: Sequence[str],
    now: int,
    expires_at: int,
    account_id: int | None = None,
) -> None:
    """Keep a token inside a transaction. `account_id` is the account by which its user signed in."""
    tx.put(
        "external_save_token",
        id=token.id,
        digest=token.digest,
        app_key=app_key,
        user_id=user_id,
        account_id=account_id,
        scopes=" ".join(scopes),
        now=now,
        expires_at=expires_at,
    )


def _token(row: Row) -> Token:
    return Token(**{**row, "scopes": tuple(row["scopes"].split())})
