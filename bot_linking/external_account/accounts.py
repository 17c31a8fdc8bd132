"""Keeps bound accounts, in this room's own table. Each method is one whole transaction."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from bot_linking.core.errors import BotLinkingError
from bot_linking.core.links import iso_of
from bot_linking.external_account.apps import save_token
from bot_linking.external_account.errors import (
    BindRefused,
    BoundToAnother,
    ExternalAccountDisabled,
    ExternalAccountUnknown,
    FieldRefused,
    LinkDecides,
)
from bot_linking.external_account.link_mirror import PLATFORM
from bot_linking.external_account.second_factors import SecondFactors, settle
from bot_linking.external_account.tokens import SIGNED_IN, NewToken

if TYPE_CHECKING:
    from bot_linking.stores.engine import Engine, Row, Tx

MOST_ACCOUNTS = 1000  # of one user of one application
NO_ACCOUNT = "there is no account with this id"


class Accounts:
    """Bound accounts, in the database of the links. Links write the rows of platform `messenger`."""

    def __init__(self, engine: Engine, second_factors: SecondFactors) -> None:
        self._engine = engine
        self._second_factors = second_factors

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
        """Bind a pair of platform and unionID to a user. A pair that the user has already stays as it is.

        Raises `BoundToAnother`, and `BindRefused` for more accounts than one user may hold.
        """
        pair = {"app_key": app_key, "platform": platform, "union_id": union_id}
        shown = {"platform_name": platform_name, "avatar": avatar, "data": data}

        def work(tx: Tx) -> None:
            if tx.one("external_bind", user_id=user_id, now=now, **pair, **shown) is None:
                _require_owner(tx.one("external_find_pair", **pair), user_id)
                return
            held = tx.one("external_count_accounts", app_key=app_key, user_id=user_id)
            if held is not None and held["held"] > MOST_ACCOUNTS:
                raise BindRefused(f"a user holds {MOST_ACCOUNTS} accounts at most")

        self._engine.write(work)

    def logins_of(self, app_key: str, user_id: int, page_id: str | None = None) -> list[Row]:
        """A user's accounts, oldest first, as UserLogins objects of the protocol; with a page, only those
        that links on this page made."""
        rows = self._engine.read("external_list_accounts", app_key=app_key, user_id=user_id, page_id=page_id)
        return [_user_login(row) for row in rows]

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
        """Change the given fields. Disabling ends the account's tokens. Raises `ExternalAccountUnknown`."""
        given = {"avatar": avatar, "data": data, "enabled": None if enable is None else int(enable)}

        def work(tx: Tx) -> None:
            row = tx.one("external_update", app_key=app_key, user_id=user_id, id=account_id, now=now, **given)
            if row is None:
                raise ExternalAccountUnknown(NO_ACCOUNT)
            if not row["enabled"]:
                tx.put("external_end_tokens_of_account", account_id=account_id)

        self._engine.write(work)

    def unbind(self, app_key: str, user_id: int, account_id: int) -> None:
        """Remove an account and the tokens that came from it. Raises `ExternalAccountUnknown`, and
        `LinkDecides` for one that a link made."""
        which = {"app_key": app_key, "user_id": user_id, "id": account_id}

        def work(tx: Tx) -> None:
            if tx.run("external_unbind", **which):
                return
            if tx.one("external_find_account", **which) is None:
                raise ExternalAccountUnknown(NO_ACCOUNT)
            raise LinkDecides("this account is bound by a link: unlinking removes it")

        self._engine.write(work)

    def sign_in(
        self,
        app_key: str,
        platform: str,
        union_id: str,
        code: str | None,
        token: NewToken,
        now: int,
        expires_at: int,
        *,
        page_id: str | None = None,
    ) -> None:
        """Check the second factor of the pair's user, where there is one, and keep the token.

        Raises `ExternalAccountUnknown`, `ExternalAccountDisabled`, `FieldRefused` for a PSID that is linked
        on several pages when `page_id` is None, and what `SecondFactors.refusal_of` returns or raises.
        """

        def work(tx: Tx) -> BotLinkingError | None:
            row = _hold(tx, app_key, platform, union_id, page_id)
            if not row["enabled"]:
                raise ExternalAccountDisabled("this account is disabled")
            user_id = row["user_id"]
            refusal = self._second_factors.refusal_of(tx, app_key, user_id, code, now)
            if refusal is None:
                tx.put("external_purge_tokens", now=now)
                save_token(
                    tx,
                    token,
                    app_key,
                    user_id=user_id,
                    account_id=row["id"],
                    scopes=SIGNED_IN,
                    now=now,
                    expires_at=expires_at,
                )
            return refusal

        settle(self._engine.write(work))


def _hold(tx: Tx, app_key: str, platform: str, union_id: str, page_id: str | None) -> Row:
    """The account of a pair, locked until the transaction ends, so that it is not disabled meanwhile."""
    pair: dict[str, Any] = {"app_key": app_key, "platform": platform, "union_id": union_id}
    if platform == PLATFORM:
        found = tx.all("external_hold_linked", page_id=page_id, **pair)
    else:
        found = tx.all("external_hold_account", **pair)
    if not found:
        raise ExternalAccountUnknown("no account is bound to this unionID and platform")
    if len(found) > 1:
        raise FieldRefused("pageID is required: this unionID is linked on several pages")
    return found[0]


def _user_login(row: Row) -> Row:
    return {
        "id": row["id"],
        "userID": row["user_id"],
        "platformName": row["platform_name"],
        "platform": row["platform"],
        "unionID": row["union_id"],
        "avatar": row["avatar"],
        "data": row["data"],
        "enable": bool(row["enabled"]),
        "createDate": _rfc3339(row["created_at"]),
        "lastUpdate": _rfc3339(row["updated_at"]),
    }


@lru_cache(4096)
def _rfc3339(milliseconds: int) -> str:
    return iso_of(milliseconds).replace("+00:00", "Z")


def _require_owner(owner: Row | None, user_id: int) -> None:
    if owner is None or owner["user_id"] != user_id:
        raise BoundToAnother("this unionID is bound to another user")
